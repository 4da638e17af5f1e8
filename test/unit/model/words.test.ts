import { describe, expect, test } from 'vitest'
import { ChangeFeed } from '../../../src/model/change.ts'
import { asFailure, FAILURES, Failure } from '../../../src/model/failure.ts'
import { isAttributeValue, isIdentifier, parseDeviceId } from '../../../src/model/identifier.ts'
import { printable } from '../../../src/model/printable.ts'

describe('identifiers', () => {
  test.each(['t1', 'sensor-1.kitchen', 'a:b_c', 'constructor', 'x'.repeat(64)])('%s is one', id => {
    expect(isIdentifier(id)).toBe(true)
  })
  test.each(['', '+', '#', 'a/b', '$SYS', '-a', '__proto__', 'a b', 'a\n', 'a\0', 'ä', 'x'.repeat(65), 7, null])(
    '%j is none',
    id => {
      expect(isIdentifier(id)).toBe(false)
    },
  )
  test('the error names the rule and does not repeat megabytes', () => {
    expect(() => parseDeviceId('a/b'.repeat(1000))).toThrowError(/1 to 64 letters/)
    try {
      parseDeviceId('/'.repeat(100_000))
    } catch (error) {
      expect(asFailure(error).code).toBe('invalid-identifier')
      expect(asFailure(error).message.length).toBeLessThan(300)
    }
  })
  test.each(['', 'a/b', '+', '#', '$x', 'a\u0000', 'a\u0085', 'x'.repeat(129)])('%j is no attribute value', value => {
    expect(isAttributeValue(value)).toBe(false)
  })
})

describe('failures', () => {
  test.each(Object.entries(FAILURES))('%s tells strangers nothing particular', (_code, row) => {
    const allowed = [
      'Not authorized.',
      'The request is not valid.',
      'Not found.',
      'The request conflicts with what is stored.',
      'Too many requests.',
      'Not available now.',
      'The packet is not valid.',
      'This server does not answer to that Host name.',
      'Internal error.',
    ]
    expect(allowed).toContain(row.stranger)
    expect(row.advice.length).toBeGreaterThan(20)
    expect(row.mqtt5).toBeGreaterThanOrEqual(0x80)
    expect(row.http).toBeGreaterThanOrEqual(400)
    expect(row.coap).toMatch(/^[45]\.\d\d$/)
  })
  test('whatever is thrown becomes a Failure', () => {
    expect(asFailure(new TypeError('x')).code).toBe('internal')
    expect(asFailure('x').code).toBe('internal')
    const failure = new Failure('not-found', 'no', { location: { file: 'f', line: 3 } })
    expect(asFailure(failure)).toBe(failure)
    expect(failure.where).toBe('f:3')
  })
})

test('control characters and bidirectional overrides are escaped', () => {
  expect(printable('a\u001b[31m\n\u202eb')).toBe('a\\u001b[31m\\u000a\\u202eb')
  expect(printable('x'.repeat(10), 3)).toBe('xxx…')
})

test('a change reaches every listener before publish returns, in order', () => {
  const feed = new ChangeFeed()
  const seen: string[] = []
  const stop = feed.subscribe(change => seen.push(`1 ${change.kind}`))
  feed.subscribe(change => seen.push(`2 ${change.kind}`))
  feed.publish({ kind: 'policy', version: 1 })
  stop()
  feed.publish({ kind: 'policy', version: 2 })
  expect(seen).toEqual(['1 policy', '2 policy', '2 policy'])
})
