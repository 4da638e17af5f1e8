import { type KeyObject, sign } from 'node:crypto'
import * as der from './der.ts'

/** A revoked certificate, as a certificate revocation list names it. */
export interface RevokedCertificate {
  /** Lower-case hexadecimal. */
  readonly serial: string
  /** Milliseconds since the epoch. */
  readonly revokedAt: number
  /** As the registry recorded it; only the names of RFC 5280 5.3.1 become a reason code. */
  readonly reason: string | null
}

/** CRLReason (RFC 5280 5.3.1) by name, without case and punctuation; `unspecified` is left out, as the clause asks. */
const REASON_CODES: ReadonlyMap<string, number> = new Map([
  ['keycompromise', 1],
  ['cacompromise', 2],
  ['affiliationchanged', 3],
  ['superseded', 4],
  ['rotated', 4],
  ['cessationofoperation', 5],
  ['removed', 5],
  ['deviceremoved', 5],
  ['ownerremoved', 5],
  ['certificatehold', 6],
  ['privilegewithdrawn', 9],
])

/** The code for a recorded reason; null for free text. */
export function reasonCode(reason: string | null): number | null {
  return REASON_CODES.get((reason ?? '').toLowerCase().replace(/[^a-z]/g, '')) ?? null
}

const ECDSA_WITH_SHA256 = der.sequence(der.objectIdentifier('1.2.840.10045.4.3.2'))
const extension = (id: string, value: Buffer) => der.sequence(der.objectIdentifier(id), der.octetString(value))

/** One entry, ready to be put into any number of lists: encoding is what takes the time, so it is done once. */
export function encodeEntry(certificate: RevokedCertificate): Buffer {
  const code = reasonCode(certificate.reason)
  const reason = code === null ? [] : [der.sequence(extension('2.5.29.21', der.enumerated(code)))]
  return der.sequence(der.unsignedInteger(certificate.serial), der.time(certificate.revokedAt), ...reason)
}

export interface CrlContents {
  /** The issuer's subject, DER. */
  readonly issuerName: Buffer
  /** The issuer's subject key identifier. */
  readonly keyIdentifier: Buffer
  /** RFC 5280 5.2.3: never goes down. */
  readonly number: number
  /** Milliseconds since the epoch; written in whole seconds. */
  readonly thisUpdate: number
  readonly nextUpdate: number
  /** From `encodeEntry`. */
  readonly entries: Iterable<Buffer>
}

/** A version 2 certificate revocation list (RFC 5280 5.1) signed with a P-256 key, DER. */
export function writeCrl(contents: CrlContents, key: KeyObject): Buffer {
  const entries = [...contents.entries]
  const toBeSigned = der.sequence(
    der.unsignedInteger('01'),
    ECDSA_WITH_SHA256,
    contents.issuerName,
    der.time(contents.thisUpdate),
    der.time(contents.nextUpdate),
    // RFC 5280 5.1.2.6: absent, not empty, when nothing is revoked
    ...(entries.length > 0 ? [der.element(0x30, Buffer.concat(entries))] : []),
    der.explicit(
      0,
      der.sequence(
        extension('2.5.29.35', der.sequence(der.implicit(0, contents.keyIdentifier))),
        extension('2.5.29.20', der.unsignedInteger(contents.number.toString(16))),
      ),
    ),
  )
  return der.sequence(toBeSigned, ECDSA_WITH_SHA256, der.bitString(sign('sha256', toBeSigned, key)))
}
