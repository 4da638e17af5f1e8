// Keys beginning with `!` (or a character before it) belong to the store itself. `list` never shows them.

/** Says that this database is ours and complete. Without it, nothing is read. */
export const SENTINEL_KEY = '!store'
/** No revision up to the stored number is given out again. */
export const REVISION_KEY = '!revision'

const EXPIRY_PREFIX = '!x/'
/** 2^48 has 15 digits. */
const TIME_DIGITS = 15

export function isReserved(key: string): boolean {
  return !(key.charCodeAt(0) > 0x21)
}

/** The smallest key that is not reserved. */
export const FIRST_KEY = '"'

/** Index entries sort by the time at which the key ends (ms since the epoch). */
export function expiryKey(expiresAt: number, key: string): string {
  return `${EXPIRY_PREFIX}${String(expiresAt).padStart(TIME_DIGITS, '0')}/${key}`
}

export const EXPIRY_RANGE_START = EXPIRY_PREFIX

/** Everything that has ended by `now` lies before this key. */
export function expiryRangeEnd(now: number): string {
  return expiryKey(Math.floor(now) + 1, '')
}

export function keyOfExpiryKey(indexKey: string): string {
  return indexKey.slice(EXPIRY_PREFIX.length + TIME_DIGITS + 1)
}

/** The smallest key after all keys with this prefix, in the order of their UTF-8 bytes; undefined when there is none. */
export function prefixEnd(prefix: string): string | undefined {
  const points = Array.from(prefix)
  while (points.length > 0) {
    const point = points.pop()?.codePointAt(0) ?? 0
    if (point === 0x10ffff) continue
    // Surrogates are not characters: the next one after U+D7FF is U+E000.
    return points.join('') + String.fromCodePoint(point === 0xd7ff ? 0xe000 : point + 1)
  }
  return undefined
}

/** Keys sort by their UTF-8 bytes, not by UTF-16 units as JavaScript compares strings. */
export function compareKeys(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}
