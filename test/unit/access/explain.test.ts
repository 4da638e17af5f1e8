import { describe, expect, test } from 'vitest'
import type { DenialSink } from '../../../src/model/denial-sink.ts'
import { admitted, fileOf, OPERATOR, type Opened, openAccess, PERMIT_OWN } from './open-access.ts'

/** Decisions go into the audit trail, as they do in the broker. */
async function openRecording(): Promise<Opened> {
  let opened: Opened | null = null
  const decisions: DenialSink = {
    decided: (...told) => opened?.audit.decisions.decided(...told),
    repeated: (...told) => opened?.audit.decisions.repeated(...told),
  }
  opened = await openAccess({ decisions })
  return opened
}

describe('explain', () => {
  test('names the deciding rule of a registered device', async () => {
    const opened = await openAccess()
    await opened.access.putPolicy(fileOf(PERMIT_OWN), OPERATOR)
    await admitted(opened, 'l1', { attributes: { room: 'hall' } })
    expect(opened.access.explain({ owner: 'l1', action: 'publish', target: 'lamp/l1/on' })).toMatchObject({
      decision: { permit: true },
      policyVersion: 1,
      roles: ['lamp'],
      summary: 'l1 may publish lamp/l1/on: permitted by rule own of role lamp (policy.yaml:5).',
      context: { credential: 'x509', transport: 'mqtts', now: opened.clock.now() },
    })
    expect(opened.access.explain({ owner: 'l1', action: 'publish', target: 'room/attic' }).considered).toMatchObject([
      { rule: { id: 'own' }, outcome: 'no-match' },
      { rule: { id: 'room' }, filters: ['room/hall'], outcome: 'no-match' },
    ])
  })

  test('asks nobody who is not there', async () => {
    const { access } = await openAccess()
    expect(() => access.explain({ owner: 'ghost', action: 'publish', target: 'a' })).toThrow(
      expect.objectContaining({ code: 'not-found' }),
    )
  })
})

describe('explainDenial', () => {
  test('answers under the policy that was in force then', async () => {
    const opened = await openRecording()
    const { access, audit, clock } = opened
    const { principal } = await admitted(opened, 'l1')
    const denied = async (): Promise<number> => {
      clock.time += 60_000
      access.decide(principal, { action: 'publish', target: 'lamp/l1/on' })
      const [record] = await audit.list({ type: 'decision', reverse: true, limit: 1 })
      return record?.id ?? 0
    }
    const first = await denied()
    clock.time += 60_000
    await access.putPolicy(fileOf(`${PERMIT_OWN.replace('permit:', 'forbid:').replace('allow }', 'deny }')}`), OPERATOR)
    const second = await denied()
    await access.putPolicy(fileOf(PERMIT_OWN), OPERATOR)

    expect(await access.explainDenial(first)).toMatchObject({
      agrees: true,
      policyVersion: 0,
      decision: { permit: false, reason: 'no-rule' },
      event: { principal: 'l1', target: 'lamp/l1/on' },
    })
    expect(await access.explainDenial(second)).toMatchObject({
      agrees: true,
      policyVersion: 1,
      summary: 'l1 may not publish lamp/l1/on: forbidden by rule own of role lamp (policy.yaml:5).',
    })
  })

  test('asks as it was asked then: credential, QoS, RETAIN and scopes', async () => {
    const opened = await openRecording()
    const conditional = PERMIT_OWN.replace('/#" }', '/#", when: { credential: [psk], qos: [1] } }').replace(
      /tests:[\s\S]*/,
      '',
    )
    await opened.access.putPolicy(fileOf(conditional), OPERATOR)
    const { principal } = await admitted(opened, 'l1')
    const request = { action: 'publish', target: 'lamp/l1/on', qos: 1, retain: false } as const
    const secretly = { ...principal, credential: { id: 'c1', kind: 'secret' as const } }
    opened.access.decide(secretly, request)
    const [record] = await opened.audit.list({ type: 'decision' })
    expect(await opened.access.explainDenial(record?.id ?? 0)).toMatchObject({
      agrees: true,
      context: { credential: 'secret' },
      considered: [{ rule: { id: 'own' }, outcome: 'condition', condition: 'credential' }, {}],
    })
  })

  test('tells when attributes have changed since', async () => {
    const opened = await openRecording()
    await opened.access.putPolicy(fileOf(PERMIT_OWN), OPERATOR)
    const { principal } = await admitted(opened, 'l1')
    opened.access.decide(principal, { action: 'publish', target: 'room/hall' })
    await opened.registry.updateDevice('l1', { attributes: { room: 'hall' } }, OPERATOR)
    const [record] = await opened.audit.list({ type: 'decision' })
    expect(await opened.access.explainDenial(record?.id ?? 0)).toMatchObject({
      agrees: false,
      decision: { permit: true },
    })
  })

  test('explains decisions only', async () => {
    const opened = await openAccess()
    await opened.access.putPolicy(fileOf(PERMIT_OWN), OPERATOR)
    await expect(opened.access.explainDenial(1)).rejects.toMatchObject({ code: 'invalid-input' })
    await expect(opened.access.explainDenial(99)).rejects.toMatchObject({ code: 'not-found' })
  })
})
