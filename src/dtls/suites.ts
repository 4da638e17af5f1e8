// Cipher suites in the server's order of preference, and which of them some credentials can serve: a suite without them
// would be chosen and then fail.

/** What a suite authenticates with. */
type Authentication = 'ecdsa' | 'rsa' | 'psk'

interface Suite {
  /** OpenSSL's name. */
  readonly name: string
  readonly by: Authentication
  /** CBC: only when asked for, for old devices. */
  readonly legacy?: true
}

export const SUITES: readonly Suite[] = [
  { name: 'ECDHE-ECDSA-AES128-GCM-SHA256', by: 'ecdsa' },
  { name: 'ECDHE-ECDSA-AES256-GCM-SHA384', by: 'ecdsa' },
  { name: 'ECDHE-ECDSA-CHACHA20-POLY1305', by: 'ecdsa' },
  { name: 'ECDHE-ECDSA-AES128-CCM', by: 'ecdsa' },
  { name: 'ECDHE-ECDSA-AES128-CCM8', by: 'ecdsa' },
  { name: 'ECDHE-RSA-AES128-GCM-SHA256', by: 'rsa' },
  { name: 'ECDHE-RSA-AES256-GCM-SHA384', by: 'rsa' },
  { name: 'ECDHE-PSK-CHACHA20-POLY1305', by: 'psk' },
  { name: 'PSK-AES128-GCM-SHA256', by: 'psk' },
  { name: 'PSK-AES256-GCM-SHA384', by: 'psk' },
  { name: 'PSK-CHACHA20-POLY1305', by: 'psk' },
  { name: 'PSK-AES128-CCM', by: 'psk' },
  { name: 'PSK-AES256-CCM', by: 'psk' },
  { name: 'PSK-AES128-CCM8', by: 'psk' },
  { name: 'PSK-AES128-CBC-SHA256', by: 'psk', legacy: true },
]

/** Key exchange groups, the preferred first. */
export const GROUPS = 'X25519:P-256:P-384'

export interface SuiteChoice {
  readonly psk: boolean
  /** Types of the keys that certificates here have (`KeyObject.asymmetricKeyType`); a client that only believes some has all. */
  readonly keyTypes: readonly string[]
  /** `PSK-AES128-CBC-SHA256` as well. */
  readonly allowCbc?: boolean
}

/** OpenSSL names, the preferred first; empty when the credentials serve none. */
export function suitesFor({ psk, keyTypes, allowCbc = false }: SuiteChoice): string[] {
  const can = new Set<Authentication>(keyTypes.map(type => (type.startsWith('rsa') ? 'rsa' : 'ecdsa')))
  if (psk) can.add('psk')
  return SUITES.filter(suite => can.has(suite.by) && (allowCbc || !suite.legacy)).map(suite => suite.name)
}

/** The configured ones that the credentials can serve, in the configured order; names nobody knows are left to OpenSSL. */
export function narrowed(configured: readonly string[], choice: SuiteChoice): string[] {
  const able = new Set(suitesFor({ ...choice, allowCbc: true }))
  const known = new Set(SUITES.map(suite => suite.name))
  return configured.filter(name => able.has(name) || !known.has(name))
}
