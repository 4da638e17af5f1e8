import { expect, test } from 'vitest'
import { loggedError, readableLine, withoutSecrets } from '../../src/process-log.ts'

const at = new Date(2026, 0, 5, 12, 44, 46).getTime()
const line = (fields: object) =>
  JSON.stringify({ level: 30, time: at, pid: 7, hostname: 'h', name: 'latchkey', ...fields })

test('a line for people: time, level, message, then what is not said yet', () => {
  const json = line({ msg: 'session-start', principal: 't1', failure: null, listeners: { mqtt: { port: 1883 } } })
  expect(readableLine(json, false)).toBe('12:44:46 info  session-start principal=t1 listeners={"mqtt":{"port":1883}}')
})

test('colour marks the level and nothing else', () => {
  expect(readableLine(line({ level: 50, msg: 'no' }), true)).toBe('12:44:46 \u001b[31merror\u001b[0m no')
})

test('control characters in a field stay escaped where the log escaped them', () => {
  expect(readableLine(line({ msg: 'x', client: 'a\\u001b[2J' }), false)).toBe('12:44:46 info  x client=a\\u001b[2J')
})

test('a secret inside a field is left out, and the caller keeps its own', () => {
  const request = { url: '/', token: 't', password: 'p', secret: 's', key: 'k' }
  const fields = { request, failure: null, key: 'a name, not a secret' }
  expect(withoutSecrets(fields)).toEqual({ request: { url: '/' }, failure: null, key: 'a name, not a secret' })
  expect(request.token).toBe('t')
  const plain = { principal: 't1', listeners: { mqtt: { port: 1883 } } }
  expect(withoutSecrets(plain)).toBe(plain)
})

test('so is one that an error carries', () => {
  const error = Object.assign(new Error('no'), { token: 't', code: 'E' })
  expect(loggedError(error)).toMatchObject({ message: 'no', code: 'E' })
  expect(loggedError(error)).not.toHaveProperty('token')
})
