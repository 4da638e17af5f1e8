import { X509Certificate } from 'node:crypto'

/**
 * Certificates that TLS has parsed, by the bytes that travel in an `Evidence`: OpenSSL takes 0.15 ms to parse one again, more
 * than to verify its signature.
 */
const parsed = new WeakMap<Buffer, X509Certificate>()

/** DER. */
export function bytesOf(certificate: X509Certificate): Buffer {
  const der = certificate.raw
  parsed.set(der, certificate)
  return der
}

/** Throws when it is none. */
export function certificateOf(der: Buffer): X509Certificate {
  return parsed.get(der) ?? new X509Certificate(der)
}
