import { describe, expect, test } from 'vitest'
import { readClient } from '../../../src/oauth/client-authentication.ts'

const NO_FORM = new Map<string, string>()
const form = (values: Record<string, string>) => new Map(Object.entries(values))
const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`
const codeOf = (authorization: string | null, values: Record<string, string> = {}) => {
  try {
    return readClient(authorization, form(values)).method
  } catch (error) {
    return (error as { code: string }).code
  }
}

describe('client_secret_basic (RFC 6749 2.3.1)', () => {
  test.each([
    ['id:secret', 'id', 'secret'],
    ['id:a:b', 'id', 'a:b'],
    ['my%3Aid:se%2Bcret%25', 'my:id', 'se+cret%'],
    ['id:with+space', 'id', 'with space'],
    ['id:%C3%BC', 'id', 'ü'],
  ])('%s', (text, id, secret) => {
    expect(readClient(basic(text), NO_FORM)).toEqual({ method: 'client_secret_basic', id, secret })
    expect(readClient(basic(text).replace('Basic', 'bASIC'), NO_FORM).id).toBe(id)
  })

  test.each([
    ['another scheme', 'Bearer abc'],
    ['no base64', 'Basic !!!'],
    ['nothing', ''],
    ['no colon', basic('id')],
    ['no id', basic(':secret')],
    ['a broken escape', basic('id:%')],
    ['bytes that are no UTF-8', basic('id:%ff')],
  ])('%s is a failed authentication', (_what, header) => expect(codeOf(header)).toBe('bad-secret'))

  test('the body may repeat the id, not change it', () => {
    expect(codeOf(basic('id:secret'), { client_id: 'id' })).toBe('client_secret_basic')
    expect(codeOf(basic('id:secret'), { client_id: 'other' })).toBe('invalid-input')
  })
})

describe('client_secret_post', () => {
  test('id and secret in the body', () => {
    expect(readClient(null, form({ client_id: 'id', client_secret: 'a b+c' }))).toEqual({
      method: 'client_secret_post',
      id: 'id',
      secret: 'a b+c',
    })
  })

  test('one of them, or neither, shows no client', () => {
    expect(codeOf(null)).toBe('no-evidence')
    expect(codeOf(null, { client_id: 'id' })).toBe('no-evidence')
    expect(codeOf(null, { client_secret: 'x' })).toBe('no-evidence')
  })
})

test('two ways at once are refused (RFC 6749 2.3)', () => {
  expect(codeOf(basic('id:secret'), { client_id: 'id', client_secret: 'secret' })).toBe('invalid-input')
})
