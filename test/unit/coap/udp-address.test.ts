import { SocketAddress } from 'node:net'
import { expect, test } from 'vitest'
import { addressText, addressWords } from '../../../src/coap/udp-address.ts'

test.each([
  '::',
  '::1',
  '1::',
  'fe80::1',
  '2001:db8::a:0:0:1',
  '2001:0:0:1::1',
  '1:2:3:4:5:6:7:8',
  '1:0:2:3:4:5:6:7',
  'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
  '::ffff:192.0.2.1',
  '::ffff:255.255.255.255',
])('%s is written as the system writes it', text => {
  const canonical = new SocketAddress({ address: text, family: 'ipv6' }).address
  expect(addressText(addressWords(text, 6), 6)).toBe(canonical)
  expect(canonical).toBe(text)
})

test.each(['0.0.0.0', '127.0.0.1', '192.0.2.255', '255.255.255.255'])('%s, in sockets of both families', text => {
  expect(addressText(addressWords(text, 4), 4)).toBe(text)
  expect(addressText(addressWords(text, 6), 6)).toBe(`::ffff:${text}`)
})

test.each([
  '',
  'localhost',
  '1.2.3',
  '1.2.3.256',
  '1:2:3',
  '1::2::3',
  'g::',
  '12345::',
  '1:2:3:4:5:6:7:8:9',
  '::1.2.3',
])("'%s' is nobody's", text => {
  expect([...addressWords(text, 4)]).toEqual([0, 0, 0, 0])
  expect([...addressWords(text, 6)]).toEqual([0, 0, 0, 0])
})

test('an IPv6 address is none of IPv4', () => {
  expect([...addressWords('::1', 4)]).toEqual([0, 0, 0, 0])
})
