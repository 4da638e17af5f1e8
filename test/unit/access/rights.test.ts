import { describe, expect, test } from 'vitest'
import { DEFAULT_ACCESS_LIMITS } from '../../../src/access/access.ts'
import type { Principal } from '../../../src/model/principal.ts'
import { admitted, fileOf, OPERATOR, openAccess, PERMIT_OWN } from './open-access.ts'

const publish = (target: string) => ({ action: 'publish', target }) as const

async function open(options: Parameters<typeof openAccess>[0] = {}, policy = PERMIT_OWN) {
  const opened = await openAccess(options)
  await opened.access.putPolicy(fileOf(policy), OPERATOR)
  const { principal } = await admitted(opened, 'l1', { attributes: { room: 'hall' } })
  opened.sink.told.length = 0
  return { ...opened, principal, rights: opened.access.rights(principal) }
}

describe('rights', () => {
  test('follow the attributes of the device', async () => {
    const { registry, rights } = await open()
    expect([rights.decide(publish('room/hall')).permit, rights.decide(publish('room/attic')).permit]).toEqual([
      true,
      false,
    ])
    await registry.updateDevice('l1', { attributes: { room: 'attic' } }, OPERATOR)
    expect([rights.decide(publish('room/hall')).permit, rights.decide(publish('room/attic')).permit]).toEqual([
      false,
      true,
    ])
    expect(rights.principal.subject.attributes.get('room')).toBe('attic')
  })

  test('begin with what the registry says, even for a principal that was kept for long', async () => {
    const { access, registry, principal } = await open()
    await registry.updateDevice('l1', { attributes: { room: 'attic' } }, OPERATOR)
    expect(access.rights({ ...principal }).decide(publish('room/attic')).permit).toBe(true)
    expect(access.decide(principal, publish('room/attic')).permit).toBe(false)
  })

  test('end when the device is removed, and do not come back with its name', async () => {
    const opened = await open()
    expect(opened.rights.decide(publish('lamp/l1/on')).permit).toBe(true)
    await opened.registry.removeDevice('l1', OPERATOR)
    expect(opened.rights.decide(publish('lamp/l1/on'))).toMatchObject({ permit: false, reason: 'no-rule' })
    await opened.registry.createClient({ id: 'l1', kind: 'operator', roles: ['admin', 'lamp'] }, OPERATOR)
    await opened.registry.updateClient('l1', { groups: ['g'] }, OPERATOR)
    expect(opened.rights.decide(publish('lamp/l1/on')).permit).toBe(false)
    expect(opened.rights.decide({ action: 'administer', target: 'devices:write' }).permit).toBe(false)
  })

  test('end when the registry cannot be read', async () => {
    const { registry, rights } = await open()
    registry.subjectOf = () => {
      throw new Error('unreadable')
    }
    await registry.updateDevice('l1', { groups: ['g'] }, OPERATOR)
    expect(rights.decide(publish('lamp/l1/on')).permit).toBe(false)
  })

  test('of somebody without a record stay as given, whatever is registered under that name', async () => {
    const opened = await open()
    const stranger: Principal = {
      ...opened.principal,
      subject: { ...opened.principal.subject, kind: 'anonymous', type: null, roles: [] },
      credential: null,
    }
    expect(opened.access.rights(stranger).decide(publish('lamp/l1/on')).permit).toBe(false)
    const local: Principal = {
      ...stranger,
      subject: { ...stranger.subject, kind: 'operator', id: '@local', roles: ['admin'] },
    }
    expect(opened.access.rights(local).decide({ action: 'administer', target: 'keys:write' }).permit).toBe(true)
  })

  test('narrow to the scopes of a token', async () => {
    const { access, principal } = await open()
    const rights = access.rights({ ...principal, scopes: ['publish:lamp/l1/on'] })
    expect(rights.decide(publish('lamp/l1/on')).permit).toBe(true)
    expect(rights.decide(publish('lamp/l1/off'))).toMatchObject({ permit: false, reason: 'scope' })
  })

  test('end with a time window, to the millisecond', async () => {
    const { rights, clock } = await open(
      {},
      'version: 1\nroles:\n  lamp: { permit: [{ id: day, publish: "#", when: { time: { to: "18:00" } } }] }\nassign: [{ type: lamp, roles: [lamp] }]\n',
    )
    expect(rights.decide(publish('a')).permit).toBe(true)
    clock.time = Date.UTC(2026, 0, 5, 17, 59, 59, 999)
    expect(rights.decide(publish('a')).permit).toBe(true)
    clock.time++
    expect(rights.decide(publish('a')).permit).toBe(false)
  })

  test('see what the connection is: credential kind, transport and address', async () => {
    const { access, principal } = await open(
      {},
      'version: 1\nroles:\n  lamp: { permit: [{ id: a, publish: "#", when: { credential: secret, transport: mqtts, network: 192.0.2.0/24 } }] }\nassign: [{ type: lamp, roles: [lamp] }]\n',
    )
    expect(access.rights(principal).decide(publish('a')).permit).toBe(true)
    expect(access.rights({ ...principal, transport: 'ws' }).decide(publish('a')).permit).toBe(false)
    expect(access.rights({ ...principal, address: '198.51.100.1' }).decide(publish('a')).permit).toBe(false)
    expect(access.rights({ ...principal, credential: null, issuer: 'x' }).decide(publish('a')).permit).toBe(false)
  })
})

describe('the record of decisions', () => {
  test('a glance is the same answer, and leaves no record', async () => {
    const { access, rights, sink } = await open()
    expect(rights.glance(publish('lamp/l1/on')).permit).toBe(true)
    expect(rights.glance(publish('forbidden')).permit).toBe(false)
    await access.putPolicy(fileOf('version: 1\nroles: {}\n'), OPERATOR)
    expect(rights.glance(publish('lamp/l1/on')).permit).toBe(false)
    access.close()
    expect(sink.told).toEqual([])
  })

  test('fresh ones are told at once, repeated ones as a count after a while', async () => {
    const { rights, scheduler, sink } = await open()
    for (let i = 0; i < 5; i++) rights.decide(publish('lamp/l1/on'))
    for (let i = 0; i < 3; i++) rights.decide(publish('forbidden'))
    const common = { id: 'l1', action: 'publish' }
    const fresh = [
      { ...common, target: 'lamp/l1/on', permit: true, times: 1, fresh: true },
      { ...common, target: 'forbidden', permit: false, times: 1, fresh: true },
    ]
    expect(sink.told).toEqual(fresh)
    scheduler.advance(DEFAULT_ACCESS_LIMITS.repeatInterval)
    expect(sink.told.slice(2)).toEqual([
      { ...common, target: 'lamp/l1/on', permit: true, times: 4, fresh: false },
      { ...common, target: 'forbidden', permit: false, times: 2, fresh: false },
    ])
    expect(scheduler.size).toBe(0)
  })

  test('no repetition is lost when answers make room, the policy changes or access closes', async () => {
    const { access, rights, sink } = await open({ limits: { keptDecisions: 2 } })
    const total = () => sink.told.reduce((sum, { times }) => sum + times, 0)
    let asked = 0
    const ask = (target: string) => {
      rights.decide(publish(target))
      asked++
    }
    for (const target of ['a', 'a', 'b', 'b', 'c', 'c', 'a', 'a']) ask(target)
    await access.putPolicy(fileOf(`${PERMIT_OWN}# changed\n`), OPERATOR)
    for (const target of ['a', 'a', 'a']) ask(target)
    access.close()
    expect(total()).toBe(asked)
  })

  test('an answer about a very long topic is not kept', async () => {
    const { rights, sink } = await open({ limits: { keptTarget: 8 } })
    for (let i = 0; i < 3; i++) rights.decide(publish('a/very/long/topic'))
    expect(sink.told.map(({ fresh }) => fresh)).toEqual([true, true, true])
  })

  test('a sink that throws changes no answer', async () => {
    const decisions = {
      decided() {
        throw new Error('full')
      },
      repeated() {
        throw new Error('full')
      },
    }
    const { access, rights } = await open({ decisions })
    for (let i = 0; i < 3; i++) expect(rights.decide(publish('lamp/l1/on')).permit).toBe(true)
    access.close()
  })
})

describe('enforcement switched off for tests', () => {
  test('permits everything, so that attacks are seen to succeed', async () => {
    const { access, principal, rights } = await open({ enforcement: 'off-for-tests' })
    const everything = { permit: true, rule: null, maxQos: 2, until: null, reason: 'rule' }
    expect(access.decide(principal, publish('$SYS/x'))).toEqual(everything)
    expect(rights.decide({ action: 'subscribe', target: '#' })).toEqual(everything)
    expect(rights.decide({ action: 'administer', target: 'keys:write' })).toEqual(everything)
  })
})

test('the epoch rises with every change of a subject, and not when somebody new comes', async () => {
  const opened = await open()
  const { access, registry } = opened
  const rises = async (act: () => Promise<unknown>): Promise<boolean> => {
    const before = access.epoch
    await act()
    return access.epoch > before
  }
  expect(await rises(() => registry.updateDevice('l1', { groups: ['g'] }, OPERATOR))).toBe(true)
  expect(await rises(() => registry.suspendDevice('l1', OPERATOR))).toBe(true)
  expect(await rises(() => admitted(opened, 'l2'))).toBe(false)
  expect(await rises(() => registry.createDevice({ id: 'l3', type: 'lamp', parent: 'l2' }, OPERATOR))).toBe(true)
  expect(await rises(() => registry.removeDevice('l3', OPERATOR))).toBe(true)
})

test('when more owners change than are remembered, everybody is looked at again', async () => {
  const opened = await open({ limits: { changedOwners: 2 } })
  const { registry, rights } = opened
  expect(rights.decide(publish('room/hall')).permit).toBe(true)
  await registry.updateDevice('l1', { attributes: { room: 'attic' } }, OPERATOR)
  for (const id of ['l2', 'l3', 'l4']) {
    await admitted(opened, id)
    await registry.updateDevice(id, { groups: ['g'] }, OPERATOR)
  }
  expect(rights.decide(publish('room/hall')).permit).toBe(false)
})
