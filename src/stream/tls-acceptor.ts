import { constants, timingSafeEqual, type X509Certificate } from 'node:crypto'
import type { Socket } from 'node:net'
import { createServer, type Server, type TLSSocket } from 'node:tls'
import { bytesOf } from '../auth/certificate-bytes.ts'
import type { Random } from '../model/clock.ts'
import type { Log } from '../model/log.ts'
import type { Meter } from '../model/meter.ts'
import type { Transport } from '../model/transport.ts'
import type { ChannelProof } from './peer-socket.ts'

export interface TlsMaterial {
  /** The server's certificate, followed by those of its issuers. */
  readonly certificatePem: string
  readonly privateKeyPem: string
  /** CAs whose names are shown to clients, so that they choose the right certificate. `auth` does the verification. */
  readonly caPem: readonly string[]
}

/** A handshake that did not end well, for the audit trail. */
export interface HandshakeFailure {
  readonly transport: Transport
  readonly address: string
  /** The registered PSK identity that was claimed and not proved; null when there was none. */
  readonly pskIdentity: string | null
  /** OpenSSL's or Node's code, for example `ERR_SSL_BINDER_DOES_NOT_VERIFY`. */
  readonly reason: string
}

export interface TlsAcceptorOptions {
  readonly name: Transport
  readonly material: TlsMaterial
  /** ALPN, RFC 7301. */
  readonly protocol: string
  /** null: pre-shared keys are not served. */
  readonly pskKey: ((identity: string) => Buffer | null) | null
  readonly onHandshakeFailure?: (failure: HandshakeFailure) => void
  readonly random: Random
  readonly meter: Meter
  readonly log: Log
}

/**
 * TLS 1.3 uses an external PSK only with a SHA-256 suite (RFC 8446 4.2.11), and the server's order counts, so that suite
 * comes first. PSK suites lead for TLS 1.2 because only clients that hold a PSK offer them.
 */
const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'kECDHEPSK+HIGH',
  'PSK+HIGH',
  'ECDHE+HIGH',
  '!kRSAPSK',
  '!aNULL',
].join(':')

/** Certificates of a peer that are looked at; longer chains are cut. */
const MAXIMUM_CHAIN = 8
/** What the registry takes as an identity. */
const PSK_IDENTITY = /^[\x21-\x7e]{1,128}$/
/** Bytes of the key that stands in for an unknown identity. */
const DECOY_KEY = 32

type Next = (stream: TLSSocket, proof: ChannelProof) => void

interface ShownIdentity {
  readonly identity: string
  readonly key: Buffer
}

/** null without PSK. */
type Proved = ShownIdentity | 'unshown' | null

interface Handshake {
  readonly address: string
  readonly next: Next
}

/**
 * TLS 1.2 and 1.3 with certificates and, where they are served, pre-shared keys on one port. It asks for a certificate and takes
 * any: who the peer is, `auth` decides. Where PSK is served nothing is resumed, because a resumed TLS 1.3 session skips
 * the PSK callback, and with it the identity.
 */
export class TlsAcceptor {
  readonly #options: TlsAcceptorOptions
  readonly #server: Server
  readonly #handshakes = new Map<string, Handshake>()
  /** Registered identities shown in a handshake of this socket; whether their key was used is seen at its end. */
  readonly #shown = new WeakMap<TLSSocket, ShownIdentity>()

  constructor(options: TlsAcceptorOptions) {
    this.#options = options
    this.#server = createServer(this.#settings(options.material))
    this.#server.on('secureConnection', socket => this.#secured(socket))
    this.#server.on('tlsClientError', (error, socket) => this.#failed(error, socket))
  }

  /** Leads a fresh TCP connection through the handshake. */
  accept(socket: Socket, address: string, next: Next): void {
    const key = endpoints(socket)
    this.#handshakes.set(key, { address, next })
    socket.on('close', () => this.#handshakes.delete(key))
    this.#server.emit('connection', socket)
  }

  setMaterial(material: TlsMaterial): void {
    this.#server.setSecureContext(this.#settings(material))
  }

  #settings(material: TlsMaterial) {
    const { pskKey, protocol } = this.#options
    return {
      key: material.privateKeyPem,
      cert: material.certificatePem,
      ca: [...material.caPem],
      // Not `ALPNProtocols`, which Node copies for each connection. Whoever offers others alone is refused (RFC 7301 3.2).
      ALPNCallback: ({ protocols }: { protocols: string[] }) => (protocols.includes(protocol) ? protocol : undefined),
      minVersion: 'TLSv1.2' as const,
      ciphers: CIPHERS,
      requestCert: true,
      rejectUnauthorized: false,
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION | (pskKey === null ? 0 : constants.SSL_OP_NO_TICKET),
      ...(pskKey === null
        ? {}
        : { pskCallback: (socket: TLSSocket, identity: string) => this.#keyFor(socket, identity, pskKey) }),
    }
  }

  #keyFor(socket: TLSSocket, identity: string, pskKey: (identity: string) => Buffer | null): Buffer | null {
    const key = pskKey(identity)
    if (key !== null) {
      this.#shown.set(socket, { identity, key })
      return key
    }
    this.#shown.delete(socket)
    // An identity nobody has fails as a wrong key does, so that strangers cannot ask which exist (RFC 4279 5.4). What
    // cannot be an identity is a stale session ticket, which TLS 1.3 shows in the same place: that one is passed over.
    return PSK_IDENTITY.test(identity) ? this.#options.random.bytes(DECOY_KEY) : null
  }

  #secured(socket: TLSSocket): void {
    const key = endpoints(socket)
    const handshake = this.#handshakes.get(key)
    this.#handshakes.delete(key)
    if (handshake === undefined) {
      socket.destroy()
      return
    }
    socket.on('error', ignore)
    handshake.next(socket, new Proof(chainOf(socket), this.#proved(socket), this))
  }

  /** A key that was replaced or revoked between the handshake and now proves nothing, though its identity lives on. */
  holds({ identity, key }: ShownIdentity): boolean {
    const now = this.#options.pskKey?.(identity) ?? null
    return now !== null && now.length === key.length && timingSafeEqual(now, key)
  }

  /**
   * That the callback gave out a key does not mean that the peer has it: in TLS 1.3 a client that offers only SHA-384
   * suites makes OpenSSL look the identity up, pass it over and go on with certificates, nothing proved.
   */
  #proved(socket: TLSSocket): Proved {
    if (this.#options.pskKey === null) return null
    const used =
      socket.getProtocol() === 'TLSv1.3'
        ? socket.isSessionReused() && socket.getPeerX509Certificate() === undefined
        : /PSK/.test(socket.getCipher().standardName)
    return used ? (this.#shown.get(socket) ?? 'unshown') : null
  }

  #failed(error: Error, socket: TLSSocket): void {
    const reason = (error as NodeJS.ErrnoException).code ?? 'unknown'
    const { meter, log, onHandshakeFailure, name } = this.#options
    meter.count('latchkey_tls_handshake_failures_total', { transport: name })
    const address = this.#handshakes.get(endpoints(socket))?.address
    log.debug({ listener: name, address, reason }, 'TLS handshake failed')
    if (address !== undefined)
      onHandshakeFailure?.({ transport: name, address, pskIdentity: this.#shown.get(socket)?.identity ?? null, reason })
    socket.destroy()
  }
}

const ignore = () => {}

class Proof implements ChannelProof {
  readonly certificates: readonly Buffer[]
  readonly #proved: Proved
  readonly #acceptor: TlsAcceptor

  constructor(certificates: readonly Buffer[], proved: Proved, acceptor: TlsAcceptor) {
    this.certificates = certificates
    this.#proved = proved
    this.#acceptor = acceptor
  }

  get pskIdentity(): string | null {
    if (this.#proved === null) return null
    return this.#proved !== 'unshown' && this.#acceptor.holds(this.#proved) ? this.#proved.identity : ''
  }
}

/** Names a connection; the TLS socket has the same ends as the TCP socket below it. */
const endpoints = (socket: Socket) =>
  `${socket.remoteAddress} ${socket.remotePort} ${socket.localAddress} ${socket.localPort}`

function chainOf(socket: TLSSocket): Buffer[] {
  const chain: Buffer[] = []
  let certificate: X509Certificate | undefined = socket.getPeerX509Certificate()
  while (certificate !== undefined && chain.length < MAXIMUM_CHAIN) {
    chain.push(bytesOf(certificate))
    certificate = certificate.issuerCertificate
  }
  return chain
}
