import { X509Certificate } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { Enrolled } from '../../../src/enrolment/enrol.ts'
import { Renewal, type RenewalParts } from '../../../src/enrolment/renewal.ts'
import { RenewalTopic } from '../../../src/enrolment/renewal-topic.ts'
import { silentLog } from '../../../src/model/log.ts'
import type { IncomingMessage } from '../../../src/model/message.ts'
import { silentMeter } from '../../../src/model/meter.ts'
import type { Principal } from '../../../src/model/principal.ts'
import { openHouse, operator, SECOND, withType } from '../ca/house.ts'
import { requestPem } from '../ca/requests.ts'
import { principalOf } from '../registry/house.ts'
import { ADDRESS, openDesk } from './desk.ts'

const KINDS = ['x509', 'secret', 'psk', 'oscore'] as const
type Kind = (typeof KINDS)[number]
const LIFETIME = 30

async function open(parts: Partial<RenewalParts> = {}) {
  const house = await openHouse()
  await withType(house)
  const desk = openDesk(house)
  const renewal = new Renewal({ ...house, isInUse: () => false, ...parts })
  const enrol = async (kind: Kind, lifetime: number | undefined = LIFETIME): Promise<Enrolled> => {
    const { token } = await desk.create({ type: 'thermostat', ttl: 60, kinds: [kind], lifetime }, operator)
    const common = { token, device: 't1', address: ADDRESS }
    if (kind === 'x509') return desk.redeem({ ...common, csr: requestPem() })
    if (kind === 'psk') return desk.redeem({ ...common, kind })
    return desk.redeem(kind === 'oscore' ? { ...common, kind } : { ...common, kind, audience: 'mqtt' })
  }
  const principal = ({ credential }: Pick<Enrolled, 'credential'>) => principalOf(house.registry, 't1', credential)
  const request = (kind: Kind) => (kind === 'x509' ? { csr: requestPem() } : {})
  return { ...house, house, desk, renewal, enrol, principal, request }
}

describe.each(KINDS)('%s of half a minute', kind => {
  it('is renewed again and again, each time for as long', async () => {
    const { enrol, renewal, principal, request, clock, registry } = await open()
    let present: Pick<Enrolled, 'credential'> = await enrol(kind)
    const { expiresAt, notBefore } = present.credential
    const life = (expiresAt ?? 0) - notBefore
    for (let i = 0; i < 5; i++) {
      clock.time += 20 * SECOND
      const before = principal(present)
      const next = await renewal.renew(before, request(kind))
      expect((next.credential.expiresAt ?? 0) - next.credential.notBefore).toBe(life)
      expect(registry.standing(before)).toBeNull()
      expect(registry.standing(principal(next))).toBeNull()
      present = next
    }
    clock.time += LIFETIME * SECOND
    expect(registry.standing(principal(present))).toBe('credential-expired')
    await expect(renewal.renew(principal(present), request(kind))).rejects.toMatchObject({ code: 'credential-expired' })
  })

  it('asked for again by the old one has still the life that the first was made with', async () => {
    const { enrol, renewal, principal, request, clock } = await open({ limits: { renewalOverlap: 10 } })
    const first = await enrol(kind)
    const life = (first.credential.expiresAt ?? 0) - first.credential.notBefore
    await renewal.renew(principal(first), request(kind))
    clock.time += 5 * SECOND
    const { credential } = await renewal.renew(principal(first), request(kind))
    expect((credential.expiresAt ?? 0) - credential.notBefore).toBe(life)
  })
})

describe('renewal', () => {
  it('of a certificate signs the new key, for the device itself', async () => {
    const { enrol, renewal, principal } = await open()
    const issued = await renewal.renew(principal(await enrol('x509')), { csr: requestPem() })
    const pem = 'certificatePem' in issued ? issued.certificatePem : ''
    expect(new X509Certificate(pem).subjectAltName).toBe('URI:urn:latchkey:device:t1')
  })

  it('keeps a certificate on the revocation list until its notAfter, though it ended before', async () => {
    const { enrol, renewal, principal, registry, ca, clock } = await open({ limits: { renewalOverlap: 10 } })
    const { credential } = await enrol('x509', 3600)
    await renewal.renew(principal({ credential }), { csr: requestPem() })
    await registry.revokeCredential(credential.id, { reason: 'key compromise' }, operator)
    clock.time += 1800 * SECOND
    const serial = 'serial' in credential ? credential.serial : ''
    expect((await ca.crl(ca.id))?.includes(Buffer.from(serial.padStart(32, '0'), 'hex'))).toBe(true)
  })

  it('of an OSCORE context goes over plain CoAP, which it protects, and keeps the ID Context', async () => {
    const { enrol, renewal, principal, registry } = await open()
    const present = await enrol('oscore')
    const next = await renewal.renew({ ...principal(present), transport: 'coap' }, {})
    expect(next.credential).toMatchObject({ kind: 'oscore', idContext: null })
    const ids = [present.credential, next.credential].map(one => (one.kind === 'oscore' ? one.senderId : ''))
    expect(new Set(ids).size).toBe(2)
    const { credential } = await registry.issueOscore('t1', { idContext: '37cbf3210017a2d3' }, operator)
    const kept = await renewal.renew({ ...principal({ credential }), transport: 'coap' }, {})
    expect(kept.credential).toMatchObject({ kind: 'oscore', idContext: '37cbf3210017a2d3' })
  })

  it.each<[string, Partial<Principal>, string]>([
    ['over mqtt', { transport: 'mqtt' }, 'policy-denied'],
    ['over ws', { transport: 'ws' }, 'policy-denied'],
    ['over coap', { transport: 'coap' }, 'policy-denied'],
    ['without a credential', { credential: null }, 'policy-denied'],
    ['by a JWT', { issuer: 't1', jti: 'x' }, 'policy-denied'],
    ['by a JWT without an identifier', { issuer: 't1' }, 'policy-denied'],
    ['that was admitted before the device was suspended', { ownerEpoch: -1 }, 'superseded'],
    ['that was admitted before its credential changed', { credentialEpoch: 0 }, 'superseded'],
  ])('is refused to a session %s', async (_, wrong, code) => {
    const { enrol, renewal, principal, registry } = await open()
    const session = { ...principal(await enrol('secret')), ...wrong }
    await expect(renewal.renew(session, {})).rejects.toMatchObject({ code })
    expect(await registry.credentialsOf('t1')).toHaveLength(1)
  })

  it('is refused to services, and by a key for JWTs', async () => {
    const { enrol, renewal, principal } = await open()
    const session = principal(await enrol('secret'))
    const service = { ...session, subject: { ...session.subject, kind: 'service' as const } }
    await expect(renewal.renew(service, {})).rejects.toMatchObject({ code: 'policy-denied' })
    const byKey = { ...session, credential: { id: 'x', kind: 'jwt-key' as const } }
    await expect(renewal.renew(byKey, {})).rejects.toMatchObject({ code: 'policy-denied' })
  })

  it('is refused when asked for too often, by this device alone, and not for ever', async () => {
    const { enrol, renewal, principal, clock } = await open({ limits: { renewalBurst: 2, renewalsPerMinute: 6 } })
    const session = principal(await enrol('secret', 3600))
    for (let i = 0; i < 2; i++) await renewal.renew(session, {})
    await expect(renewal.renew(session, {})).rejects.toMatchObject({ code: 'throttled' })
    clock.time += 9_999
    await expect(renewal.renew(session, {})).rejects.toMatchObject({ code: 'throttled' })
    clock.time += 10_000
    await renewal.renew(session, {})
  })

  it('forgets nobody who still has to wait while there is room, and holds no more than it may', async () => {
    const { enrol, renewal, principal } = await open({ limits: { renewalBurst: 1, renewalsRemembered: 1 } })
    const session = principal(await enrol('secret'))
    await renewal.renew(session, {})
    await expect(renewal.renew(session, {})).rejects.toMatchObject({ code: 'throttled' })
    const other = { ...session, subject: { ...session.subject, id: 't2' } }
    await expect(renewal.renew(other, {})).rejects.toMatchObject({ code: 'superseded' })
    await renewal.renew(session, {})
  })
})

describe('the topic', () => {
  const message = (payload: string): IncomingMessage => ({
    topic: 'x',
    payload: Buffer.from(payload),
    qos: 1,
    retain: false,
  })

  async function ask(payload: string, room = Number.POSITIVE_INFINITY, parts: Partial<RenewalParts> = {}) {
    const opened = await open()
    const session = opened.principal(await opened.enrol('secret'))
    const renewal = new Renewal({ ...opened.house, isInUse: () => false, ...parts })
    const topic = new RenewalTopic({
      renewal,
      view: ({ credential }) => ({ by: credential.id }),
      meter: silentMeter,
      log: silentLog,
    })
    const answers: string[] = []
    const requester = {
      room,
      answer: ({ payload }: { payload: Buffer }) => {
        answers.push(payload.toString())
        return true
      },
    }
    await topic.handle(message(payload), session, requester)
    return { ...opened, topic, session, answers: answers.map(answer => JSON.parse(answer)) }
  }

  it('answers once, with what may be seen', async () => {
    const { answers, registry } = await ask('{"id":"7"}')
    expect(answers).toEqual([{ id: '7', by: expect.any(String) }])
    expect(registry.credential(answers[0].by)?.owner).toBe('t1')
  })

  it('makes nothing for a connection that could not take the answer', async () => {
    const { answers, registry } = await ask('{"id":"7"}', 2047)
    expect(answers).toEqual([{ id: '7', error: { code: 'too-large', detail: expect.stringContaining('2047') } }])
    expect(await registry.credentialsOf('t1')).toHaveLength(1)
  })

  it('reads no more than a request may have', async () => {
    const { answers } = await ask(`{"id":"7"}${' '.repeat(73 * 1024)}`)
    expect(answers).toMatchObject([{ id: null, error: { code: 'too-large' } }])
  })

  it('tells nothing about an error of ours', async () => {
    const isInUse = () => {
      throw new Error('the inner workings')
    }
    const { answers, topic, session, house } = await ask('{"id":"7"}', 4096, { isInUse })
    expect(answers).toMatchObject([{ by: expect.any(String) }]) // nobody was asked: there is no successor yet
    expect(JSON.stringify(answers)).not.toContain('workings')
    const told: object[] = []
    const requester = {
      room: 4096,
      answer: ({ payload }: { payload: Buffer }) => told.push(JSON.parse(String(payload))) > 0,
    }
    await topic.handle(message('{"id":"8"}'), session, requester)
    expect(told).toMatchObject([{ id: '8', error: { code: 'internal' } }])
    expect(JSON.stringify(told)).not.toContain('workings')
    expect(await house.registry.credentialsOf('t1')).toHaveLength(2)
  })

  it('throws where nobody can be answered', async () => {
    const { topic, session } = await ask('{"id":"7"}')
    await expect(topic.handle(message('{"id":"8"}'), session)).rejects.toMatchObject({ code: 'policy-denied' })
  })
})
