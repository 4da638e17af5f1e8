// A DTLS client without a socket; many sessions may share its credentials.
import { createPrivateKey } from 'node:crypto'
import type { NativeContext, NativeOptions } from './addon.ts'
import { DTLS_LIMITS, type DtlsLimits } from './limits.ts'
import { loadAddon } from './load-addon.ts'
import { DtlsSession, type Peer, type SessionEvents } from './session.ts'
import { GROUPS, suitesFor } from './suites.ts'
import { systemTimers, type Timers } from './timers.ts'

export interface DtlsClientOptions {
  readonly psk?: { readonly identity: string; readonly key: Buffer }
  /** Our chain and key, both PEM. */
  readonly certificate?: { readonly chain: string; readonly privateKey: string }
  /** PEM: whose server certificates are believed. A server with a certificate is refused without it. */
  readonly authorities?: string
  /** OpenSSL names; what the credentials can serve when absent. */
  readonly suites?: readonly string[]
  /** `PSK-AES128-CBC-SHA256` too, for old servers. */
  readonly allowCbc?: boolean
  readonly limits?: Partial<DtlsLimits>
  readonly timers?: Timers
}

export interface ConnectOptions {
  /** What the server's certificate must be made out to, a DNS name or IP address; the peer's address when absent. */
  readonly name?: string
  /** Of an earlier session: `saved()`. */
  readonly saved?: Buffer | undefined
}

export class DtlsClient {
  readonly #context: NativeContext
  readonly #limits: DtlsLimits
  readonly #timers: Timers
  readonly #checksCertificate: boolean

  /** Throws `dtls-unavailable` without the addon, and an Error for credentials that can not be used. */
  constructor(options: DtlsClientOptions) {
    this.#limits = { ...DTLS_LIMITS, ...options.limits }
    this.#timers = options.timers ?? systemTimers
    this.#checksCertificate = options.authorities !== undefined
    this.#context = new (loadAddon().Context)(nativeClientOptions(options, this.#limits))
  }

  /** Sends the first flight; `events.opened` or `events.ended` says how it went. */
  connect(peer: Peer, events: SessionEvents, { name = peer.address, saved }: ConnectOptions = {}): DtlsSession {
    const session = new DtlsSession({
      native: this.#context.connect(this.#checksCertificate ? name : '', saved),
      peer,
      events,
      timers: this.#timers,
      handshakeTimeout: this.#limits.handshakeTimeout,
    })
    session.begin()
    return session
  }
}

function nativeClientOptions(options: DtlsClientOptions, limits: DtlsLimits): NativeOptions {
  const { psk, certificate, authorities, allowCbc = false } = options
  if (certificate !== undefined) createPrivateKey(certificate.privateKey) // tells what is wrong with it better than OpenSSL
  // The server's certificate decides between ECDSA and RSA, so whoever believes some authority offers both.
  const keyTypes = authorities === undefined ? [] : ['ec', 'rsa']
  const suites = options.suites ?? suitesFor({ psk: psk !== undefined, keyTypes, allowCbc })
  if (suites.length === 0) throw new RangeError('a DTLS client needs a pre-shared key or the authorities it believes')
  return {
    server: false,
    verify: authorities === undefined ? 0 : 2,
    suites: suites.join(':'),
    groups: GROUPS,
    mtu: limits.mtu,
    retransmit: limits.retransmit,
    maximumHandshakeMessage: limits.maximumHandshakeMessage,
    ...(psk && { identity: psk.identity, key: psk.key }),
    ...(certificate && { certificate: certificate.chain, privateKey: certificate.privateKey }),
    ...(authorities !== undefined && { authorities }),
  }
}
