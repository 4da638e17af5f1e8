// CoAP over DTLS (RFC 7252 9.1): one socket, the sessions that run through it, and the peer that each of them is.
import { timingSafeEqual } from 'node:crypto'
import { peerAddress } from '../auth/peer-address.ts'
import { decode, headOf } from '../coap-wire/decode.ts'
import type { DtlsServerLimits } from '../dtls/limits.ts'
import { loadAddon } from '../dtls/load-addon.ts'
import { DtlsServer } from '../dtls/server.ts'
import type { DtlsEnd, DtlsSession, Peer as Remote } from '../dtls/session.ts'
import { SUITES } from '../dtls/suites.ts'
import { asFailure, Failure } from '../model/failure.ts'
import { printable } from '../model/printable.ts'
import { DtlsCounters } from './dtls-counters.ts'
import { type CoapTransport, hasShown, type Shown } from './endpoint.ts'
import { HandshakeLog } from './handshake-log.ts'
import type { MessageContext } from './message-context.ts'
import { isRequestMessage } from './rejection.ts'
import { SecureEndpoint } from './secure-endpoint.ts'
import { UdpSocket } from './udp-socket.ts'
import { UnreliablePeer } from './unreliable-peer.ts'

export interface DtlsMaterial {
  /** The server's certificate, followed by those of its issuers. */
  readonly certificatePem: string
  readonly privateKeyPem: string
  /** Whose client certificates come as far as the door, which judges them anew and asks the registry. */
  readonly caPem: readonly string[]
}

/** A handshake that did not end well, for the audit trail. */
export interface FailedProof {
  readonly transport: CoapTransport
  readonly address: string
  /** The registered identity that was claimed and not proved; null when there was none. */
  readonly pskIdentity: string | null
}

/** Who may shake hands, asked in the moment of it. */
export interface DtlsKeys {
  /** The key of an identity; null for whatever is unknown, revoked or expired. */
  pskKey(identity: string): Buffer | null
  /** Whether what was proved in an earlier session is still worth something. */
  mayResume(proved: { readonly pskIdentity: string | null; readonly certificate: Buffer | null }): boolean
}

export interface DtlsListenerOptions {
  readonly host: string
  /** 0 = any free port. */
  readonly port: number
  /** Sets its endpoints' session ids apart from those of any other listener. */
  readonly id: string
  readonly keys: DtlsKeys
  readonly material: DtlsMaterial
  readonly limits: DtlsServerLimits
  readonly recordFailedProof: (failure: FailedProof) => void
}

const offered = SUITES.filter(({ legacy }) => !legacy)
const PSK_FIRST = [...offered.filter(({ by }) => by === 'psk'), ...offered.filter(({ by }) => by !== 'psk')].map(
  ({ name }) => name,
)

/** An identity whose key was given out for a handshake that is under way. */
interface Claim {
  readonly identity: string
  readonly key: Buffer
}

export class DtlsListener {
  readonly host: string
  readonly port: number
  readonly #context: MessageContext
  readonly #options: DtlsListenerOptions
  readonly #socket: UdpSocket
  readonly #server: DtlsServer
  readonly #counters: DtlsCounters
  readonly #log: HandshakeLog
  readonly #peers = new Map<DtlsSession, UnreliablePeer>()
  /** By address and port. */
  readonly #claims = new Map<string, Claim>()
  /** Whose datagram is being looked at. */
  #from = ''
  #material: DtlsMaterial
  #sessions = 0

  private constructor(context: MessageContext, socket: UdpSocket, options: DtlsListenerOptions) {
    this.#context = context
    this.#options = options
    this.#socket = socket
    this.host = socket.host
    this.port = socket.port
    this.#material = options.material
    this.#log = new HandshakeLog('coaps', context.log, context.clock)
    this.#server = this.#openServer()
    this.#counters = new DtlsCounters(this.#server, context.meter, context.wheel)
    socket.onMessage((bytes, from) => this.#receive(bytes, from))
  }

  /** Throws `listener-failed`, and `dtls-unavailable` without the addon. */
  static async open(context: MessageContext, options: DtlsListenerOptions): Promise<DtlsListener> {
    loadAddon() // before a port is taken for nothing
    const { host, port } = options
    const { receiveBufferBytes, sendQueueBytes } = context.limits
    const dropped = () => context.counters.dropped('network')
    const { log } = context
    const socket = await UdpSocket.open({ name: 'coaps', host, port, receiveBufferBytes, sendQueueBytes, log, dropped })
    try {
      return new DtlsListener(context, socket, options)
    } catch (error) {
      await socket.close()
      if (error instanceof Failure) throw error
      throw new Failure('listener-failed', `listener coaps could not be opened: ${asFailure(error).message}`, {
        cause: error,
      })
    }
  }

  /** New handshakes use this; sessions that are open stay. */
  setMaterial(material: DtlsMaterial): void {
    const { certificatePem, privateKeyPem, caPem } = material
    const before = this.#material
    this.#material = material
    if (certificatePem !== before.certificatePem) this.#server.setCertificate(certificatePem, privateKeyPem)
    // New authorities void all tickets, so that the same are not told anew.
    if (caPem.join() !== before.caPem.join()) this.#server.setAuthorities(caPem.join(''))
  }

  /** Whoever was proved so far proves it anew in the next session. */
  voidTickets(): void {
    this.#server.rotateTickets()
  }

  /** Says goodbye to all and frees the port. */
  async close(): Promise<void> {
    this.#server.close()
    this.#counters.flush()
    await this.#socket.close()
  }

  #openServer(): DtlsServer {
    const { keys, limits, material } = this.#options
    return new DtlsServer(
      {
        certificate: { chain: material.certificatePem, privateKey: material.privateKeyPem },
        authorities: { certificates: material.caPem.join('') },
        clientCertificate: 'optional',
        // Only clients that hold a key offer its suites, and many offer the others too without having a certificate.
        suites: PSK_FIRST,
        keyOf: identity => this.#keyOf(identity),
        mayResume: ({ identity = null, certificate = null }) => keys.mayResume({ pskIdentity: identity, certificate }),
        limits,
        events: {
          send: (datagram, to) => this.#socket.send(datagram, to),
          opened: session => this.#opened(session),
          message: (payload, session) => this.#take(payload, session),
          closed: session => this.#closed(session),
          failed: (end, from) => this.#failed(end, from),
        },
      },
      () => this.#context.clock.now(),
    )
  }

  #receive(bytes: Buffer, from: Remote): void {
    // Nobody can be answered there.
    if (from.port === 0) return
    this.#from = nameOf(from)
    try {
      this.#server.receive(bytes, from)
    } catch (error) {
      this.#context.log.error({ cause: printable(String(error)) }, 'a DTLS datagram could not be handled')
    }
    this.#counters.changed()
  }

  // --- handshakes ---------------------------------------------------------------------------------------------------------

  #keyOf(identity: string): Buffer | undefined {
    const key = this.#options.keys.pskKey(identity)
    if (key === null) return undefined
    this.#claims.set(this.#from, { identity, key })
    return key
  }

  #opened(session: DtlsSession): void {
    this.#sessions += 1
    const name = nameOf(session.peer)
    const shown = this.#shown(session, this.#claims.get(name))
    this.#claims.delete(name)
    session.releaseEvidence()
    const endpoint = new SecureEndpoint(`${this.#options.id}-${this.#sessions}`, session, shown, this.#context.counters)
    // The handshake has proved that it reads where it says it is.
    const peer = new UnreliablePeer(this.#context, endpoint, name, true, null)
    this.#peers.set(session, peer)
    // One that has shown nothing yet makes room like a stranger, and is forgotten like one when it stays silent.
    this.#context.peers.add(peer, hasShown(shown))
    void this.#context.admit(peer)
  }

  /** A key that was replaced or revoked between the handshake and now proves nothing, though its identity lives on. */
  #shown({ evidence }: DtlsSession, claim: Claim | undefined): Shown {
    const { suite, identity, chain, resumed } = evidence
    // The door asks for no more than the peer's own, and the handshake has built its chain.
    const certificates = chain.slice(0, 1)
    if (identity === undefined && !suite.includes('PSK')) return { certificates, pskIdentity: null }
    const holds = resumed || (claim !== undefined && claim.identity === identity && this.#holds(claim))
    return { certificates, pskIdentity: holds && identity !== undefined ? identity : '' }
  }

  #holds({ identity, key }: Claim): boolean {
    const now = this.#options.keys.pskKey(identity)
    return now !== null && now.length === key.length && timingSafeEqual(now, key)
  }

  #failed({ reason, error, claimed, unknown }: DtlsEnd, from: Remote): void {
    this.#claims.delete(nameOf(from))
    this.#counters.changed()
    // We, or a newer handshake of the same peer, ended it.
    if (reason !== 'failed' && reason !== 'timeout' && reason !== 'peer') return
    const address = peerAddress(from.address)
    this.#log.failed({ address, identity: claimed, known: !unknown, reason, error })
    const pskIdentity = claimed === undefined || unknown ? null : claimed
    this.#options.recordFailedProof({ transport: 'coaps', address, pskIdentity })
  }

  // --- messages -----------------------------------------------------------------------------------------------------------

  #take(payload: Buffer, session: DtlsSession): void {
    const peer = this.#peers.get(session)
    if (peer === undefined) return
    const { limits, counters, dispatcher } = this.#context
    const oversized = payload.length > limits.messageBytes
    const message = decode(oversized ? headOf(payload) : payload)
    if (message === null) counters.dropped('malformed')
    else if (oversized && isRequestMessage(message)) peer.refuse(message, payload.length, dispatcher.tooLarge())
    else peer.receive(message, payload.length)
  }

  #closed(session: DtlsSession): void {
    const peer = this.#peers.get(session)
    this.#peers.delete(session)
    if (peer !== undefined) this.#context.peers.remove(peer)
    this.#counters.changed()
  }
}

const nameOf = ({ address, port }: Remote): string => `${address} ${port}`
