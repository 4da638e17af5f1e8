// What a server is made of, and what of it the addon is given.
import { createPrivateKey } from 'node:crypto'
import type { NativeOptions } from './addon.ts'
import { readIdentity } from './identity.ts'
import { DTLS_SERVER_LIMITS, type DtlsServerLimits } from './limits.ts'
import type { DtlsEnd, DtlsSession, Peer } from './session.ts'
import { GROUPS, narrowed, suitesFor } from './suites.ts'
import type { Timers } from './timers.ts'

/** What was proved in the session whose ticket comes back. */
export interface ResumptionEvidence {
  readonly identity: string | undefined
  /** DER. */
  readonly certificate: Buffer | undefined
}

/** Whom a server tells; narrow, and named by moment. None may throw. */
export interface DtlsServerEvents {
  /** A datagram for the socket. */
  send(datagram: Buffer, peer: Peer): void
  opened(session: DtlsSession): void
  message(payload: Buffer, session: DtlsSession): void
  /** Of a session that was open. */
  closed(session: DtlsSession, end: DtlsEnd): void
  /** A handshake came to nothing; for the log. */
  failed(end: DtlsEnd, peer: Peer): void
}

export interface DtlsServerOptions {
  readonly events: DtlsServerEvents
  /** Our chain and key, both PEM. */
  readonly certificate?: { readonly chain: string; readonly privateKey: string }
  /** PEM: whose client certificates are believed, and their revocation lists. */
  readonly authorities?: { readonly certificates: string; readonly revoked?: string }
  /** Whether a peer without a pre-shared key has to show a certificate. */
  readonly clientCertificate?: 'none' | 'optional' | 'required'
  /** The key of an identity, at once; undefined for nobody's, and what is thrown counts as that. */
  readonly keyOf?: (identity: string) => Buffer | undefined
  /** Whether what was proved before still stands. Without it every session begins with a full handshake. */
  readonly mayResume?: (evidence: ResumptionEvidence) => boolean
  /** OpenSSL names; what the credentials can serve when absent. */
  readonly suites?: readonly string[]
  /** `PSK-AES128-CBC-SHA256` too, for old devices. */
  readonly allowCbc?: boolean
  readonly limits?: Partial<DtlsServerLimits>
  readonly timers?: Timers
}

export function serverLimits(options: DtlsServerOptions): DtlsServerLimits {
  return { ...DTLS_SERVER_LIMITS, ...options.limits }
}

/** Throws a RangeError when the credentials can serve no suite. */
export function nativeServerOptions(options: DtlsServerOptions): NativeOptions {
  const { certificate, authorities, clientCertificate = 'none', keyOf, mayResume } = options
  const { mtu, retransmit, maximumHandshakeMessage, ticketLifetime } = serverLimits(options)
  const keyType = certificate && createPrivateKey(certificate.privateKey).asymmetricKeyType
  const choice = { psk: keyOf !== undefined, keyTypes: keyType ? [keyType] : [], allowCbc: options.allowCbc ?? false }
  const suites = options.suites ? narrowed(options.suites, choice) : suitesFor(choice)
  if (suites.length === 0) throw new RangeError('a DTLS server needs a certificate or pre-shared keys')
  if (clientCertificate !== 'none' && authorities === undefined) {
    throw new RangeError('a DTLS server that asks for client certificates needs the authorities it believes')
  }
  return {
    server: true,
    verify: ({ none: 0, optional: 1, required: 2 } as const)[clientCertificate],
    suites: suites.join(':'),
    groups: GROUPS,
    mtu,
    retransmit,
    maximumHandshakeMessage,
    ticketLifetime,
    ...(certificate && { certificate: certificate.chain, privateKey: certificate.privateKey }),
    ...(authorities && { authorities: authorities.certificates }),
    ...(authorities?.revoked !== undefined && { revoked: authorities.revoked }),
    ...(keyOf && { keyOf: octets => keyFor(keyOf, octets) }),
    ...(mayResume && {
      mayResume: (identity, der) => {
        if (identity === undefined && der === undefined) return false
        const name = identity && readIdentity(identity)
        return mayResume({ identity: name, certificate: der })
      },
    }),
  }
}

function keyFor(keyOf: (identity: string) => Buffer | undefined, octets: Buffer): Buffer | undefined {
  const identity = readIdentity(octets)
  return identity === undefined ? undefined : keyOf(identity)
}
