import 'reflect-metadata'
import { randomBytes, webcrypto, X509Certificate } from 'node:crypto'
import * as x509 from '@peculiar/x509'

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const HOUR = 3_600_000
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'

export interface TestCertificate {
  readonly certificate: X509Certificate
  readonly der: Buffer
  readonly pem: string
  readonly privateKeyPem: string
}

export interface LeafOptions {
  readonly commonName?: string
  readonly uris?: readonly string[]
  readonly dns?: readonly string[]
  readonly usages?: readonly string[] | null
  readonly ca?: boolean
  readonly notBefore?: number
  readonly notAfter?: number
  readonly serialNumber?: string
  /** Signed by its own key in its own name, whatever this authority is. */
  readonly selfSigned?: boolean
}

/** A common name, or a whole distinguished name as it is. */
const distinguished = (name: string) => (name.includes('=') ? name : `CN=${name}`)

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  return x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY')
}

/** Signs whatever a test asks for, right or wrong: what no authority of ours would. */
export class TestAuthority {
  readonly certificate: X509Certificate
  readonly pem: string
  readonly #keys: webcrypto.CryptoKeyPair
  readonly #own: x509.X509Certificate

  private constructor(own: x509.X509Certificate, keys: webcrypto.CryptoKeyPair) {
    this.#own = own
    this.#keys = keys
    this.pem = `${own.toString('pem')}\n`
    this.certificate = new X509Certificate(this.pem)
  }

  static async create(name = 'Test CA', signer?: TestAuthority): Promise<TestAuthority> {
    const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
    const now = Date.now()
    const own = await x509.X509CertificateGenerator.create({
      serialNumber: randomBytes(8).toString('hex'),
      subject: distinguished(name),
      issuer: signer === undefined ? distinguished(name) : signer.#own.subject,
      notBefore: new Date(now - 24 * HOUR),
      notAfter: new Date(now + 24 * HOUR),
      publicKey: keys.publicKey,
      signingKey: signer === undefined ? keys.privateKey : signer.#keys.privateKey,
      signingAlgorithm: ALGORITHM,
      extensions: [
        new x509.BasicConstraintsExtension(true, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      ],
    })
    return new TestAuthority(own, keys)
  }

  /** Signs with a key that is no authority's: a device's own, for example. */
  static async from(certificatePem: string, privateKeyPem: string): Promise<TestAuthority> {
    const own = new x509.X509Certificate(certificatePem)
    const pkcs8 = x509.PemConverter.decodeFirst(privateKeyPem)
    const privateKey = await webcrypto.subtle.importKey('pkcs8', pkcs8, ALGORITHM, true, ['sign'])
    const publicKey = await webcrypto.subtle.importKey('spki', own.publicKey.rawData, ALGORITHM, true, ['verify'])
    return new TestAuthority(own, { privateKey, publicKey })
  }

  /** A device certificate unless told otherwise. */
  async leaf(options: LeafOptions = {}): Promise<TestCertificate> {
    const { commonName = 'leaf', uris = [], dns = [], usages = [CLIENT_AUTH], ca = false } = options
    const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
    const names = [
      ...uris.map(value => ({ type: 'url' as const, value })),
      ...dns.map(value => ({ type: 'dns' as const, value })),
    ]
    const made = await x509.X509CertificateGenerator.create({
      serialNumber: options.serialNumber ?? randomBytes(8).toString('hex'),
      subject: distinguished(commonName),
      issuer: options.selfSigned ? distinguished(commonName) : this.#own.subject,
      notBefore: new Date(options.notBefore ?? Date.now() - HOUR),
      notAfter: new Date(options.notAfter ?? Date.now() + HOUR),
      publicKey: keys.publicKey,
      signingKey: options.selfSigned ? keys.privateKey : this.#keys.privateKey,
      signingAlgorithm: ALGORITHM,
      extensions: [
        new x509.BasicConstraintsExtension(ca, undefined, true),
        ...(usages === null ? [] : [new x509.ExtendedKeyUsageExtension([...usages])]),
        ...(names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names)]),
      ],
    })
    const certificate = new X509Certificate(made.toString('pem'))
    return {
      certificate,
      der: certificate.raw,
      pem: `${made.toString('pem')}\n`,
      privateKeyPem: await exportKey(keys.privateKey),
    }
  }

  device(id: string, options: LeafOptions = {}): Promise<TestCertificate> {
    return this.leaf({ commonName: id, uris: [`urn:latchkey:device:${id}`], ...options })
  }

  server(name = 'localhost'): Promise<TestCertificate> {
    return this.leaf({ commonName: name, dns: [name], usages: [SERVER_AUTH] })
  }
}
