import { crc32 } from 'node:zlib'
import type { Random } from '../model/clock.ts'
import { SECRET_AUDIENCES, type SecretAudience } from '../model/credential.ts'

// lk_<audience>_<key id>_<256 random bits, base64url>_<CRC-32 of all before it, base62>: found by secret scanners, refused
// without a look-up when mistyped, looked up by its key id.

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const KEY_ID_LENGTH = 12
const CHECKSUM_LENGTH = 6
const SECRET_BYTES = 32
const FORMAT = new RegExp(`^lk_(${SECRET_AUDIENCES.join('|')})_([0-9A-Za-z]{12})_[A-Za-z0-9_-]{43}_([0-9A-Za-z]{6})$`)
/** `lk_enrolment_` and what follows; anything longer is none. */
const MAXIMUM_LENGTH = 96

/** `text` is shown once and never stored; `keyId` finds its record again. */
export function newSecret(audience: SecretAudience, random: Random): { text: string; keyId: string } {
  const keyId = randomBase62(KEY_ID_LENGTH, random)
  const body = `lk_${audience}_${keyId}_${random.bytes(SECRET_BYTES).toString('base64url')}`
  return { text: `${body}_${checksum(body)}`, keyId }
}

/** null when it is not one of ours or was mistyped. Says nothing about whether it opens anything. */
export function parseSecret(text: string): { audience: SecretAudience; keyId: string } | null {
  if (text.length > MAXIMUM_LENGTH) return null
  const [, audience, keyId, sum] = FORMAT.exec(text) ?? []
  if (audience === undefined || keyId === undefined || sum === undefined) return null
  if (checksum(text.slice(0, -CHECKSUM_LENGTH - 1)) !== sum) return null
  return { audience: audience as SecretAudience, keyId }
}

/** Tells a secret from an imported password or a JWT by its shape. */
export function looksLikeSecret(text: string): boolean {
  return text.startsWith('lk_')
}

function checksum(body: string): string {
  let left = crc32(body)
  let digits = ''
  for (let i = 0; i < CHECKSUM_LENGTH; i++) {
    digits = BASE62.charAt(left % 62) + digits
    left = Math.floor(left / 62)
  }
  return digits
}

/** Every character is equally likely: bytes that do not divide evenly are thrown away. */
function randomBase62(length: number, random: Random): string {
  let text = ''
  while (text.length < length) {
    for (const byte of random.bytes(length - text.length)) {
      if (byte < 248) text += BASE62.charAt(byte % 62)
    }
  }
  return text
}
