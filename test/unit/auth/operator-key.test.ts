import { expect, test } from 'vitest'
import { operatorKeyHash, showsOperatorKey } from '../../../src/auth/operator-key.ts'
import type { Evidence } from '../../../src/model/evidence.ts'

const hash = operatorKeyHash('lk_api_mine')
const evidence = (fields: Partial<Evidence>): Evidence => ({
  transport: 'https',
  address: '127.0.0.1',
  clientId: null,
  certificates: [],
  pskIdentity: null,
  username: null,
  password: Buffer.from('lk_api_mine'),
  ...fields,
})

test('the operator key opens https, and only alone', () => {
  expect(showsOperatorKey(evidence({}), hash)).toBe(true)
})

test.each<[string, Partial<Evidence>]>([
  ['another text', { password: Buffer.from('lk_api_other') }],
  ['an empty text', { password: Buffer.alloc(0) }],
  ['nothing', { password: null }],
  ['the hash itself', { password: hash }],
  ['MQTT', { transport: 'mqtts' }],
  ['a username beside it', { username: '@local' }],
  ['a certificate beside it', { certificates: [Buffer.from('der')] }],
])('%s is not the operator', (_name, fields) => {
  expect(showsOperatorKey(evidence(fields), hash)).toBe(false)
})
