import { describe, expect, it } from 'vitest'
import { hostCheck } from '../../../src/http/host-check.ts'

const isOurs = hostCheck(['Broker.example'])

describe('Host header', () => {
  it.each([
    ['localhost'],
    ['localhost:8443'],
    ['LOCALHOST:1'],
    ['127.0.0.1:8443'],
    ['[::1]:8443'],
    ['broker.example'],
    ['broker.example.:443'],
    ['192.0.2.10:8443'],
  ])('%s is ours', host => {
    expect(isOurs(host, '192.0.2.10')).toBe(true)
  })

  it('knows its IPv4 address on a dual-stack socket', () => {
    expect(isOurs('192.0.2.10', '::ffff:192.0.2.10')).toBe(true)
  })

  it.each([
    [undefined],
    [''],
    ['evil.example'],
    ['localhost.evil.example'],
    ['evil.example:8443'],
    ['broker.example@evil.example'],
    ['broker.example/x'],
    ['192.0.2.11'],
    ['localhost\u0000.evil'],
    ['[::1'],
    ['a'.repeat(300)],
  ])('%s is not', host => {
    expect(isOurs(host, '192.0.2.10')).toBe(false)
  })
})
