import { expect, test } from 'vitest'
import { Message } from '../../../src/bus/message.ts'
import { EventBodies, type EventBounds } from '../../../src/coap/event-bodies.ts'
import { payloadOf } from '../../../src/coap/representation.ts'
import { silentMeter } from '../../../src/model/meter.ts'
import { HandTime } from '../../fixtures/hand-time.ts'

const NAME = 'home/+/event'

function events(bounds: Partial<EventBounds> = {}) {
  const time = new HandTime()
  const all = { eventBytes: 100_000, eventsPerResource: 3, transferTimeout: 1000, ...bounds }
  return { time, bodies: new EventBodies(all, time, silentMeter) }
}

const message = (payload: string, expiresAt: number | null = null) =>
  new Message({
    topic: 'home/hall/event',
    payload: Buffer.from(payload),
    qos: 0,
    retain: false,
    expiresAt,
    publisher: null,
  })

test('an event is found under the name it was observed by, and its ETag', () => {
  const { bodies } = events()
  const event = message('x'.repeat(2000))
  const etag = bodies.keep(NAME, 'topic-message', event)
  const found = bodies.find(NAME, etag)
  expect(found && payloadOf(found.message, found.form)).toBe(payloadOf(event, 'topic-message'))
  expect([bodies.find('home/hall/event', etag), bodies.find(NAME, Buffer.alloc(8))]).toEqual([null, null])
})

test('observers of the same name share it', () => {
  const { bodies } = events()
  const event = message('x'.repeat(2000))
  const etag = bodies.keep('a', 'value', event)
  const { bytes } = bodies
  for (let i = 0; i < 500; i++) expect(bodies.keep('a', 'value', event)).toBe(etag)
  expect(bodies.bytes).toBe(bytes)
})

test('of one name the last are kept', () => {
  const { bodies } = events()
  const etags = ['a', 'b', 'c', 'd'].map(text => bodies.keep(NAME, 'value', message(text)))
  expect(etags.map(etag => bodies.find(NAME, etag)?.message.payload.toString())).toEqual([undefined, 'b', 'c', 'd'])
})

test('of all together so many bytes, the newest whatever its size', () => {
  const { bodies } = events({ eventBytes: 10_000 })
  const etags = Array.from({ length: 20 }, (_, i) => bodies.keep(`topic/${i}`, 'value', message(`${i}`.repeat(2000))))
  expect(bodies.bytes).toBeLessThanOrEqual(10_000)
  expect(bodies.find('topic/19', etags[19] ?? Buffer.alloc(0))).not.toBeNull()
  expect(bodies.find('topic/0', etags[0] ?? Buffer.alloc(0))).toBeNull()
  const huge = bodies.keep('huge', 'value', message('x'.repeat(50_000)))
  expect(bodies.find('huge', huge)).not.toBeNull()
  bodies.keep('small', 'value', message('x'))
  expect(bodies.bytes).toBeLessThan(10_000)
})

test('time ends it, and so does its own expiry', () => {
  const { bodies, time } = events()
  const etag = bodies.keep(NAME, 'value', message('a'))
  const brief = bodies.keep(NAME, 'value', message('b', time.now() + 500))
  time.advance(500)
  expect([bodies.find(NAME, etag) !== null, bodies.find(NAME, brief)]).toEqual([true, null])
  time.advance(500)
  expect(bodies.find(NAME, etag)).toBeNull()
  bodies.sweep()
  expect(bodies.bytes).toBe(0)
})
