import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { queueKey } from '../../../src/bus/keys.ts'
import { NEVER } from '../../../src/bus/session.ts'
import { StoredBus } from './stored-bus.ts'
import { PERMISSIVE, principal } from './surroundings.ts'

describe('sessions', () => {
  let stored: StoredBus
  beforeEach(async () => {
    stored = await StoredBus.open({ limits: { sessionsPerOwner: 2, subscriptions: 3, maximumQueued: 5 } })
  })
  afterEach(() => stored.remove())

  test('what outlives its connection is found again, after a restart too', async () => {
    const first = await stored.connect('d1', { expiry: 60 })
    expect(first.present).toBe(false)
    await stored.subscribe(first.session, 'a/#', 1)
    await stored.subscribe(first.session, '$share/g/b', 2)
    first.session.received.add(0)
    first.link.leave()
    await stored.publish('a/x', 'one')
    await stored.publish('b', 'two', { qos: 2 })
    await stored.restart()
    const again = await stored.connect('d1', { expiry: 60 })
    expect(again.present).toBe(true)
    expect([...again.session.subscriptions.keys()].sort()).toEqual(['$share/g/b', 'a/#'])
    expect(again.receiver.got.map(({ payload, qos }) => [payload, qos])).toEqual([
      ['one', 1],
      ['two', 2],
    ])
    await stored.stop()
    await stored.start()
    expect((await stored.connect('d1', { expiry: 60 })).receiver.got).toEqual([])
  })

  test('whoever holds a session anew is judged at once, and after a crash', async () => {
    const { session, receiver } = await stored.connect('d1', { expiry: 60 })
    await stored.subscribe(session, 'a/#', 1)
    await stored.publish('a/x', 'one')
    session.holdBy(principal('d1', []))
    await stored.bus.sessions.rejudge(session)
    await stored.publish('a/x', 'two')
    await stored.publish('a/x', 'three', { qos: 0 })
    expect(receiver.payloads).toEqual(['one'])
    await stored.restart()
    expect(stored.bus.sessions.get('d1')?.principal.subject.roles).toEqual([])
  })

  test('what does not outlive its connection writes nothing', async () => {
    const { session, link } = await stored.connect('d1')
    await stored.subscribe(session, 'a/#')
    await stored.publish('a/x', 'one', { qos: 2 })
    link.leave()
    expect(stored.bus.sessions.get('d1')).toBeUndefined()
    expect(await stored.keys()).toEqual([])
  })

  test('a clean start discards what there was, on disk too', async () => {
    const { session, link } = await stored.connect('d1', { expiry: 60 })
    await stored.subscribe(session, 'a/#')
    link.leave()
    await stored.publish('a/x', 'one')
    const again = await stored.connect('d1', { cleanStart: true, expiry: 0 })
    expect(again.present).toBe(false)
    expect(again.receiver.got).toEqual([])
    again.link.leave()
    await stored.restart()
    expect(await stored.keys()).toEqual([])
  })

  test('a clean start that lasts is a new session, after a restart too', async () => {
    const { session, link } = await stored.connect('d1', { expiry: 60 })
    await stored.subscribe(session, 'old')
    link.leave()
    await stored.publish('old', 'old')
    const again = await stored.connect('d1', { cleanStart: true, expiry: 60 })
    await stored.subscribe(again.session, 'new')
    again.link.leave()
    await stored.publish('new', 'new')
    await stored.restart()
    const third = await stored.connect('d1', { expiry: 60 })
    expect([...third.session.subscriptions.keys()]).toEqual(['new'])
    expect(third.receiver.payloads).toEqual(['new'])
  })

  test('a session that ends while a message for it is being written leaves nothing behind', async () => {
    const { session } = await stored.connect('d1', { expiry: 60 })
    await stored.subscribe(session, 'a')
    const publishing = stored.publish('a', 'x', { qos: 2 })
    const again = await stored.connect('d1', { cleanStart: true, expiry: 0 })
    await publishing
    again.link.leave()
    await stored.restart()
    expect(await stored.keys()).toEqual([])
  })

  test('a session that turns transient leaves nothing on disk when it ends', async () => {
    const { session, link } = await stored.connect('d1', { expiry: 60 })
    await stored.subscribe(session, 'a/#')
    link.leave()
    await stored.publish('a/x', 'one')
    const again = await stored.connect('d1', { expiry: 0 })
    expect(again.present).toBe(true)
    again.link.leave()
    await stored.restart()
    expect(await stored.keys()).toEqual([])
  })

  test('a second connection ends the first', async () => {
    const first = await stored.connect('d1', { expiry: 60 })
    const second = await stored.connect('d1', { expiry: 60 })
    expect(first.link.endedBy).toBe('taken-over')
    expect(second.session).toBe(first.session)
    first.link.leave()
    expect(second.session.receiver).toBe(second.receiver)
  })

  test('another owner of the same client id inherits nothing', async () => {
    const first = await stored.connect('child', { expiry: 60 })
    await stored.subscribe(first.session, 'a/#')
    first.link.leave()
    await stored.publish('a/x', 'for the child')
    const gateway = await stored.connect('child', { expiry: 60, principal: principal('gateway') })
    expect(gateway.present).toBe(false)
    expect(gateway.receiver.got).toEqual([])
    expect(gateway.session.subscriptions.size).toBe(0)
    const service = await stored.connect('child', { expiry: 60, principal: principal('gateway', ['all'], 'service') })
    expect(service.present).toBe(false)
  })

  test('whoever gets the name of a removed device finds none of its sessions', async () => {
    const online = await stored.connect('d1', { expiry: 60 })
    const offline = await stored.connect('d1/x', { expiry: 60, principal: principal('d1') })
    offline.link.leave()
    await stored.connect('d2', { expiry: 60 })
    stored.changes.publish({ kind: 'device', id: 'd1', what: 'removed' })
    expect(online.link.endedBy).toBe('superseded')
    expect([...stored.bus.sessions.values()].map(({ id }) => id)).toEqual(['d2'])
    expect((await stored.connect('d1', { expiry: 60 })).present).toBe(false)
  })

  test('one owner has a bounded number of sessions that last', async () => {
    const d1 = principal('d1')
    await stored.connect('d1/a', { principal: d1, expiry: 60 })
    const second = await stored.connect('d1/b', { principal: d1, expiry: 60 })
    await expect(stored.connect('d1/c', { principal: d1, expiry: 60 })).rejects.toMatchObject({
      code: 'quota-exceeded',
    })
    await stored.connect('d1/c', { principal: d1, expiry: 0 })
    await stored.connect('d1/b', { principal: d1, expiry: 60, cleanStart: true })
    expect(second.link.endedBy).toBe('taken-over')
    await stored.connect('d2', { expiry: 60 })
    await stored.restart()
    await expect(stored.connect('d1/d', { principal: d1, expiry: 60 })).rejects.toMatchObject({
      code: 'quota-exceeded',
    })
  })

  test('one session has a bounded number of subscriptions', async () => {
    const { session } = await stored.connect('d1')
    for (const name of ['a', 'b', 'c']) expect(await stored.subscribe(session, name)).toMatchObject({ failure: null })
    expect(await stored.subscribe(session, 'd')).toEqual({ failure: 'quota-exceeded' })
    expect(await stored.subscribe(session, 'c', 1)).toMatchObject({ failure: null, isNew: false })
  })

  test('a queue takes no more than its bound', async () => {
    const { session, link } = await stored.connect('d1', { expiry: 60 })
    await stored.subscribe(session, 'a')
    link.leave()
    for (let i = 0; i < 5; i++) await stored.publish('a', `${i}`)
    await expect(stored.publish('a', '5')).rejects.toMatchObject({ code: 'queue-full' })
    expect((await stored.connect('d1', { expiry: 60 })).receiver.payloads).toEqual(['0', '1', '2', '3', '4'])
  })

  test('a session ends when its time is over, also while the broker was down', async () => {
    for (const [id, expiry] of [
      ['short', 60],
      ['long', 3600],
      ['endless', NEVER],
    ] as const) {
      const { session, link } = await stored.connect(id, { expiry })
      await stored.subscribe(session, 'a')
      link.leave()
    }
    await stored.stop()
    stored.around.clock.time += 61_000
    await stored.start()
    await expect.poll(() => [...stored.bus.sessions.values()].map(({ id }) => id).sort()).toEqual(['endless', 'long'])
  })

  test('whoever was online when the process ended has the whole interval from then on', async () => {
    await stored.connect('d1', { expiry: 60 })
    await stored.stop()
    stored.around.clock.time += 3_600_000
    await stored.start()
    expect(stored.bus.sessions.get('d1')?.endsAt).toBe(stored.around.clock.time + 60_000)
  })

  test('an identifier that came in is remembered with its message until it is released', async () => {
    const { session } = await stored.connect('d1', { expiry: 60 })
    const message = stored.bus.arriving(
      { topic: 'nobody', payload: Buffer.from('x'), qos: 2, retain: false },
      session.publisher,
    )
    await stored.bus.accept(message, { session, packet: 7 })
    await stored.restart()
    const again = await stored.connect('d1', { expiry: 60 })
    expect([...again.session.received]).toEqual([7])
    await stored.bus.sessions.release(again.session, 7)
    await stored.restart()
    expect([...(await stored.connect('d1', { expiry: 60 })).session.received]).toEqual([])
  })

  test('whoever repeats a release is answered when the first one is durable', async () => {
    const { session } = await stored.connect('d1', { expiry: 60 })
    const letGo = stored.held.hold()
    const answered: number[] = []
    for (const time of [1, 2]) stored.bus.sessions.release(session, 7)?.then(() => answered.push(time))
    await stored.held.untilWaiting()
    expect(answered).toEqual([])
    letGo()
    await expect.poll(() => answered).toEqual([1, 2])
  })

  test('a session that is discarded is gone from the store before the next one is open [MQTT-3.1.2-4]', async () => {
    const { link } = await stored.connect('d1', { expiry: 60 })
    link.leave()
    const letGo = stored.held.hold()
    let isOpen = false
    const opening = stored.connect('d1', { expiry: 0, cleanStart: true }).then(() => {
      isOpen = true
    })
    await stored.held.untilWaiting()
    expect(isOpen).toBe(false)
    letGo()
    await opening
    expect(await stored.keys()).toEqual([])
  })

  test('what belongs to no session is swept at the start', async () => {
    await stored.store.commit([{ put: queueKey('gone', 1), value: 'x' }])
    await stored.restart()
    await stored.stop()
    await stored.start()
    expect(await stored.keys()).toEqual([])
  })
})

describe('wills', () => {
  let stored: StoredBus
  beforeEach(async () => {
    stored = await StoredBus.open()
  })
  afterEach(() => stored.remove())

  const will = (delay: number, topic = 'will') => ({
    delay,
    message: { topic, payload: Buffer.from('gone'), qos: 1 as const, retain: false },
  })
  const watcher = async () => {
    const { session, receiver } = await stored.connect('watcher', { expiry: NEVER })
    await stored.subscribe(session, 'will')
    return receiver
  }

  test('is sent when the connection is lost, and not after a proper goodbye', async () => {
    const receiver = await watcher()
    const lost = await stored.connect('d1', { will: will(0) })
    lost.link.leave(true)
    expect(receiver.payloads).toEqual(['gone'])
    const left = await stored.connect('d2', { will: will(0) })
    left.link.leave(false)
    expect(receiver.payloads).toEqual(['gone'])
  })

  test('waits for its delay, and is dropped when the session goes on before', async () => {
    const receiver = await watcher()
    const { link } = await stored.connect('d1', { expiry: 3600, will: will(60) })
    link.leave(true)
    expect(receiver.payloads).toEqual([])
    const again = await stored.connect('d1', { expiry: 3600 })
    expect(again.session.will).toBeNull()
    again.link.leave(true)
    expect(receiver.payloads).toEqual([])
  })

  test('is sent no later than the end of its session', async () => {
    const receiver = await watcher()
    const { link } = await stored.connect('d1', { expiry: 10, will: will(60) })
    link.leave(true)
    await stored.connect('d1', { cleanStart: true })
    expect(receiver.payloads).toEqual(['gone'])
  })

  test('survives a restart with its delay and its properties', async () => {
    await watcher()
    const properties = {
      contentType: 'text/plain',
      userProperties: [
        ['a', '1'],
        ['a', '2'],
      ] as [string, string][],
    }
    const { message } = will(60)
    await stored.connect('d1', { expiry: 3600, will: { delay: 60, message: { ...message, properties } } })
    await stored.restart()
    const session = stored.bus.sessions.get('d1')
    expect(session?.will).toMatchObject({ delay: 60, message: { properties, payload: Buffer.from('gone') } })
    expect(session?.willAt).toBe(stored.around.clock.time + 60_000)
    await stored.stop()
    stored.around.clock.time += 61_000
    await stored.start()
    await expect.poll(() => stored.bus.sessions.get('watcher')?.queue.count).toBe(1)
    expect((await stored.connect('watcher', { expiry: NEVER })).receiver.payloads).toEqual(['gone'])
  })

  test('is decided again when it is sent', async () => {
    const receiver = await watcher()
    const { link } = await stored.connect('d1', { expiry: 3600, will: will(0) })
    stored.around.access.put('version: 1\nroles:\n  all: { permit: [{ id: listen, subscribe: "#" }] }\n')
    link.leave(true)
    expect(receiver.payloads).toEqual([])
    stored.around.access.put(PERMISSIVE)
    const again = await stored.connect('d1', { expiry: 3600, will: will(0) })
    again.link.leave(true)
    expect(receiver.payloads).toEqual(['gone'])
  })
})
