import { describe, expect, test } from 'vitest'
import { isLoopback, peerAddress, peerNetwork } from '../../../src/auth/peer-address.ts'

describe('a remote address', () => {
  test.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['2001:db8::1', '2001:db8::1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['::ffff:zz', '::ffff:zz'],
  ])('%s is written %s', (given, written) => expect(peerAddress(given)).toBe(written))
})

describe('what counts as one peer', () => {
  test.each([
    ['192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
    ['2001:0db8:1:2::', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['unknown', 'unknown'],
  ])('%s belongs to %s', (address, network) => expect(peerNetwork(address)).toBe(network))
})

test.each([
  ['127.0.0.1', true],
  ['127.9.9.9', true],
  ['::1', true],
  ['localhost', true],
  ['127.evil.example', false],
  ['192.0.2.1', false],
])('%s is loopback: %s', (address, loopback) => expect(isLoopback(address)).toBe(loopback))
