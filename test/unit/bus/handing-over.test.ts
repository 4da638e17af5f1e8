// Copies for sessions that end with their connection go past the queue; those of durable sessions never do.
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { StoredBus } from './stored-bus.ts'
import { PERMISSIVE, type PlainReceiver } from './surroundings.ts'

const DURABLE = { expiry: 3600 }
const later = () => new Promise(resolve => setImmediate(resolve))

describe('a clean receiver beside a durable one', () => {
  let stored: StoredBus
  let clean: Awaited<ReturnType<StoredBus['connect']>>
  let durable: Awaited<ReturnType<StoredBus['connect']>>
  beforeEach(async () => {
    stored = await StoredBus.open({ limits: { maximumQueued: 4 } })
    clean = await stored.connect('clean')
    clean.receiver.passes = true
    durable = await stored.connect('durable', DURABLE)
    durable.receiver.passes = true
    for (const { session } of [clean, durable]) await stored.subscribe(session, 'a')
  })
  afterEach(() => stored.remove())

  const delivered = ({ got }: PlainReceiver) => got.map(({ payload, qos }) => `${payload} ${qos}`)

  test('gets the same in the same order, and nothing of it is kept', async () => {
    durable.receiver.acknowledges = false
    for (const [payload, qos] of [['1', 1] as const, ['2', 2] as const, ['3', 1] as const, ['0', 0] as const])
      await stored.publish('a', payload, { qos })
    expect(delivered(clean.receiver)).toEqual(['1 1', '2 2', '3 1', '0 0'])
    expect(delivered(durable.receiver)).toEqual(delivered(clean.receiver))
    expect([clean.session.queue.count, durable.session.queue.count]).toEqual([0, 3])
    expect((await stored.keys()).filter(key => key.startsWith('bus/queue'))).toHaveLength(3)
  })

  test('QoS 2 that is stored for the other waits with it, and QoS 1 does not [MQTT-4.6.0-5]', async () => {
    durable.link.leave()
    const letGo = stored.held.hold()
    const first = stored.publish('a', 'one', { qos: 2 })
    await stored.held.untilWaiting()
    const second = stored.publish('a', 'two', { qos: 2 })
    const other = stored.publish('a', 'at once', { qos: 1 })
    expect(clean.receiver.payloads).toEqual(['at once'])
    letGo()
    await Promise.all([first, second, other])
    expect(clean.receiver.payloads).toEqual(['at once', 'one', 'two'])
  })

  test('is decided about when the message leaves, not when it came', async () => {
    durable.link.leave()
    const letGo = stored.held.hold()
    const published = stored.publish('a', 'secret', { qos: 2 })
    await stored.held.untilWaiting()
    stored.around.access.put('version: 1\nroles:\n  all: { permit: [{ id: b, allow: b }] }\n')
    letGo()
    await published
    stored.around.access.put(PERMISSIVE)
    await stored.publish('a', 'open')
    expect(clean.receiver.payloads).toEqual(['open'])
  })

  test('who has left meanwhile, and who came under its name, gets nothing of before', async () => {
    durable.link.leave()
    const letGo = stored.held.hold()
    const published = stored.publish('a', 'before', { qos: 2 })
    await stored.held.untilWaiting()
    clean.link.leave()
    const again = await stored.connect('clean')
    letGo()
    await published
    expect([clean.receiver.payloads, again.receiver.payloads, again.session.queue.count]).toEqual([[], [], 0])
  })

  test('what it cannot take at once waits in its queue, in order, and a full one ends it alone', async () => {
    clean.receiver.passes = false
    clean.receiver.acknowledges = false
    for (const payload of ['1', '2', '3', '4']) await stored.publish('a', payload)
    expect([clean.receiver.payloads, clean.session.queue.count]).toEqual([['1', '2', '3', '4'], 4])
    await stored.publish('a', '5')
    await later()
    expect([clean.link.endedBy, durable.link.endedBy]).toEqual(['queue-full', null])
    expect(durable.receiver.payloads).toEqual(['1', '2', '3', '4', '5'])
  })

  test('a message that the other’s full queue refuses reaches neither', async () => {
    durable.link.leave()
    for (const payload of ['1', '2', '3', '4']) await stored.publish('a', payload)
    await expect(stored.publish('a', '5')).rejects.toMatchObject({ code: 'queue-full' })
    expect(clean.receiver.payloads).toEqual(['1', '2', '3', '4'])
  })
})
