import { describe, expect, test } from 'vitest'
import { readClientHello } from '../../../src/dtls/client-hello.ts'
import { record } from '../../fixtures/dtls-datagrams.ts'

const RANDOM = Buffer.from(Array.from({ length: 32 }, (_, at) => at))

function hello({ sessionId = 0, cookie = 0, offset = 0, type = 1, epoch = 0, recordType = 22 } = {}): Buffer {
  const body = Buffer.concat([
    Buffer.from([0xfe, 0xfd]),
    RANDOM,
    Buffer.from([sessionId, ...Array(sessionId).fill(7)]),
    Buffer.from([cookie, ...Array(cookie).fill(8)]),
    Buffer.from([0, 2, 0xc0, 0xa8, 1, 0]),
  ])
  const header = Buffer.alloc(12)
  header[0] = type
  header.writeUIntBE(body.length, 1, 3)
  header.writeUIntBE(offset, 6, 3)
  header.writeUIntBE(body.length, 9, 3)
  return record(recordType, epoch, 0, Buffer.concat([header, body]))
}

describe('a ClientHello', () => {
  test.each([
    ['the first', hello(), false],
    ['with a cookie', hello({ cookie: 32 }), true],
    ['with a session id', hello({ sessionId: 32 }), false],
    ['with both', hello({ sessionId: 32, cookie: 32 }), true],
    ['with more behind it', Buffer.concat([hello({ cookie: 32 }), Buffer.alloc(40)]), true],
  ])('%s is known', (_name, datagram, hasCookie) => {
    expect(readClientHello(datagram)).toEqual({ random: RANDOM.toString('latin1'), hasCookie })
  })
})

describe('no ClientHello', () => {
  test.each([
    ['nothing', Buffer.alloc(0)],
    ['a header alone', hello().subarray(0, 25)],
    ['one cut off before its cookie', hello({ sessionId: 32 }).subarray(0, 13 + 12 + 2 + 32 + 20)],
    ['a session id that reaches beyond the datagram', hello({ sessionId: 255 }).subarray(0, 100)],
    ['a later fragment', hello({ offset: 50 })],
    ['another handshake message', hello({ type: 16 })],
    ['a protected record', hello({ epoch: 1 })],
    ['another content type', hello({ recordType: 23 })],
    ['TLS over a datagram', Buffer.concat([Buffer.from([22, 3, 1]), hello().subarray(3)])],
  ])('%s', (_name, datagram) => {
    expect(readClientHello(datagram)).toBeUndefined()
  })

  test('is any prefix of one without its cookie, and none makes it fail', () => {
    const whole = hello({ sessionId: 4, cookie: 32 })
    const known = Array.from(
      { length: whole.length },
      (_, end) => readClientHello(whole.subarray(0, end)) !== undefined,
    )
    expect(known.indexOf(true)).toBe(13 + 12 + 2 + 32 + 1 + 4 + 1)
    expect(known.lastIndexOf(false)).toBe(known.indexOf(true) - 1)
  })
})
