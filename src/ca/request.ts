// Reading a certificate request (PKCS#10, RFC 2986). Nothing in it is believed here: `request-checks.ts` judges it.
import { createPublicKey, type KeyObject } from 'node:crypto'
import { CertificationRequest } from '@peculiar/asn1-csr'
import { AsnConvert } from '@peculiar/asn1-schema'
import { type Attribute, Extensions, type Name, SubjectPublicKeyInfo } from '@peculiar/asn1-x509'
import { Failure } from '../model/failure.ts'
import { fromBase64, fromPem } from './pem.ts'

export interface RequestLimits {
  /** Bytes of the DER encoding; a 4096-bit RSA request has 1.2 KB. */
  readonly requestBytes: number
  /** Bits of an RSA modulus. */
  readonly rsaMinimum: number
  readonly rsaMaximum: number
}
export const REQUEST_LIMITS: RequestLimits = { requestBytes: 16_384, rsaMinimum: 2048, rsaMaximum: 4096 }

export interface RequestedExtension {
  readonly id: string
  readonly critical: boolean
  /** The DER inside the OCTET STRING. */
  readonly value: Buffer
}

/** What a request says. */
export interface CertificateRequest {
  /** CertificationRequestInfo as it came: what the signature is over. */
  readonly signedBytes: Buffer
  readonly signatureAlgorithm: string
  readonly signature: Buffer
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKeyInfo: Buffer
  readonly publicKey: KeyObject
  /** Every attribute of the subject in order; `value` is null when it is no character string. */
  readonly subject: readonly { readonly type: string; readonly value: string | null }[]
  readonly extensions: readonly RequestedExtension[]
}

const PEM_LABELS = ['CERTIFICATE REQUEST', 'NEW CERTIFICATE REQUEST'] // RFC 7468 7: the second is an old spelling
/** PKCS #9 extensionRequest (RFC 2985 5.4.2), and the attribute that Microsoft's tools use for the same. */
const EXTENSION_REQUESTS = new Set(['1.2.840.113549.1.9.14', '1.3.6.1.4.1.311.2.1.14'])

/** Reads PEM, base64 (as EST sends it) or DER. Throws `invalid-csr` that names the step. */
export function readRequest(input: string | Buffer, limits: RequestLimits = REQUEST_LIMITS): CertificateRequest {
  // base64 is a third longer than DER; PEM may carry a printout of the request around it
  if (input.length > limits.requestBytes * 3) throw tooLarge(limits)
  const der = typeof input === 'string' ? decode(input) : input
  if (der.length > limits.requestBytes) throw tooLarge(limits)
  if (!isOneElement(der)) throw refusal('pkcs10', 'it is not one DER element')
  try {
    return parse(der)
  } catch (error) {
    if (error instanceof Failure) throw error
    throw refusal('pkcs10', 'it is not a PKCS #10 certificate request', error)
  }
}

const COMMON_NAME = '2.5.4.3'

export function commonNamesOf({ subject }: CertificateRequest): (string | null)[] {
  return subject.filter(({ type }) => type === COMMON_NAME).map(({ value }) => value)
}

/** The failure of one named step, worded alike everywhere. `why` never quotes the request unescaped. */
export function refusal(step: string, why: string, cause?: unknown): Failure {
  return new Failure('invalid-csr', `The certificate request was refused (${step}): ${why}.`, { cause })
}

const tooLarge = (limits: RequestLimits): Failure => refusal('size', `it is larger than ${limits.requestBytes} bytes`)

function decode(text: string): Buffer {
  const der = text.includes('-----BEGIN ') ? fromPem(PEM_LABELS, text) : fromBase64(text)
  if (!der) throw refusal('encoding', 'it is neither one PEM block CERTIFICATE REQUEST nor base64 of DER')
  return der
}

/** A SEQUENCE of definite length with nothing after it: the parser below would overlook what follows. */
function isOneElement(der: Buffer): boolean {
  if (der.length < 2 || der[0] !== 0x30) return false
  const first = der[1] ?? 0
  if (first < 0x80) return der.length === 2 + first
  const count = first & 0x7f
  if (count === 0 || count > 3 || der.length < 2 + count) return false
  return der.length === 2 + count + der.readUIntBE(2, count)
}

function parse(der: Buffer): CertificateRequest {
  const request = AsnConvert.parse(der, CertificationRequest)
  const info = request.certificationRequestInfo
  if (info.version !== 0) throw refusal('pkcs10', 'its version is not 1') // RFC 2986 4.1: v1 is written as 0
  const { certificationRequestInfoRaw } = request
  if (!certificationRequestInfoRaw) throw refusal('pkcs10', 'its signed part cannot be told apart')
  const publicKeyInfo = Buffer.from(AsnConvert.serialize(info.subjectPKInfo))
  return {
    signedBytes: Buffer.from(certificationRequestInfoRaw),
    signatureAlgorithm: request.signatureAlgorithm.algorithm,
    signature: Buffer.from(request.signature),
    publicKeyInfo,
    publicKey: readKey(publicKeyInfo),
    subject: readSubject(info.subject),
    extensions: readExtensions(info.attributes ?? []),
  }
}

function readKey(publicKeyInfo: Buffer): KeyObject {
  try {
    AsnConvert.parse(publicKeyInfo, SubjectPublicKeyInfo)
    return createPublicKey({ key: publicKeyInfo, format: 'der', type: 'spki' })
  } catch (error) {
    throw refusal('key', 'its public key cannot be read', error)
  }
}

function readSubject(name: Name): { type: string; value: string | null }[] {
  return name.flatMap(rdn =>
    rdn.map(({ type, value }) => {
      const text =
        value.utf8String ?? value.printableString ?? value.ia5String ?? value.bmpString ?? value.teletexString
      return { type, value: typeof text === 'string' ? text : null }
    }),
  )
}

function readExtensions(attributes: readonly Attribute[]): RequestedExtension[] {
  const requests = attributes.filter(attribute => EXTENSION_REQUESTS.has(attribute.type))
  if (requests.length > 1) throw refusal('extensions', 'it asks for extensions in more than one attribute')
  const [request] = requests
  if (!request) return []
  const [value, ...others] = request.values
  if (!value || others.length > 0) throw refusal('extensions', 'its extension request does not have exactly one value')
  return AsnConvert.parse(value, Extensions).map(({ extnID, critical, extnValue }) => ({
    id: extnID,
    critical,
    value: Buffer.from(extnValue.buffer),
  }))
}
