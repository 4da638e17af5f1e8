import type { Entry } from './store.ts'

// What Level holds under a key: one byte of format, the revision, the time it ends when it has one, then the value.

const PLAIN = 1
const EXPIRING = 2
const TIME_OFFSET = 7
const PLAIN_HEADER = 7
const EXPIRING_HEADER = 13

/** Highest revision and expiry time (ms since the epoch) that fit their six bytes. */
export const MAXIMUM_NUMBER = 2 ** 48 - 1

/** Copies the value, so the caller may reuse its buffer. */
export function encodeEnvelope(value: Buffer | string, revision: number, expiresAt: number | undefined): Buffer {
  const header = expiresAt === undefined ? PLAIN_HEADER : EXPIRING_HEADER
  const length = typeof value === 'string' ? Buffer.byteLength(value) : value.length
  const envelope = Buffer.allocUnsafe(header + length)
  envelope[0] = expiresAt === undefined ? PLAIN : EXPIRING
  envelope.writeUIntBE(revision, 1, 6)
  if (expiresAt !== undefined) envelope.writeUIntBE(expiresAt, TIME_OFFSET, 6)
  if (typeof value === 'string') envelope.write(value, header)
  else value.copy(envelope, header)
  return envelope
}

export function revisionOf(envelope: Buffer): number {
  return envelope.readUIntBE(1, 6)
}

/** Milliseconds since the epoch; Infinity when it never ends. */
export function expiryOf(envelope: Buffer): number {
  return envelope[0] === EXPIRING ? envelope.readUIntBE(TIME_OFFSET, 6) : Number.POSITIVE_INFINITY
}

/** The entry's value is a view on the envelope: read it, do not write to it. */
export function openEnvelope(key: string, envelope: Buffer): Entry {
  const format = envelope[0]
  if ((format !== PLAIN && format !== EXPIRING) || envelope.length < PLAIN_HEADER) {
    throw new Error(`the value of ${JSON.stringify(key)} has an unknown format`)
  }
  return {
    key,
    value: envelope.subarray(format === PLAIN ? PLAIN_HEADER : EXPIRING_HEADER),
    revision: revisionOf(envelope),
  }
}
