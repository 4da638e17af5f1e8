import {
  array,
  assert,
  boolean,
  constant,
  constantFrom,
  integer,
  nat,
  oneof,
  option,
  property,
  record,
  string,
  tuple,
  uint8Array,
} from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Message, type MessageFields } from '../../../src/bus/message.ts'
import { decodeEntry, decodeMessage, encodeEntry, encodeMessage } from '../../../src/bus/stored-message.ts'

const text = string({ unit: 'grapheme', maxLength: 20 })
const bytes = uint8Array({ maxLength: 300 }).map(array => Buffer.from(array))
const qos = constantFrom(0 as const, 1 as const, 2 as const)
const publisher = record({
  kind: constantFrom('device' as const, 'service' as const, 'operator' as const, 'anonymous' as const),
  id: text,
  session: option(text),
})
const properties = record(
  {
    payloadFormatIndicator: boolean(),
    messageExpiryInterval: integer({ min: 0, max: 0xffffffff }),
    contentType: text,
    responseTopic: text,
    correlationData: bytes,
    userProperties: array(tuple(text, text), { minLength: 1, maxLength: 5 }),
  },
  { requiredKeys: [] },
).filter(some => Object.keys(some).length > 0)
const fields = record(
  {
    topic: text,
    payload: bytes,
    qos,
    retain: boolean(),
    expiresAt: oneof(constant(null), nat(), constant(8_640_000_000_000_000)),
    publisher: option(publisher),
    properties,
  },
  { requiredKeys: ['topic', 'payload', 'qos', 'retain', 'expiresAt', 'publisher'] },
)

const viewOf = ({ topic, payload, qos, retain, properties, expiresAt, publisher }: Message) => ({
  topic,
  payload: payload.toString('hex'),
  qos,
  retain,
  properties,
  expiresAt,
  publisher,
})

describe('stored message', () => {
  test('comes back as it was, user properties in order', () => {
    assert(
      property(fields, some => {
        const message = new Message(some as MessageFields)
        expect(viewOf(decodeMessage(encodeMessage(message)))).toEqual(viewOf(message))
      }),
    )
  })

  test('a queue entry keeps what its delivery needs', () => {
    assert(
      property(
        fields,
        constantFrom(1 as const, 2 as const),
        boolean(),
        array(nat(268_435_455), { maxLength: 4 }),
        (some, qos, retain, identifiers) => {
          const message = new Message(some as MessageFields)
          const { message: found, ...delivery } = decodeEntry(encodeEntry(message, { qos, retain, identifiers }))
          expect(delivery).toEqual({ qos, retain, identifiers })
          expect(viewOf(found)).toEqual(viewOf(message))
        },
      ),
    )
  })

  test('bytes that were cut or lengthened are refused', () => {
    const whole = encodeMessage(
      new Message({
        topic: 'a/b',
        payload: Buffer.from('x'),
        qos: 1,
        retain: true,
        expiresAt: 1234567890123,
        publisher: { kind: 'device', id: 'd1', session: 'd1' },
        properties: { contentType: 'text/plain', userProperties: [['a', 'b']] },
      }),
    )
    for (let length = 0; length < whole.length; length++)
      expect(() => decodeMessage(whole.subarray(0, length))).toThrow(expect.objectContaining({ code: 'store-failed' }))
    expect(() => decodeMessage(Buffer.concat([whole, Buffer.from([0])]))).toThrow(/too long/)
    expect(() => decodeMessage(Buffer.concat([Buffer.from([2]), whole.subarray(1)]))).toThrow(/format 2/)
  })

  test('any bytes are read or refused, never more', () => {
    assert(
      property(uint8Array({ maxLength: 64 }), some => {
        try {
          decodeMessage(Buffer.from([1, ...some]))
        } catch (error) {
          expect(error).toMatchObject({ code: 'store-failed' })
        }
      }),
    )
  })
})

describe('message', () => {
  const incoming = { topic: 't', payload: Buffer.from('x'), qos: 0 as const, retain: false }

  test('its lifetime runs from its arrival', () => {
    const properties = { messageExpiryInterval: 10, contentType: 'a' }
    const message = Message.arriving({ ...incoming, properties }, null, 1_000)
    expect(message.properties).toEqual({ contentType: 'a' })
    expect(message.secondsLeft(1_000)).toBe(10)
    expect(message.secondsLeft(3_001)).toBe(8)
    expect(message.hasExpired(10_999)).toBe(false)
    expect(message.hasExpired(11_000)).toBe(true)
    expect(Message.arriving(incoming, null, 1_000).secondsLeft(5_000)).toBeUndefined()
  })

  test('what is kept does not hold the read buffer', () => {
    const read = Buffer.alloc(65_536, 1)
    const message = new Message({ ...incoming, payload: read.subarray(10, 20), expiresAt: null, publisher: null })
    expect(message.keep().payload.buffer.byteLength).toBe(10)
    expect(message.detached().payload).toEqual(Buffer.alloc(10, 1))
  })

  test('a shared form is made once per lane', () => {
    const message = new Message({ ...incoming, expiresAt: null, publisher: null })
    let made = 0
    const make = () => {
      made++
      return Buffer.from('form')
    }
    const [one, other] = [{ name: 'one' }, { name: 'other' }]
    expect(message.shared(one, make)).toBe(message.shared(one, make))
    message.shared(other, make)
    expect(made).toBe(2)
  })
})
