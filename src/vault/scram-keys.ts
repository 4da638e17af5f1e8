// What a server keeps of a SCRAM password (RFC 5802 3, RFC 7677): enough to check a proof, not enough to make one.
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'
import { Failure } from '../model/failure.ts'

export interface ScramKeys {
  readonly salt: Buffer
  readonly iterations: number
  readonly storedKey: Buffer
  readonly serverKey: Buffer
}

/**
 * RFC 7677 4 asks for no fewer. More would cost the device and gain nothing, because our passwords are random bits; and
 * as everybody has the same, the number in a challenge tells nobody whose username exists.
 */
export const SCRAM_ITERATIONS = 4_096
export const SCRAM_SALT_BYTES = 16
const DIGEST_BYTES = 32

export const sha256 = (data: Buffer): Buffer => createHash('sha256').update(data).digest()
export const hmac = (key: Buffer, data: string): Buffer => createHmac('sha256', key).update(data).digest()

/** `password`: printable ASCII, which SASLprep (RFC 4013) leaves as it is. */
export function deriveScramKeys(password: string, salt: Buffer, iterations: number): ScramKeys {
  const salted = pbkdf2Sync(password, salt, iterations, DIGEST_BYTES, 'sha256')
  return { salt, iterations, storedKey: sha256(hmac(salted, 'Client Key')), serverKey: hmac(salted, 'Server Key') }
}

/** To be sealed: iterations, StoredKey, ServerKey, salt. */
export function encodeScramKeys({ salt, iterations, storedKey, serverKey }: ScramKeys): Buffer {
  const head = Buffer.alloc(4)
  head.writeUInt32BE(iterations)
  return Buffer.concat([head, storedKey, serverKey, salt])
}

/** Throws `vault-key` for keys that are too weak to be ours. */
export function decodeScramKeys(bytes: Buffer): ScramKeys {
  const [first, second] = [4 + DIGEST_BYTES, 4 + 2 * DIGEST_BYTES]
  const iterations = bytes.length === second + SCRAM_SALT_BYTES ? bytes.readUInt32BE(0) : 0
  if (iterations < SCRAM_ITERATIONS)
    throw new Failure('vault-key', `SCRAM keys with fewer than ${SCRAM_ITERATIONS} iterations are not used`)
  return {
    iterations,
    storedKey: bytes.subarray(4, first),
    serverKey: bytes.subarray(first, second),
    salt: bytes.subarray(second),
  }
}
