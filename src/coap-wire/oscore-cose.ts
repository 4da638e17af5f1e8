// COSE_Encrypt0 as OSCORE uses it (RFC 8613 5): partial IV, nonce, additional data, and AES-CCM-16-64-128 around them.
import { createCipheriv, createDecipheriv } from 'node:crypto'
import { array, bytesItem, text, uint } from './oscore-cbor.ts'
import { AEAD_ALGORITHM, NONCE_BYTES } from './oscore-keys.ts'

/** RFC 8613 7.2.1: a sequence number is less than 2^40. */
export const LAST_SEQUENCE = 2 ** 40 - 1
export const TAG_BYTES = 8
const PARTIAL_IV_BYTES = 5
const OSCORE_VERSION = 1
const CIPHER = 'aes-128-ccm'

const NOTHING = Buffer.alloc(0)

/** The shortest form, and one byte for 0 (RFC 8613 5). Throws RangeError beyond `LAST_SEQUENCE`. */
export function partialIvOf(sequence: number): Buffer {
  if (!Number.isInteger(sequence) || sequence < 0 || sequence > LAST_SEQUENCE)
    throw new RangeError(`${sequence} is no OSCORE sequence number`)
  const bytes = Buffer.alloc(PARTIAL_IV_BYTES)
  bytes.writeUIntBE(sequence, 0, PARTIAL_IV_BYTES)
  let from = 0
  while (from < PARTIAL_IV_BYTES - 1 && bytes[from] === 0) from += 1
  return bytes.subarray(from)
}

/** Of 1 to 5 bytes. */
export const sequenceOf = (partialIv: Buffer): number => partialIv.readUIntBE(0, partialIv.length)

/** RFC 8613 5.2: `id` is that of whoever made the partial IV. */
export function nonceOf(commonIv: Buffer, id: Buffer, partialIv: Buffer): Buffer {
  const nonce = Buffer.alloc(NONCE_BYTES)
  nonce[0] = id.length
  id.copy(nonce, NONCE_BYTES - PARTIAL_IV_BYTES - id.length)
  partialIv.copy(nonce, NONCE_BYTES - partialIv.length)
  for (let i = 0; i < NONCE_BYTES; i++) nonce[i] = nonce[i]! ^ commonIv[i]!
  return nonce
}

/** RFC 8613 5.4: `kid` and `partialIv` are those of the request, also for its responses. There are no Class I options. */
export const additionalData = (kid: Buffer, partialIv: Buffer): Buffer =>
  array(text('Encrypt0'), bytesItem(NOTHING), bytesItem(externalAad(kid, partialIv)))

const externalAad = (kid: Buffer, partialIv: Buffer): Buffer =>
  array(uint(OSCORE_VERSION), array(uint(AEAD_ALGORITHM)), bytesItem(kid), bytesItem(partialIv), bytesItem(NOTHING))

/** Ciphertext and tag. */
export function seal(key: Buffer, nonce: Buffer, aad: Buffer, plaintext: Buffer): Buffer {
  const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES })
  cipher.setAAD(aad, { plaintextLength: plaintext.length })
  return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
}

/** null for what was not sealed under this key and nonce together with this additional data. */
export function open(key: Buffer, nonce: Buffer, aad: Buffer, ciphertext: Buffer): Buffer | null {
  const plaintextLength = ciphertext.length - TAG_BYTES
  if (plaintextLength < 0) return null
  const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES })
  decipher.setAuthTag(ciphertext.subarray(plaintextLength))
  decipher.setAAD(aad, { plaintextLength })
  try {
    const plaintext = decipher.update(ciphertext.subarray(0, plaintextLength))
    decipher.final()
    return plaintext
  } catch {
    return null
  }
}
