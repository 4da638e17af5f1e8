// Pre-shared key identities are UTF-8 (RFC 4279 5.1). What is none is nobody's.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Undefined when the octets are no UTF-8. */
export function readIdentity(octets: Buffer): string | undefined {
  try {
    return utf8.decode(octets)
  } catch {
    return undefined
  }
}
