import { describe, expect, test } from 'vitest'
import { narrowed, SUITES, suitesFor } from '../../../src/dtls/suites.ts'

const names = (by: string) => SUITES.filter(suite => suite.by === by && !suite.legacy).map(({ name }) => name)

describe('suites for credentials', () => {
  test.each([
    ['a pre-shared key', { psk: true, keyTypes: [] }, names('psk')],
    ['an elliptic key', { psk: false, keyTypes: ['ec'] }, names('ecdsa')],
    ['an Ed25519 key', { psk: false, keyTypes: ['ed25519'] }, names('ecdsa')],
    ['an RSA key', { psk: false, keyTypes: ['rsa'] }, names('rsa')],
    ['an RSA-PSS key', { psk: false, keyTypes: ['rsa-pss'] }, names('rsa')],
    ['both kinds', { psk: true, keyTypes: ['ec'] }, [...names('ecdsa'), ...names('psk')]],
    ['none', { psk: false, keyTypes: [] }, []],
  ])('%s', (_name, choice, expected) => {
    expect(suitesFor(choice)).toEqual(expected)
  })

  test('CBC comes last, and only when it is asked for', () => {
    expect(suitesFor({ psk: true, keyTypes: [] }).join()).not.toContain('CBC')
    expect(suitesFor({ psk: true, keyTypes: [], allowCbc: true }).at(-1)).toBe('PSK-AES128-CBC-SHA256')
  })
})

test('configured suites keep their order, and lose those that no credential serves', () => {
  const configured = ['PSK-AES128-CCM8', 'ECDHE-ECDSA-AES128-CCM8', 'ECDHE-RSA-AES128-GCM-SHA256', 'ONE-OF-OPENSSLS']
  expect(narrowed(configured, { psk: true, keyTypes: ['rsa'] })).toEqual([
    'PSK-AES128-CCM8',
    'ECDHE-RSA-AES128-GCM-SHA256',
    'ONE-OF-OPENSSLS',
  ])
})
