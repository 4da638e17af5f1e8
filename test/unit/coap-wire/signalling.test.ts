import { describe, expect, test } from 'vitest'
import { encodeFrame, type FramedMessage } from '../../../src/coap-wire/frame.ts'
import {
  abort,
  BASE_CAPABILITIES,
  csm,
  ping,
  pong,
  readSignal,
  release,
  SIGNAL,
} from '../../../src/coap-wire/signalling.ts'

const NOTHING = Buffer.alloc(0)
const hex = (text: string): Buffer => Buffer.from(text, 'hex')
const signal = (code: number, options: FramedMessage['options'], payload = ''): FramedMessage => ({
  code,
  token: NOTHING,
  options,
  payload: Buffer.from(payload),
})
const read = (message: FramedMessage) => readSignal(message, BASE_CAPABILITIES)

describe('what we say', () => {
  test.each<[string, FramedMessage, string]>([
    ['CSM', csm({ maxMessageSize: 1152, blockWise: false, tokenBytes: 8 }), '30e1220480'],
    ['CSM with all', csm({ maxMessageSize: 65_536, blockWise: true, tokenBytes: 64 }), '70e123010000202140'],
    ['Ping', ping(hex('0a0b')), '02e20a0b'],
    ['Pong with custody', pong(hex('0a'), true), '11e30a20'],
    ['Release', release('bye'), '40e4ff627965'],
    ['Abort', abort('no'), '30e5ff6e6f'],
    ['Abort with Bad-CSM-Option', abort('no', 9), '50e52109ff6e6f'],
  ])('%s', (_, message, bytes) => {
    expect(encodeFrame(message).toString('hex')).toBe(bytes)
  })
})

describe('what we read', () => {
  test('what a CSM says', () => {
    const said = { maxMessageSize: 70_000, blockWise: true, tokenBytes: 300 }
    expect(read(csm(said))).toEqual({ kind: 'csm', capabilities: said })
  })

  test('an empty CSM alters nothing, and what is not named stays (RFC 8323 5.3)', () => {
    const before = { maxMessageSize: 2000, blockWise: true, tokenBytes: 20 }
    expect(readSignal(signal(SIGNAL.CSM, []), before)).toEqual({ kind: 'csm', capabilities: before })
    const smaller = signal(SIGNAL.CSM, [{ number: 2, value: hex('64') }])
    expect(readSignal(smaller, before)).toEqual({ kind: 'csm', capabilities: { ...before, maxMessageSize: 100 } })
  })

  test('a token length below 8 is 8 (RFC 8974 2.2.2)', () => {
    expect(read(signal(SIGNAL.CSM, [{ number: 6, value: hex('04') }]))).toEqual({
      kind: 'csm',
      capabilities: BASE_CAPABILITIES,
    })
  })

  test.each<[string, FramedMessage, object]>([
    ['Ping with custody', signal(SIGNAL.Ping, [{ number: 2, value: NOTHING }]), { kind: 'ping', custody: true }],
    ['Pong', pong(hex('01'), false), { kind: 'pong', token: hex('01'), custody: false }],
    [
      'Release',
      signal(SIGNAL.Release, [
        { number: 2, value: Buffer.from('one.example') },
        { number: 2, value: Buffer.from('two.example') },
        { number: 4, value: hex('0e10') },
      ]),
      { kind: 'release', holdOff: 3600 },
    ],
    ['Abort', abort('too bad', 2), { kind: 'abort', badCsmOption: 2, diagnostic: 'too bad' }],
    ['a code nobody assigned', signal(0xff, []), { kind: 'unknown' }],
    ['7.00', signal(0xe0, []), { kind: 'unknown' }],
  ])('%s', (_, message, expected) => {
    expect(read(message)).toMatchObject(expected)
  })
})

describe('options that are not understood (RFC 8323 5.2)', () => {
  test.each<[string, number, FramedMessage['options'], object]>([
    ['critical in CSM', SIGNAL.CSM, [{ number: 9, value: NOTHING }], { kind: 'refused', isCsm: true, option: 9 }],
    ['critical in Ping', SIGNAL.Ping, [{ number: 1, value: NOTHING }], { kind: 'refused', isCsm: false, option: 1 }],
    ['elective', SIGNAL.CSM, [{ number: 8, value: NOTHING }], { kind: 'csm', capabilities: BASE_CAPABILITIES }],
    ['elective, too long', SIGNAL.CSM, [{ number: 2, value: hex('0102030405') }], { kind: 'csm' }],
    ['of another signal', SIGNAL.Pong, [{ number: 4, value: NOTHING }], { kind: 'pong', custody: false }],
  ])('%s', (_, code, options, expected) => {
    expect(read(signal(code, options))).toMatchObject(expected)
  })

  test('of those that stand once, the first counts', () => {
    const twice = [hex('64'), hex('65')].map(value => ({ number: 2, value }))
    expect(read(signal(SIGNAL.CSM, twice))).toMatchObject({ capabilities: { maxMessageSize: 100 } })
  })
})
