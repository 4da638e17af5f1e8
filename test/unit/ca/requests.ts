// Certificate requests for tests, written byte by byte, so that they can also say what no honest tool writes.
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import * as der from '../../../src/ca/der.ts'
import { toPem } from '../../../src/ca/pem.ts'

export interface KeyPair {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

export const newKeys = {
  p256: (): KeyPair => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  p384: (): KeyPair => generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  p521: (): KeyPair => generateKeyPairSync('ec', { namedCurve: 'P-521' }),
  secp256k1: (): KeyPair => generateKeyPairSync('ec', { namedCurve: 'secp256k1' }),
  ed25519: (): KeyPair => generateKeyPairSync('ed25519'),
  ed448: (): KeyPair => generateKeyPairSync('ed448'),
  rsa: (modulusLength = 2048, publicExponent = 65_537): KeyPair =>
    generateKeyPairSync('rsa', { modulusLength, publicExponent }),
}

/** AlgorithmIdentifier and digest by signature algorithm. */
const ALGORITHMS = {
  'ecdsa-sha256': { id: der.sequence(der.objectIdentifier('1.2.840.10045.4.3.2')), digest: 'sha256' },
  'ecdsa-sha384': { id: der.sequence(der.objectIdentifier('1.2.840.10045.4.3.3')), digest: 'sha384' },
  'ecdsa-sha1': { id: der.sequence(der.objectIdentifier('1.2.840.10045.4.1')), digest: 'sha1' },
  'rsa-sha256': {
    id: der.sequence(der.objectIdentifier('1.2.840.113549.1.1.11'), der.element(0x05)),
    digest: 'sha256',
  },
  'rsa-sha1': { id: der.sequence(der.objectIdentifier('1.2.840.113549.1.1.5'), der.element(0x05)), digest: 'sha1' },
  ed25519: { id: der.sequence(der.objectIdentifier('1.3.101.112')), digest: null },
  ed448: { id: der.sequence(der.objectIdentifier('1.3.101.113')), digest: null },
} as const

const USUAL: ReadonlyMap<string, keyof typeof ALGORITHMS> = new Map([
  ['rsa', 'rsa-sha256'],
  ['ed25519', 'ed25519'],
  ['ed448', 'ed448'],
])

export interface RequestedExtension {
  readonly id: string
  readonly critical?: boolean
  readonly value: Buffer
}

export interface RequestSpecification {
  readonly keys?: KeyPair
  readonly commonNames?: readonly string[]
  readonly extensions?: readonly RequestedExtension[]
  /** Object identifier of the attribute that asks for extensions. */
  readonly extensionAttribute?: string
  /** How many times the attribute stands there. */
  readonly extensionAttributes?: number
  readonly algorithm?: keyof typeof ALGORITHMS
  /** Signs with this key instead of its own. */
  readonly signWith?: KeyObject
  readonly version?: string
}

export function requestDer(specification: RequestSpecification = {}): Buffer {
  const {
    keys = newKeys.p256(),
    commonNames = [],
    extensions,
    extensionAttribute = '1.2.840.113549.1.9.14',
    extensionAttributes = 1,
    version = '00',
  } = specification
  const usual = USUAL.get(keys.publicKey.asymmetricKeyType ?? '') ?? 'ecdsa-sha256'
  const { id, digest } = ALGORITHMS[specification.algorithm ?? usual]
  const list = der.sequence(
    ...(extensions ?? []).map(extension =>
      der.sequence(
        der.objectIdentifier(extension.id),
        ...(extension.critical ? [der.boolean(true)] : []),
        der.octetString(extension.value),
      ),
    ),
  )
  const attribute = der.sequence(der.objectIdentifier(extensionAttribute), der.element(0x31, list))
  const info = der.sequence(
    der.unsignedInteger(version),
    der.sequence(
      ...commonNames.map(name =>
        der.element(0x31, der.sequence(der.objectIdentifier('2.5.4.3'), der.element(0x0c, Buffer.from(name)))),
      ),
    ),
    keys.publicKey.export({ type: 'spki', format: 'der' }),
    der.explicit(
      0,
      extensions ? Buffer.concat(Array.from({ length: extensionAttributes }, () => attribute)) : Buffer.alloc(0),
    ),
  )
  return der.sequence(info, id, der.bitString(sign(digest, info, specification.signWith ?? keys.privateKey)))
}

export const requestPem = (specification: RequestSpecification = {}): string =>
  toPem('CERTIFICATE REQUEST', requestDer(specification))

/** Extensions that requests ask for, right and wrong. */
export const asking = {
  caTrue: (critical = true): RequestedExtension => ({
    id: '2.5.29.19',
    critical,
    value: der.sequence(der.boolean(true)),
  }),
  caFalse: (): RequestedExtension => ({ id: '2.5.29.19', value: der.sequence() }),
  /** Bits from the left, as RFC 5280 4.2.1.3 numbers them. */
  keyUsage: (...bits: number[]): RequestedExtension => {
    const value = bits.reduce((sum, bit) => sum | (0x80 >> bit), 0)
    return { id: '2.5.29.15', critical: true, value: der.element(0x03, Buffer.from([trailingZeros(value), value])) }
  },
  purposes: (...ids: string[]): RequestedExtension => ({
    id: '2.5.29.37',
    value: der.sequence(...ids.map(der.objectIdentifier)),
  }),
  /** Uniform resource identifiers [6], DNS names [2] and e-mail addresses [1]. */
  names: (...names: (readonly ['uri' | 'dns' | 'email', string])[]): RequestedExtension => ({
    id: '2.5.29.17',
    value: der.sequence(
      ...names.map(([kind, name]) => der.implicit({ uri: 6, dns: 2, email: 1 }[kind], Buffer.from(name))),
    ),
  }),
  nameConstraints: (): RequestedExtension => ({ id: '2.5.29.30', value: der.sequence() }),
  unknown: (critical: boolean): RequestedExtension => ({
    id: '1.3.6.1.4.1.55555.1',
    critical,
    value: der.octetString(Buffer.from('?')),
  }),
}

function trailingZeros(byte: number): number {
  for (let bits = 0; bits < 8; bits++) if (byte & (1 << bits)) return bits
  return 0
}
