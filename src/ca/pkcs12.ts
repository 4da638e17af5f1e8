// PKCS #12 (RFC 7292) for a key and its chain, as devices and operating systems import it: AES-256-CBC under PBKDF2 with
// HMAC-SHA-256 (PBES2), integrity by HMAC-SHA-256. node-forge writes the ASN.1 (it knows no EC keys, so the bags are composed here).
// Both key derivations run off the event loop or in slices: a slow password hash must not stop the broker.
import { createCipheriv, createHash, createHmac, pbkdf2 } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { promisify } from 'node:util'
import forge from 'node-forge'
import type { Random } from '../model/clock.ts'
import { Failure } from '../model/failure.ts'

export interface Pkcs12Contents {
  /** PKCS #8, DER. */
  readonly privateKey: Buffer
  /** DER, leaf first. */
  readonly certificates: readonly Buffer[]
  /** Shown by the importing program. */
  readonly friendlyName: string
}

export interface Pkcs12Options {
  readonly random: Random
  /** Rounds of both derivations; what a guess at the password costs. */
  readonly iterations?: number
  /** Characters. */
  readonly passwordMinimum?: number
  readonly passwordMaximum?: number
  /** Rounds of the MAC's derivation between two turns of the event loop (some 1 ms). */
  readonly slice?: number
}

const { asn1, pki } = forge
const { Class, Type } = asn1
const derivation = promisify(pbkdf2)
const HMAC_WITH_SHA256 = '1.2.840.113549.2.9'

/** Throws `invalid-input` for a password outside the bounds. */
export async function writePkcs12(contents: Pkcs12Contents, password: string, options: Pkcs12Options): Promise<Buffer> {
  const { random, iterations = 50_000, passwordMinimum = 8, passwordMaximum = 256, slice = 1000 } = options
  if (password.length < passwordMinimum || password.length > passwordMaximum) {
    throw new Failure(
      'invalid-input',
      `password: must have ${passwordMinimum} to ${passwordMaximum} characters, because it alone protects the key`,
    )
  }
  const [leaf] = contents.certificates
  if (!leaf) throw new Failure('internal', 'a PKCS #12 file needs the certificate of its key')
  const attributes = set(
    attribute(pki.oids.friendlyName, asn1.create(Class.UNIVERSAL, Type.BMPSTRING, false, contents.friendlyName)),
    attribute(pki.oids.localKeyId, octets(createHash('sha256').update(leaf).digest())),
  )
  const keyBag = sequence(
    oid(pki.oids.pkcs8ShroudedKeyBag),
    explicit(await encrypted(contents.privateKey, password, iterations, random)),
    attributes,
  )
  const certificateBags = contents.certificates.map((der, i) =>
    sequence(
      oid(pki.oids.certBag),
      explicit(sequence(oid(pki.oids.x509Certificate), explicit(octets(der)))),
      ...(i === 0 ? [attributes] : []),
    ),
  )
  const safe = toDer(sequence(data(toDer(sequence(keyBag))), data(toDer(sequence(...certificateBags)))))
  const salt = random.bytes(16)
  const mac = createHmac('sha256', await macKey(password, salt, iterations, slice))
    .update(safe)
    .digest()
  const digestInfo = sequence(
    sequence(oid(pki.oids.sha256), asn1.create(Class.UNIVERSAL, Type.NULL, false, '')),
    octets(mac),
  )
  // PFX (RFC 7292 4): version 3, the safe, its MAC
  return toDer(sequence(integer(3), data(safe), sequence(digestInfo, octets(salt), integer(iterations))))
}

/** EncryptedPrivateKeyInfo under PBES2 (RFC 8018 6.2). */
async function encrypted(key: Buffer, password: string, iterations: number, random: Random): Promise<forge.asn1.Asn1> {
  const salt = random.bytes(16)
  const iv = random.bytes(16)
  const cipher = createCipheriv('aes-256-cbc', await derivation(password, salt, iterations, 32, 'sha256'), iv)
  const sealed = Buffer.concat([cipher.update(key), cipher.final()])
  const prf = sequence(oid(HMAC_WITH_SHA256), asn1.create(Class.UNIVERSAL, Type.NULL, false, ''))
  const parameters = sequence(
    sequence(oid(pki.oids.pkcs5PBKDF2), sequence(octets(salt), integer(iterations), prf)),
    sequence(oid(pki.oids['aes256-CBC']), octets(iv)),
  )
  return sequence(sequence(oid(pki.oids.pkcs5PBES2), parameters), octets(sealed))
}

/** RFC 7292 appendix B.2 with ID 3 (MAC) and SHA-256: one block of output is all that an HMAC-SHA-256 key needs. */
export async function macKey(password: string, salt: Buffer, iterations: number, slice: number): Promise<Buffer> {
  const block = 64
  const repeated = (bytes: Buffer) => Buffer.alloc(Math.ceil(bytes.length / block) * block, bytes)
  const secret = Buffer.from(`${bmp(password)}\0\0`, 'latin1')
  let key: Buffer = createHash('sha256')
    .update(Buffer.concat([Buffer.alloc(block, 3), repeated(salt), repeated(secret)]))
    .digest()
  for (let round = 1; round < iterations; round++) {
    if (round % slice === 0) await setImmediate()
    key = createHash('sha256').update(key).digest()
  }
  return key
}

/** The password as a BMPString (RFC 7292 B.1, without its terminator): UTF-16, big endian, one character per byte. */
function bmp(text: string): string {
  return Buffer.from(text, 'utf16le').swap16().toString('latin1')
}

const latin = (bytes: Buffer): string => bytes.toString('latin1')
const toDer = (value: forge.asn1.Asn1): Buffer => Buffer.from(asn1.toDer(value).getBytes(), 'latin1')
const sequence = (...items: forge.asn1.Asn1[]) => asn1.create(Class.UNIVERSAL, Type.SEQUENCE, true, items)
const set = (...items: forge.asn1.Asn1[]) => asn1.create(Class.UNIVERSAL, Type.SET, true, items)
const explicit = (item: forge.asn1.Asn1) => asn1.create(Class.CONTEXT_SPECIFIC, 0, true, [item])
const octets = (bytes: Buffer) => asn1.create(Class.UNIVERSAL, Type.OCTETSTRING, false, latin(bytes))
const integer = (value: number) =>
  asn1.create(Class.UNIVERSAL, Type.INTEGER, false, asn1.integerToDer(value).getBytes())
const oid = (id: string | undefined) =>
  asn1.create(Class.UNIVERSAL, Type.OID, false, asn1.oidToDer(id ?? '').getBytes())
const attribute = (id: string | undefined, value: forge.asn1.Asn1) => sequence(oid(id), set(value))
const data = (bytes: Buffer) => sequence(oid(pki.oids.data), explicit(octets(bytes)))
