// Reading a certificate request (PKCS#10, RFC 2986). Nothing in it is believed here: `request-checks.ts` judges it.
import { createPublicKey, type KeyObject } from 'node:crypto'
import { AsnConvert } from '@peculiar/asn1-schema'
import { AlgorithmIdentifier, Attribute, Extensions, Name } from '@peculiar/asn1-x509'
import { Failure } from '../model/failure.ts'
import { type Element, readElements } from './der.ts'
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

const COMMON_NAME = '2.5.4.3'
const PEM_LABELS = ['CERTIFICATE REQUEST', 'NEW CERTIFICATE REQUEST'] // RFC 7468 7: the second is an old spelling
/** PKCS #9 extensionRequest (RFC 2985 5.4.2), and the attribute that Microsoft's tools use for the same. */
const EXTENSION_REQUESTS = new Set(['1.2.840.113549.1.9.14', '1.3.6.1.4.1.311.2.1.14'])

const INTEGER = 0x02
const BIT_STRING = 0x03
const OBJECT_IDENTIFIER = 0x06
const SEQUENCE = 0x30
const ATTRIBUTES = 0xa0
const MAXIMUM_ATTRIBUTES = 32
/** Version 1 is written as 0. */
const V1 = Buffer.from([0])

/** Reads PEM, base64 (as EST sends it) or DER. Throws `invalid-csr` that names the step. */
export function readRequest(input: string | Buffer, limits: RequestLimits = REQUEST_LIMITS): CertificateRequest {
  // base64 is a third longer than DER; PEM may carry a printout of the request around it
  if (input.length > limits.requestBytes * 3) throw tooLarge(limits)
  const der = typeof input === 'string' ? decode(input) : input
  if (der.length > limits.requestBytes) throw tooLarge(limits)
  try {
    return parse(der)
  } catch (error) {
    if (error instanceof Failure) throw error
    throw refusal('pkcs10', 'it is not a PKCS #10 certificate request', error)
  }
}

/** Every common name of the subject; null for one that is no character string. */
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

/** CertificationRequest (RFC 2986 4.2), taken apart by its tags, so that what is signed is what is read. */
function parse(der: Buffer): CertificateRequest {
  const [request, ...after] = readElements(der) ?? []
  if (!request || after.length > 0) throw refusal('pkcs10', 'it is not one DER element')
  const [info, algorithm, signature] = inside(request, SEQUENCE, 3, 3)
  const [identifier] = inside(algorithm, SEQUENCE, 1, 2)
  const bits = expected(signature, BIT_STRING).contents
  if (identifier?.tag !== OBJECT_IDENTIFIER || bits[0] !== 0) throw refusal('pkcs10', 'its signature cannot be read')
  return {
    ...parseInfo(info),
    signatureAlgorithm: AsnConvert.parse(expected(algorithm, SEQUENCE).whole, AlgorithmIdentifier).algorithm,
    signature: bits.subarray(1),
  }
}

/** CertificationRequestInfo (RFC 2986 4.1). Some leave the attributes out, though the standard wants them there and empty. */
function parseInfo(info: Element | undefined): Omit<CertificateRequest, 'signature' | 'signatureAlgorithm'> {
  const [version, subject, publicKey, attributes] = inside(info, SEQUENCE, 3, 4)
  if (!expected(version, INTEGER).contents.equals(V1)) throw refusal('pkcs10', 'its version is not 1')
  const publicKeyInfo = expected(publicKey, SEQUENCE).whole
  return {
    signedBytes: expected(info, SEQUENCE).whole,
    publicKeyInfo,
    publicKey: readKey(publicKeyInfo),
    subject: readSubject(AsnConvert.parse(expected(subject, SEQUENCE).whole, Name)),
    extensions: attributes ? readExtensions(inside(attributes, ATTRIBUTES, 0, MAXIMUM_ATTRIBUTES)) : [],
  }
}

function expected(element: Element | undefined, tag: number): Element {
  if (element?.tag === tag) return element
  throw refusal('pkcs10', 'it is not a PKCS #10 certificate request')
}

function inside(element: Element | undefined, tag: number, least: number, most: number): Element[] {
  const elements = readElements(expected(element, tag).contents) ?? []
  if (elements.length >= least && elements.length <= most) return elements
  throw refusal('pkcs10', 'it is not a PKCS #10 certificate request')
}

function readKey(publicKeyInfo: Buffer): KeyObject {
  try {
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

function readExtensions(elements: readonly Element[]): RequestedExtension[] {
  const attributes = elements.map(({ whole }) => AsnConvert.parse(whole, Attribute))
  const requests = attributes.filter(attribute => EXTENSION_REQUESTS.has(attribute.type))
  if (requests.length > 1) throw refusal('extensions', 'it asks for extensions in more than one attribute')
  const [request] = requests
  if (!request) return []
  const [value, ...others] = request.values
  if (!value || others.length > 0) throw refusal('extensions', 'its extension request does not have exactly one value')
  return AsnConvert.parse(value, Extensions).map(({ extnID, critical, extnValue }) => {
    const contents = Buffer.from(extnValue.buffer)
    if (readElements(contents)?.length !== 1) throw refusal('extensions', `its extension ${extnID} cannot be read`)
    return { id: extnID, critical, value: contents }
  })
}
