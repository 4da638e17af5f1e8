import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { bearerChallenge, failureOf, invalidInput, problemFor } from '../../../src/http/problem-details.ts'
import { FAILURES, Failure, type FailureCode } from '../../../src/model/failure.ts'

const CODES = Object.keys(FAILURES) as FailureCode[]

describe('problem details', () => {
  it('tells an operator the code, the message, the advice and the place', () => {
    const failure = new Failure('invalid-policy', 'roles.x: unknown key', {
      location: { file: 'home.yaml', line: 3, column: 7 },
    })
    expect(problemFor(failure, 'r1', true)).toEqual({
      type: 'urn:latchkey:failure:invalid-policy',
      title: 'The request is not valid.',
      status: 400,
      detail: 'roles.x: unknown key',
      instance: 'r1',
      code: 'invalid-policy',
      advice: FAILURES['invalid-policy'].advice,
      location: { file: 'home.yaml', line: 3, column: 7 },
    })
  })

  it.each(CODES)('tells a stranger of %s only what its row allows', code => {
    const secretive = new Failure(code, 'the device kettle-7 has no such key', { location: { file: 'hidden.yaml' } })
    const problem = problemFor(secretive, 'r1', false)
    expect(Object.keys(problem).sort()).toEqual(['detail', 'instance', 'status', 'title', 'type'])
    expect(problem.detail).toBe(FAILURES[code].stranger)
    expect(JSON.stringify(problem)).not.toMatch(/kettle|hidden|urn:latchkey/)
  })

  it('makes all refusals at the door look alike to a stranger', () => {
    const door = CODES.filter(code => FAILURES[code].http === 401)
    const answers = new Set(door.map(code => JSON.stringify(problemFor(new Failure(code), 'r', false))))
    expect(door.length).toBeGreaterThan(10)
    expect(answers.size).toBe(1)
  })

  it('keeps the message of an unexpected error in the house, from operators too', () => {
    const problem = problemFor(failureOf(new Error('/var/lib/secret path')), 'r9', true)
    expect(problem).toMatchObject({ status: 500, code: 'internal' })
    expect(JSON.stringify(problem)).not.toContain('/var/lib')
    expect(problem.detail).toContain('r9')
  })

  it('escapes control characters that came in with the request', () => {
    const problem = problemFor(new Failure('not-found', 'no device \u001b[2Jx'), 'r', true)
    expect(problem.detail).toBe('no device \\u001b[2Jx')
  })
})

describe('the first wrong field is named', () => {
  const schema = z.strictObject({
    attributes: z.record(z.string(), z.string()),
    limit: z.int(),
    who: z
      .union([z.strictObject({ device: z.string(), room: z.string() }), z.strictObject({ denial: z.int() })])
      .optional(),
  })
  const fail = (value: unknown) => {
    const result = schema.safeParse(value)
    if (result.success) throw new Error('expected a refusal')
    return invalidInput(result.error, 'body').message
  }
  it.each([
    [{ attributes: { room: 7 }, limit: 1 }, /^body\.attributes\.room: /],
    [{ attributes: {}, limit: 'x' }, /^body\.limit: /],
    [{ attributes: {}, limit: 1, colour: 1 }, /^body\.colour: unknown field/],
    [{ limit: 'x' }, /^body\.attributes: .*\(and 1 more\)$/],
    [7, /^body: /],
    [{ attributes: {}, limit: 1, who: { denial: 'x' } }, /^body\.who\.denial: /],
  ])('%j', (value, message) => {
    expect(fail(value)).toMatch(message)
  })
})

describe('what the framework refuses', () => {
  const framework = (code: string, statusCode: number) => Object.assign(new Error('fst'), { code, statusCode })
  it.each([
    ['FST_ERR_CTP_BODY_TOO_LARGE', 413, 'too-large'],
    ['FST_ERR_CTP_INVALID_MEDIA_TYPE', 415, 'invalid-input'],
    ['FST_ERR_CTP_INVALID_JSON_BODY', 400, 'invalid-input'],
    ['SOMETHING_NEW', 400, 'invalid-input'],
    ['SOMETHING_NEW', 500, 'internal'],
  ])('%s (%i) becomes %s', (code, status, expected) => {
    expect(failureOf(framework(code, status)).code).toBe(expected)
  })
})

describe('challenges (RFC 6750 3)', () => {
  it.each([
    ['no-evidence', 'Bearer realm="latchkey"'],
    ['bad-secret', 'Bearer realm="latchkey", error="invalid_token"'],
    ['token-expired', 'Bearer realm="latchkey", error="invalid_token"'],
    ['scope-denied', 'Bearer realm="latchkey", error="insufficient_scope"'],
    ['policy-denied', null],
    ['not-found', null],
  ] as const)('%s', (code, challenge) => {
    expect(bearerChallenge(new Failure(code))).toBe(challenge)
  })
})
