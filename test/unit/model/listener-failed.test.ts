import { expect, test } from 'vitest'
import { listenerFailed } from '../../../src/model/listener-failed.ts'

test.each([
  ['EADDRINUSE', 'the port is taken; free it, or choose another (0 = any)'],
  ['EACCES', 'this user may not open that port; choose one above 1023'],
  ['EADDRNOTAVAIL', 'this machine does not have that address'],
  ['EMFILE', 'bind EMFILE'],
])('%s', (code, reason) => {
  const cause = Object.assign(new Error(`bind ${code}`), { code })
  const failure = listenerFailed({ name: 'coaps', host: '::1', port: 5684 }, cause)
  expect(failure.code).toBe('listener-failed')
  expect(failure.message).toBe(`listener coaps could not be opened on ::1:5684: ${reason}`)
  expect(failure.cause).toBe(cause)
})
