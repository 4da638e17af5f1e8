// Textual encodings of PKIX structures (RFC 7468).

export type PemLabel = 'CERTIFICATE' | 'PRIVATE KEY' | 'X509 CRL' | 'CERTIFICATE REQUEST'

/** RFC 7468 section 2: base64 in lines of 64 characters, ended by a newline. */
export function toPem(label: PemLabel, der: Uint8Array): string {
  const lines = Buffer.from(der)
    .toString('base64')
    .replace(/.{64}(?=.)/g, '$&\n')
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`
}

/**
 * The contents of the only block with one of these labels; null when there is none, several, or when it is not base64.
 * Text before and after the block is allowed (RFC 7468 section 2): `openssl req -text` writes it.
 */
export function fromPem(labels: readonly string[], text: string): Buffer | null {
  let found: Buffer | null = null
  for (const label of labels) {
    const begin = `-----BEGIN ${label}-----`
    const start = text.indexOf(begin)
    if (start < 0) continue
    const bodyStart = start + begin.length
    const end = text.indexOf(`-----END ${label}-----`, bodyStart)
    if (end < 0 || found !== null || text.includes(begin, bodyStart)) return null
    found = fromBase64(text.slice(bodyStart, end))
    if (found === null) return null
  }
  return found
}

/** Strict base64 (RFC 4648 section 4); white space between the characters is allowed. */
export function fromBase64(text: string): Buffer | null {
  const bare = text.replace(/\s/g, '')
  if (bare.length === 0 || bare.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(bare)) return null
  return Buffer.from(bare, 'base64')
}
