// What every device of the home has in common: it logs in, stays, renews in time, and comes back when it was thrown out.
import { EventEmitter } from 'node:events'
import { ApiError } from '../../src/client/client.ts'
import type { CredentialName, DevicePlan, Protocol } from '../home-plan.ts'
import { type Message, type Notation, readMessage, type WireMessage, writeMessage } from '../message.ts'
import type { Behaviour, SayOptions, Voice } from './behaviour.ts'
import type { Acknowledged, BrokerAddress, Counts, HomeEvents, Inhabitant } from './home-device.ts'
import type { Identity, RenewalLink } from './identity.ts'
import { type Link, LinkClosed, LoginRefused, type Outgoing } from './link.ts'
import { openLink } from './open-link.ts'
import { Outbox } from './outbox.ts'
import { Backoff, type Lease, pause, renewalDelay } from './patience.ts'
import { openVisit } from './renewal-visit.ts'
import { SessionRenewal } from './renewing.ts'

export interface StationParts {
  readonly plan: DevicePlan
  readonly type: string
  readonly identity: Identity
  readonly broker: BrokerAddress
  readonly behaviour: Behaviour
}

interface Parcel extends Outgoing {
  readonly seq: number
}

/** A login in use. */
interface Stay {
  readonly link: Link
  readonly lease: Lease
  readonly renewal: SessionRenewal
  readonly closed: Promise<{ readonly reason: string; readonly at: number }>
}

/** Seconds that the broker keeps the session of an MQTT device that is away. */
const SESSION_EXPIRY = 60
/** Messages kept while the broker is away: minutes of measurements. */
const OUTBOX = { capacity: 1_000, retryAfter: 500 }
/** MQTT messages on their way at once. */
const WINDOW = 16
/** Acknowledged messages remembered. */
const REMEMBERED = 10_000
/** Milliseconds until a renewal that failed is tried again. */
const RENEW_AGAIN = 1_000
/** Milliseconds that a renewal waits for acknowledgements of what is on its way; the rest goes out again. */
const REST = 2_000

export class Station extends EventEmitter<HomeEvents> implements Inhabitant, Voice {
  readonly id: string
  readonly type: string
  readonly protocol: Protocol
  readonly credential: CredentialName
  readonly identity: Identity
  readonly #notation: Notation
  readonly #broker: BrokerAddress
  readonly #behaviour: Behaviour
  readonly #outbox: Outbox<Parcel>
  readonly #backoff = new Backoff()
  readonly #counts = { connects: 0, renewals: 0, published: 0, received: 0, denied: 0 }
  readonly #acknowledged: Acknowledged[] = []
  readonly #seqs = new Map<string, number>()
  #link: Link | null = null
  #life: { readonly end: AbortController; readonly over: Promise<void> } | null = null
  /** A credential was exchanged and is not in use yet. */
  #exchanged = false
  #working = false
  #stops = 0

  constructor({ plan, type, identity, broker, behaviour }: StationParts) {
    super()
    this.id = plan.id
    this.type = type
    this.protocol = plan.protocol
    this.credential = plan.credential
    this.identity = identity
    this.#notation = plan.notation ?? 'json'
    this.#broker = broker
    this.#behaviour = behaviour
    this.#outbox = new Outbox({
      ...OUTBOX,
      window: plan.protocol.startsWith('coap') ? 1 : WINDOW,
      settled: (parcel, outcome) => this.#settled(parcel, outcome),
    })
  }

  get counts(): Counts {
    return { ...this.#counts }
  }

  get acknowledged(): readonly Acknowledged[] {
    return this.#acknowledged
  }

  get linked(): boolean {
    return this.#link !== null
  }

  /** Goes out with the next `seq` of its topic, or a `seq` of the behaviour's that is not in the body. */
  say(topic: string, body: Message, { qos = 1, retain = false, seq: given }: SayOptions = {}): void {
    const seq = given ?? (this.#seqs.get(topic) ?? 0) + 1
    if (given === undefined) this.#seqs.set(topic, seq)
    const written = writeMessage(
      { topic, body: given === undefined ? { ...body, seq } : body, notation: this.#notation },
      Date.now(),
    )
    const parcel: Parcel = { topic, ...written, qos, retain, seq }
    if (qos === 1) {
      this.#outbox.put(parcel)
      return
    }
    // At most once: what has no link to go over is gone.
    void this.#link?.publish(parcel).then(
      () => {
        this.#counts.published += 1
      },
      () => {},
    )
  }

  /** Connects after `preparation` and stays until `stop`; resolves when it takes part for the first time. */
  protected async live(preparation: () => Promise<void>): Promise<void> {
    const stops = this.#stops
    await preparation()
    const stopped = new LinkClosed(`${this.id} was stopped before it took part`)
    if (this.#stops !== stops) throw stopped
    const end = new AbortController()
    await new Promise<void>((resolve, reject) => {
      const over = this.#persist(end.signal, resolve)
      this.#life = { end, over }
      void over.then(() => reject(stopped))
    })
  }

  /** Ends the connection and all attempts; the behaviour goes on. */
  protected async leave(): Promise<void> {
    const life = this.#life
    this.#life = null
    life?.end.abort()
    await life?.over
  }

  async stop(): Promise<void> {
    this.#stops += 1
    this.#behaviour.end()
    this.#working = false
    await this.leave()
  }

  /** One stay after the other, with a pause between. */
  async #persist(signal: AbortSignal, takesPart: () => void): Promise<void> {
    while (!signal.aborted) {
      try {
        const stay = await this.#open(signal)
        // It was stopped in the last moment, and must not begin to work again.
        if (signal.aborted) return await stay.link.end()
        this.#backoff.reset()
        this.#work()
        takesPart()
        await this.#remain(stay, signal)
        await pause(this.#backoff.next(), signal)
      } catch (error) {
        const refused = isRefusal(error)
        if (refused) this.identity.forgetToken()
        // Who is turned away knocks seldom: the broker counts failed attempts.
        await pause(refused ? Backoff.LONGEST : this.#backoff.next(), signal)
      }
    }
  }

  /** Logs in and subscribes. */
  async #open(signal: AbortSignal): Promise<Stay> {
    const { login, lease } = await this.identity.login()
    const renewal = new SessionRenewal()
    let tellClosed: (end: { reason: string; at: number }) => void = () => {}
    const closed = new Promise<{ reason: string; at: number }>(resolve => {
      tellClosed = resolve
    })
    const link = await openLink({
      protocol: this.protocol,
      broker: this.#broker,
      clientId: this.id,
      login,
      sessionExpiry: SESSION_EXPIRY,
      signal,
      listener: {
        message: message => {
          if (!renewal.heard(message)) this.#heard(message)
        },
        denied: filter => this.#denied(filter),
        closed: reason => tellClosed({ reason, at: performance.now() }),
      },
    })
    try {
      for (const filter of this.#behaviour.filters) {
        const outcome = await link.subscribe(filter)
        if (outcome === 'later') throw new LinkClosed(`the broker could not take the subscription to ${filter}`)
        if (outcome === 'denied') this.#denied(filter)
      }
    } catch (error) {
      await link.end()
      throw error
    }
    this.#counts.connects += 1
    return { link, lease, renewal, closed }
  }

  /** Until the link is lost or the device stopped; what is due for renewal is renewed meanwhile. */
  async #remain(first: Stay, signal: AbortSignal): Promise<void> {
    let stay = first
    this.#enter(stay)
    let due = renewalDelay(stay.lease, Date.now())
    for (;;) {
      const waiting = new AbortController()
      const timer = pause(due, AbortSignal.any([signal, waiting.signal])).then(() => null)
      const end = await Promise.race([stay.closed, timer])
      waiting.abort()
      if (end !== null || signal.aborted) {
        this.#link = null
        this.#outbox.detach()
        if (end !== null && !signal.aborted) this.emit('disconnected', end.reason, end.at)
        return stay.link.end()
      }
      const next = await this.#handOver(stay, signal)
      if (next === null) this.#outbox.attach(this.#over(stay.link))
      due = next === null ? RENEW_AGAIN : renewalDelay(next.lease, Date.now())
      if (next === null) continue
      const before = stay
      stay = next
      this.#enter(stay)
      await before.link.drop()
    }
  }

  #enter(stay: Stay): void {
    this.#link = stay.link
    this.#outbox.attach(this.#over(stay.link))
    if (this.#exchanged) {
      this.#exchanged = false
      this.#counts.renewals += 1
      this.emit('renewed')
    }
    this.emit('connected')
    this.#behaviour.connected(this)
  }

  /**
   * Logs in with the next credential, which takes over the session: the broker goes on where the old connection was.
   * null: it did not succeed, and the old link still serves.
   */
  async #handOver(stay: Stay, signal: AbortSignal): Promise<Stay | null> {
    try {
      if (!this.#exchanged) await this.identity.renew(() => this.#renewalLink(stay, signal))
      this.#exchanged = true
      // A link that closes before it is taken over was lost, and whoever remains on it hears so.
      const lost = await Promise.race([stay.closed, this.#outbox.rest(), pause(REST, signal)])
      return lost ? null : await this.#open(signal)
    } catch {
      return null
    }
  }

  async #renewalLink({ link, renewal }: Stay, signal: AbortSignal): Promise<RenewalLink> {
    const isProtected = ['mqtts', 'wss', 'coaps'].includes(this.protocol) || this.credential === 'oscore'
    if (isProtected) return { link, renewal, leave: async () => {} }
    const { login } = await this.identity.login()
    return openVisit({ device: this.id, broker: this.#broker, login, signal })
  }

  #over(link: Link): (parcel: Parcel) => ReturnType<Link['publish']> {
    return parcel => link.publish(parcel)
  }

  /** Begins the behaviour once, with the first link. */
  #work(): void {
    if (this.#working) return
    this.#working = true
    this.#behaviour.begin(this)
  }

  #heard(heard: WireMessage): void {
    this.#counts.received += 1
    const message = readMessage(heard)
    if (message !== null) this.#behaviour.received(heard.topic, message, this)
  }

  #settled({ topic, seq }: Parcel, outcome: 'accepted' | 'denied'): void {
    if (outcome === 'denied') {
      this.#denied(topic)
      return
    }
    this.#counts.published += 1
    const acknowledged = { topic, seq, at: performance.now() }
    this.#acknowledged.push(acknowledged)
    if (this.#acknowledged.length > REMEMBERED) this.#acknowledged.shift()
    this.emit('acknowledged', acknowledged)
  }

  #denied(topic: string): void {
    this.#counts.denied += 1
    this.emit('denied', topic)
  }
}

const isRefusal = (error: unknown): boolean =>
  error instanceof LoginRefused || (error instanceof ApiError && error.status >= 400 && error.status < 500)
