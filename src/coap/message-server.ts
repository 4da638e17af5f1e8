// The message layer as a whole: listeners, peers and what they share, around the resources it is given.
import { type Scheduler, systemScheduler } from '../access/scheduler.ts'
import { RepeatingEncoder } from '../coap-wire/encode.ts'
import type { Clock, Random } from '../model/clock.ts'
import type { Log } from '../model/log.ts'
import type { Meter } from '../model/meter.ts'
import type { ListenerLimits } from '../stream/peer-socket.ts'
import { Dispatcher } from './dispatcher.ts'
import { DtlsListener, type DtlsListenerOptions, type DtlsMaterial } from './dtls-listener.ts'
import { COAP_LIMITS, type CoapLimits } from './limits.ts'
import type { MessageContext } from './message-context.ts'
import { MessageCounters } from './message-counters.ts'
import { MessageDice } from './message-dice.ts'
import { type OscoreContextParts, OscoreContexts } from './oscore-contexts.ts'
import { OscoreFront } from './oscore-front.ts'
import { Peers } from './peers.ts'
import { KeptBytes } from './recent-exchanges.ts'
import type { Peer, Resource } from './resource.ts'
import { StreamServer } from './stream-server.ts'
import { TimerWheel } from './timer-wheel.ts'
import { UdpListener } from './udp-listener.ts'

export interface MessageServerParts {
  readonly resources: readonly Resource[]
  /** Asks the door who a channel has proved, before it is spoken over; closes it when the door refuses. Never rejects. */
  readonly admit: (peer: Peer) => Promise<void>
  /** With `moved`: OSCORE is served. */
  readonly oscore?: Pick<OscoreContextParts, 'store' | 'credentials'>
  /** The session of a peer goes on from another address. */
  readonly moved?: (peer: Peer) => void
  readonly clock: Clock
  readonly random: Random
  /** Timers of this process unless given. */
  readonly scheduler?: Scheduler
  readonly meter: Meter
  readonly log: Log
  readonly limits?: Partial<CoapLimits>
  /** Bounds on a connection before CoAP is spoken over it. */
  readonly listenerLimits?: Partial<ListenerLimits>
}

export interface CoapAddress {
  readonly host: string
  /** 0 = any free port. */
  readonly port: number
  /** What is not protected by OSCORE is turned away. */
  readonly oscoreOnly?: boolean
}

/** Milliseconds between two looks for peers that were silent for long. */
const SWEEP_EVERY = 30_000
const ID_BYTES = 9

export class MessageServer {
  readonly #context: MessageContext
  readonly #random: Random
  readonly #listeners: UdpListener[] = []
  readonly #dtls: DtlsListener[] = []
  readonly #streams: StreamServer
  readonly #scheduler: Scheduler
  readonly #oscore: OscoreContexts | null
  #stopSweeping: () => void = () => {}
  #closed = false

  constructor(parts: MessageServerParts) {
    const { clock, random, log, meter, admit } = parts
    const limits = { ...COAP_LIMITS, ...parts.limits }
    this.#scheduler = parts.scheduler ?? systemScheduler
    const wheel = new TimerWheel(this.#scheduler, clock)
    const kept = new KeptBytes()
    this.#random = random
    this.#context = {
      limits,
      clock,
      log,
      meter,
      wheel,
      kept,
      notifications: new RepeatingEncoder(),
      admit,
      dice: new MessageDice(random),
      counters: new MessageCounters(meter, wheel),
      dispatcher: new Dispatcher({ ...parts, limits }),
      peers: new Peers(limits, kept, meter),
    }
    this.#streams = new StreamServer(this.#context, { ...parts, limits })
    this.#oscore = this.#serveOscore(parts, limits)
    this.#sweepLater()
  }

  static async open(parts: MessageServerParts): Promise<MessageServer> {
    const server = new MessageServer(parts)
    await server.#oscore?.sweepStore()
    return server
  }

  #serveOscore({ oscore, moved = () => {}, ...parts }: MessageServerParts, limits: CoapLimits): OscoreContexts | null {
    if (oscore === undefined) return null
    const { dispatcher, counters } = this.#context
    const contexts = new OscoreContexts({ ...oscore, meter: parts.meter, limits })
    dispatcher.serveOscore(new OscoreFront({ ...parts, dispatcher, counters, contexts, moved, limits }))
    return contexts
  }

  /** Opens a port. Throws `listener-failed`. */
  async listen(name: 'coap', { host, port, oscoreOnly = false }: CoapAddress): Promise<{ host: string; port: number }> {
    const id = this.#random.bytes(ID_BYTES).toString('base64url')
    if (oscoreOnly) this.#context.dispatcher.requireOscore(name)
    const listener = await UdpListener.open(this.#context, { host, port, id })
    if (this.#closed) await listener.close()
    else this.#listeners.push(listener)
    return { host: listener.host, port: listener.port }
  }

  /** The same over TCP, TLS or WebSocket. Throws `listener-failed`. */
  listenStream(...args: Parameters<StreamServer['listen']>): Promise<{ host: string; port: number }> {
    return this.#streams.listen(...args)
  }

  /** The same over DTLS. Throws `listener-failed`, and `dtls-unavailable` where the addon is missing. */
  async listenDtls(options: Omit<DtlsListenerOptions, 'id'>): Promise<{ host: string; port: number }> {
    const id = this.#random.bytes(ID_BYTES).toString('base64url')
    const listener = await DtlsListener.open(this.#context, { ...options, id })
    if (this.#closed) await listener.close()
    else this.#dtls.push(listener)
    return { host: listener.host, port: listener.port }
  }

  /** New handshakes use this; sessions that are open stay. */
  setMaterial(material: DtlsMaterial): void {
    for (const listener of this.#dtls) listener.setMaterial(material)
    this.#streams.setMaterial(material)
  }

  /** Nobody is let in again by what was proved before this. */
  voidTickets(): void {
    for (const listener of this.#dtls) listener.voidTickets()
  }

  /** Frees the ports. Nobody is sent a goodbye: a datagram to those who are gone helps nobody. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#stopSweeping()
    await Promise.all([...this.#dtls, ...this.#listeners, this.#streams].map(listener => listener.close()))
    this.#oscore?.close()
    this.#context.counters.flush()
    this.#context.wheel.close()
  }

  #sweepLater(): void {
    const { peers, clock, dispatcher } = this.#context
    this.#stopSweeping = this.#scheduler.after(SWEEP_EVERY, () => {
      peers.sweep(clock.now())
      dispatcher.sweep()
      this.#sweepLater()
    })
  }
}
