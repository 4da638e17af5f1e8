import { beforeEach, describe, expect, it } from 'vitest'
import type { PreparedPart } from '../../../src/registry/draft.ts'
import { combine } from '../../../src/registry/draft.ts'
import type { Store } from '../../../src/store/store.ts'
import { Conflict } from '../../../src/store/store.ts'
import { ACTOR, type House, openHouse, principalOf, refused } from './house.ts'

let house: House
beforeEach(async () => {
  house = await openHouse()
})

const SYSTEM = { kind: 'system', id: 'test' } as const

/** The same store, where somebody else acts right after the `nth` read of `key`: as with two brokers over one store. */
function interrupted(key: string, act: () => void, times = 1): Store {
  const store = house.store
  let left = times
  return {
    get(wanted) {
      const entry = store.get(wanted)
      if (wanted === key && left > 0) {
        left--
        act()
      }
      return entry
    },
    recall: (wanted, decode) => store.recall(wanted, decode),
    list: (prefix, options) => store.list(prefix, options),
    commit: (operations, durability) => store.commit(operations, durability),
    watch: (prefix, listener) => store.watch(prefix, listener),
    flush: () => store.flush(),
    close: () => store.close(),
  }
}

async function outcomes(attempts: Promise<unknown>[]): Promise<string[]> {
  const settled = await Promise.allSettled(attempts)
  return settled.map(one => (one.status === 'fulfilled' ? 'done' : String(one.reason.code))).sort()
}

describe('at the same time', () => {
  it('one id is created exactly once, as device or as client', async () => {
    const attempts = Array.from({ length: 10 }, (_, i) =>
      i % 2 === 0
        ? house.registry.createDevice({ id: 'x', type: `t${i}` }, ACTOR)
        : house.beside().createClient({ id: 'x' }, ACTOR),
    )
    expect(await outcomes(attempts)).toEqual([...Array(9).fill('already-exists'), 'done'])
    expect(house.told).toHaveLength(1)
    expect(await house.trail()).toHaveLength(1)
  })

  it('two updates of different attributes both survive', async () => {
    await house.registry.createDevice({ id: 'x', type: 't' }, ACTOR)
    const updates = Array.from({ length: 10 }, (_, i) =>
      house.registry.updateDevice('x', { attributes: { [`a${i}`]: 'v' } }, ACTOR),
    )
    expect(await outcomes(updates)).toEqual(Array(10).fill('done'))
    expect(Object.keys(house.registry.device('x')?.attributes ?? {})).toHaveLength(10)
  })

  it('one credential is revoked once', async () => {
    await house.registry.createDevice({ id: 'x', type: 't' }, ACTOR)
    const { credential } = await house.registry.issueSecret('x', { audience: 'mqtt' }, ACTOR)
    const attempts = [1, 2, 3].map(() => house.registry.revokeCredential(credential.id, { reason: 'lost' }, ACTOR))
    expect(await outcomes(attempts)).toEqual(['done', 'wrong-state', 'wrong-state'])
  })

  it('a device is removed while it is given a credential: nothing is left that opens', async () => {
    await house.registry.createDevice({ id: 'x', type: 't' }, ACTOR)
    const issued = house.registry.issueSecret('x', { audience: 'mqtt' }, ACTOR)
    const removed = house.registry.removeDevice('x', ACTOR)
    const late = house.registry.issueSecret('x', { audience: 'mqtt' }, ACTOR)
    expect(await outcomes([issued, removed, late])).toEqual(['done', 'done', 'not-found'])
    const { credential } = await issued
    expect(house.registry.credential(credential.id)?.status).toBe('revoked')
  })
})

describe('between reading and writing', () => {
  it('an update that comes between is kept: the change is made again from what is true', async () => {
    await house.registry.createDevice({ id: 'x', type: 't' }, ACTOR)
    const other: Promise<unknown>[] = []
    const store = interrupted('device/x', () => {
      other.push(house.registry.updateDevice('x', { attributes: { b: 'other' } }, SYSTEM))
    })
    const after = await house.beside(store).updateDevice('x', { attributes: { a: 'mine' } }, ACTOR)
    await Promise.all(other)
    expect(other).toHaveLength(1)
    expect(after.attributes).toEqual({ a: 'mine', b: 'other' })
    expect(house.registry.device('x')?.attributes).toEqual({ a: 'mine', b: 'other' })
  })

  it('a name taken between is refused', async () => {
    const other: Promise<unknown>[] = []
    const store = interrupted('owner/x', () => other.push(house.registry.createClient({ id: 'x' }, SYSTEM)))
    await refused(house.beside(store).createDevice({ id: 'x', type: 't' }, ACTOR), 'already-exists', 'a client')
    await Promise.all(other)
  })

  it('a gateway that moves behind another between gets no child', async () => {
    for (const id of ['g1', 'g2']) await house.registry.createDevice({ id, type: 'gateway' }, ACTOR)
    const other: Promise<unknown>[] = []
    const store = interrupted('device/g1', () =>
      other.push(house.registry.updateDevice('g1', { parent: 'g2' }, SYSTEM)),
    )
    const attempt = house.beside(store).createDevice({ id: 'c', type: 't', parent: 'g1' }, ACTOR)
    await refused(attempt, 'invalid-input', "a gateway's child has no children")
    await Promise.all(other)
    expect(await house.keys('children/')).toEqual(['children/g2'])
  })

  it('somebody who never lets go ends in a conflict, after a bounded number of attempts', async () => {
    await house.registry.createDevice({ id: 'x', type: 't' }, ACTOR)
    const other: Promise<unknown>[] = []
    const store = interrupted(
      'device/x',
      () => other.push(house.registry.updateDevice('x', { attributes: { n: String(other.length) } }, SYSTEM)),
      1_000,
    )
    await refused(house.beside(store).suspendDevice('x', ACTOR), 'conflict', 'device/x')
    expect(other).toHaveLength(house.registry.limits.attempts)
    await Promise.all(other)
    expect(house.registry.device('x')?.status).toBe('active')
  })
})

describe('prepared parts', () => {
  const certificate = () => ({
    fingerprint: 'ab'.repeat(32),
    serial: '01',
    issuer: 'ca',
    subject: '',
    notBefore: house.clock.time,
    expiresAt: house.clock.time + 1_000,
  })

  it('are refused when what they rest on has changed since', async () => {
    await house.registry.createDevice({ id: 'x', type: 't' }, ACTOR)
    const part = house.registry.prepareCertificate('x', certificate(), ACTOR)
    await house.registry.suspendDevice('x', ACTOR)
    const failure = await refused(house.registry.commitAll([part]), 'conflict', 'read it again')
    expect(failure.cause).toBeInstanceOf(Conflict)
    expect(house.registry.credential(part.credential.id)).toBeUndefined()
    expect(await house.keys('fingerprint/')).toEqual([])
  })

  it('are made once', async () => {
    const part = house.registry.prepareDevice({ id: 'x', type: 't' }, ACTOR)
    const attempts = [1, 2, 3].map(() => house.registry.commitAll([part]))
    expect(await outcomes(attempts)).toEqual(['conflict', 'conflict', 'done'])
    expect(house.told).toHaveLength(1)
  })

  it('that do not know of each other do not go together', async () => {
    const a = house.registry.prepareDevice({ id: 'a', type: 't' }, ACTOR)
    const b = house.registry.prepareDevice({ id: 'b', type: 't' }, ACTOR)
    await refused(house.registry.commitAll([a, b]), 'conflict', 'prepare the later within the earlier')
    expect(await house.keys('device/')).toEqual([])
    const within = house.registry.prepareDevice({ id: 'b', type: 't' }, ACTOR, [a])
    await house.registry.commitAll([a, within])
    expect(house.registry.device('b')?.epoch).toBe((house.registry.device('a')?.epoch ?? 0) + 1)
  })

  it('see what earlier parts of their batch remove', async () => {
    const gone: PreparedPart = { operations: [{ del: 'owner/x' }], events: [], changes: [] }
    await house.registry.createDevice({ id: 'x', type: 't' }, ACTOR)
    await refused(() => house.registry.prepareDevice({ id: 'x', type: 't' }, ACTOR), 'already-exists')
    expect(house.registry.prepareDevice({ id: 'x', type: 't' }, ACTOR, [gone]).device.id).toBe('x')
  })

  it('commit beside the operations of other rooms, all or nothing', async () => {
    const other: PreparedPart = { operations: [{ put: 'elsewhere', value: 'x', if: 0 }], events: [], changes: [] }
    const device = house.registry.prepareDevice({ id: 'x', type: 't' }, ACTOR)
    await house.registry.commitAll([other, device])
    const again = house.registry.prepareDevice({ id: 'y', type: 't' }, ACTOR)
    await refused(house.registry.commitAll([other, again]), 'conflict', 'elsewhere')
    expect(house.registry.device('y')).toBeUndefined()
  })

  it('tell each change once', () => {
    const changes = [
      { kind: 'device', id: 'g', what: 'created' },
      { kind: 'device', id: 'g', what: 'updated' },
      { kind: 'device', id: 'h', what: 'updated' },
    ] as const
    const part = { operations: [], events: [], changes }
    expect(combine([part, part]).changes).toEqual([changes[0], changes[2]])
  })
})

it('the audit chain holds after all of it', async () => {
  await house.registry.createDevice({ id: 'x', type: 't' }, ACTOR)
  const { credential } = await house.registry.issuePsk('x', {}, ACTOR)
  const principal = principalOf(house.registry, 'x', credential)
  await Promise.all([
    house.registry.rotatePsk(credential.id, { overlap: 1 }, ACTOR),
    house.registry.updateDevice('x', { groups: ['a'] }, ACTOR),
    house.registry.suspendDevice('x', ACTOR),
  ])
  expect(house.registry.standing(principal)).toBe('owner-suspended')
  expect(await house.audit.verify()).toMatchObject({ ok: true })
  expect((await house.trail()).map(line => line.split(' ')[0])).toEqual([
    'device.created',
    'credential.issued',
    'credential.ending',
    'credential.issued',
    'device.updated',
    'device.suspended',
  ])
})
