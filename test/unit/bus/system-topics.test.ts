import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { SubscriptionOptions } from '../../../src/bus/subscription.ts'
import { StoredBus } from './stored-bus.ts'
import type { PlainReceiver } from './surroundings.ts'

const POLICY = `
version: 1
roles:
  all: { permit: [{ id: anything, allow: "#" }, { id: system, subscribe: "$SYS/#" }] }
  plain: { permit: [{ id: anything, allow: "#" }] }
`
const PLAIN: SubscriptionOptions = { qos: 2, noLocal: false, retainAsPublished: false, identifier: null }

describe('system topics', () => {
  let stored: StoredBus
  let clients = 0
  const read = vi.fn(() => clients)
  beforeEach(async () => {
    stored = await StoredBus.open({ policy: POLICY })
    clients = 1
    read.mockClear()
    stored.bus.system.start([
      { topic: '$SYS/broker/clients', read },
      { topic: '$SYS/broker/version', read: () => 'v1' },
    ])
  })
  afterEach(() => stored.remove())

  async function listen(id: string, name: string, options: Partial<SubscriptionOptions> = {}, expiry = 0) {
    const client = await stored.connect(id, { expiry })
    const granted = stored.bus.subscribe(client.session, name, { ...PLAIN, ...options })
    if (granted.failure === null && granted.subscription.group === null) stored.bus.sendRetained(granted.subscription)
    return client
  }
  const taken = ({ got }: PlainReceiver) => got.splice(0).map(({ payload, retain }) => [payload, retain])

  test('a newcomer gets them as if retained, and then what changes', async () => {
    const { receiver } = await listen('d1', '$SYS/#')
    expect(taken(receiver).sort()).toEqual([
      ['1', true],
      ['v1', true],
    ])
    stored.bus.system.refresh()
    expect(taken(receiver)).toEqual([])
    clients = 2
    stored.bus.system.refresh()
    expect(taken(receiver)).toEqual([['2', false]])
  })

  test('all who listen know the same until the next look', async () => {
    const first = await listen('d1', '$SYS/broker/clients')
    clients = 2
    const second = await listen('d2', '$SYS/broker/clients')
    expect([taken(first.receiver), taken(second.receiver)]).toEqual([[['1', true]], [['1', true]]])
    stored.bus.system.refresh()
    expect([taken(first.receiver), taken(second.receiver)]).toEqual([[['2', false]], [['2', false]]])
  })

  test('what nobody listens to is not read, and is fresh for whoever comes next', async () => {
    stored.bus.system.refresh()
    expect(read).not.toHaveBeenCalled()
    const { link } = await listen('d1', '$SYS/#')
    link.leave()
    clients = 5
    stored.bus.system.refresh()
    expect(read).toHaveBeenCalledTimes(1)
    const { receiver } = await listen('d2', '$SYS/broker/clients')
    expect(taken(receiver)).toEqual([['5', true]])
  })

  test('retain as published, and shared subscriptions', async () => {
    const kept = await listen('d1', '$SYS/broker/clients', { retainAsPublished: true })
    const shared = await listen('d2', '$share/g/$SYS/broker/+')
    taken(kept.receiver)
    clients = 2
    stored.bus.system.refresh()
    expect(taken(kept.receiver)).toEqual([['2', true]])
    expect(taken(shared.receiver)).toEqual([
      ['2', false],
      ['v1', false],
    ])
  })

  test('the policy is not asked again for each look', async () => {
    const { access } = stored.around
    const rightsOf = access.rights.bind(access)
    const asked = vi.fn()
    access.rights = principal => {
      const rights = rightsOf(principal)
      return {
        decide: request => {
          asked()
          return rights.decide(request)
        },
      }
    }
    const { receiver } = await listen('d1', '$SYS/#')
    clients = 2
    stored.bus.system.refresh()
    const before = asked.mock.calls.length
    clients = 3
    stored.bus.system.refresh()
    expect(taken(receiver).map(([payload]) => payload)).toContain('3')
    expect(asked.mock.calls.length).toBe(before)
  })

  test('nothing is stored or queued, also for a session that is away', async () => {
    const { session, link } = await listen('d1', '$SYS/#', {}, 600)
    await stored.bus.storeSubscriptions(session, ['$SYS/#'])
    const before = await stored.keys()
    link.leave()
    const other = await listen('d2', '$SYS/#')
    clients = 2
    stored.bus.system.refresh()
    expect(taken(other.receiver)).toHaveLength(3)
    expect(session.queue.count).toBe(0)
    expect(await stored.keys()).toEqual(before)
    expect(stored.bus.retained.size).toBe(0)
  })

  test.each(['#', '+/broker/clients', '+/#'])('%s reaches none of them', async name => {
    const { receiver } = await listen('d1', name)
    clients = 2
    stored.bus.system.refresh()
    expect(receiver.got).toEqual([])
  })

  test('only a permit that names them opens them, and only as long as it stands', async () => {
    const { session } = await stored.connect('d1', { roles: ['plain'] })
    expect(stored.bus.subscribe(session, '$SYS/broker/clients', PLAIN).failure).toBe('policy-denied')
    const { receiver } = await listen('d2', '$SYS/#')
    receiver.got.length = 0
    stored.around.access.put(POLICY.replace('"$SYS/#"', '"$SYS/broker/version"'))
    clients = 2
    stored.bus.system.refresh()
    expect(receiver.got).toEqual([])
  })

  test('an interval of 0 switches them off', async () => {
    const off = await StoredBus.open({ policy: POLICY, limits: { sysInterval: 0 } })
    off.bus.system.start([{ topic: '$SYS/broker/clients', read }])
    expect(off.bus.retained.get('$SYS/broker/clients')).toBeUndefined()
    expect(read).not.toHaveBeenCalled()
    await off.remove()
  })
})
