// All observers: who observes what under which token, and within which bounds.
import type { Bus } from '../bus/bus.ts'
import { Failure } from '../model/failure.ts'
import { EventBodies } from './event-bodies.ts'
import type { CoapLimits } from './limits.ts'
import { Observation } from './observation.ts'
import type { Ending, ObservationParts, ObservationTerms } from './observation-parts.ts'
import { type CheckTimes, ObservedPeer } from './observed-peer.ts'
import { Notices } from './representation.ts'
import type { Peer } from './resource.ts'
import type { CoapServerParts } from './server-parts.ts'
import type { CoapSession } from './session.ts'

export interface Registered {
  readonly observation: Observation
  /** This token did not observe the same before. */
  readonly isNew: boolean
}

export class Observations {
  /** What observers were notified of and no GET gives. */
  readonly events: EventBodies
  readonly #bus: Bus
  readonly #limits: CoapLimits
  readonly #parts: ObservationParts
  readonly #times: CheckTimes
  readonly #byPeer = new Map<Peer, ObservedPeer>()
  #count = 0
  #number = 0

  constructor({ bus, access, clock, meter }: CoapServerParts, limits: CoapLimits) {
    this.#bus = bus
    this.#limits = limits
    const { observerCheck, sessionIdle, unheardNotifications } = limits
    this.#times = { checkEvery: observerCheck * 1000, beforeIdle: sessionIdle * 500, unheard: unheardNotifications }
    this.events = new EventBodies(limits, clock, meter)
    this.#parts = {
      events: this.events,
      notices: new Notices(),
      clock,
      meter,
      access,
      checkEvery: this.#times.checkEvery,
      isPermitted: subscription => subscription.judged({ access, clock }).permit,
      ended: (observation, reason) => this.#remove(observation, reason),
      heard: peer => this.#heard(peer),
      lost: peer => this.#lost(peer),
    }
    meter.gauge('latchkey_coap_observations', 'CoAP observations', () => this.#count)
  }

  get(peer: Peer, token: Buffer): Observation | undefined {
    return this.#byPeer.get(peer)?.observations.get(token.toString('latin1'))
  }

  /** ETag of the long event that this peer, as an observer of the name, was notified of last; null without one. */
  longEvent(peer: Peer, name: string): Buffer | null {
    for (const observation of this.#byPeer.get(peer)?.observations.values() ?? [])
      if (observation.name === name && observation.longEvent !== null) return observation.longEvent
    return null
  }

  /** The peer reads the state of the name from its first block on. */
  forgetEvent(peer: Peer, name: string): void {
    for (const observation of this.#byPeer.get(peer)?.observations.values() ?? [])
      if (observation.name === name) observation.forgetEvent()
  }

  /** Observe: 1, or the token is used anew. */
  cancel(peer: Peer, token: Buffer): void {
    this.get(peer, token)?.cancel('cancelled')
  }

  /**
   * Registers an observer, and holds its notifications until `begin`. One with this token is replaced; when it observes
   * the same, it goes on with what it has not acknowledged yet (RFC 7641 4.1).
   * Throws `policy-denied`, `scope-denied`, `topic-reserved`, `topic-filter-invalid` or `quota-exceeded`.
   */
  register(
    terms: ObservationTerms,
    session: CoapSession,
    asked: { readonly qos: 0 | 1 | 2; readonly noLocal: boolean },
  ): Registered {
    const { peer, token } = terms
    const older = this.get(peer, token)
    if (older?.observes(terms, session)) {
      this.#refresh(older, asked)
      return { observation: older, isNew: false }
    }
    older?.cancel('replaced')
    this.#checkRoom(peer, session)
    const observation = new Observation(terms, session, this.#parts)
    this.#subscribe(observation, asked)
    this.#ofPeer(peer).observations.set(token.toString('latin1'), observation)
    this.#count++
    session.held.add(observation)
    return { observation, isNew: true }
  }

  #refresh(observation: Observation, asked: { readonly qos: 0 | 1 | 2; readonly noLocal: boolean }): void {
    const { busSession, name } = observation
    if (busSession === null) return
    const granted = this.#bus.subscribe(busSession, name, optionsOf(asked))
    if (granted.failure !== null) {
      observation.cancel('denied')
      throw new Failure(granted.failure)
    }
    observation.hold()
    observation.subscribed(busSession, granted.subscription)
  }

  /** A session of its own on the bus: its queue and its end are those of this observer alone. */
  #subscribe(observation: Observation, asked: { readonly qos: 0 | 1 | 2; readonly noLocal: boolean }): void {
    const { session, name } = observation
    const { observationQueue, observationQueueBytes } = this.#limits
    const opened = this.#bus.sessions.open({
      id: `${session.publishesAs}/${++this.#number}`,
      principal: session.principal,
      cleanStart: true,
      expiry: 0,
      will: null,
      link: observation,
      publishesAs: session.publishesAs,
      queueLimits: { maximumQueued: observationQueue, maximumQueuedBytes: observationQueueBytes },
      queueOverflow: 'drop-oldest', // the newest state is what an observer must have in the end (RFC 7641 1.3)
    })
    const over = () => this.#bus.sessions.disconnect(opened.session, observation, { expiry: 0, keepWill: false })
    try {
      const granted = this.#bus.subscribe(opened.session, name, optionsOf(asked))
      if (granted.failure !== null) throw new Failure(granted.failure)
      observation.subscribed(opened.session, granted.subscription)
      this.#bus.attach(opened.session, observation)
    } catch (error) {
      over()
      throw error
    }
  }

  /** Starts notifications, once the answer to the registration has left. */
  begin(observation: Observation, withRetained: boolean): void {
    observation.begin()
    const { subscription } = observation
    if (withRetained && subscription !== null && !subscription.session.ended) this.#bus.sendRetained(subscription)
  }

  /** Asks those who were silent for long whether they are there, and forgets events that nobody has fetched in time. */
  sweep(): void {
    this.events.sweep()
    for (const [peer, observed] of this.#byPeer)
      observed.check(peer, this.#parts.clock, this.#times, () => this.#lost(peer))
  }

  #checkRoom(peer: Peer, session: CoapSession): void {
    const { observations, observationsPerPeer, observationsPerSession } = this.#limits
    const bounds = [
      [this.#byPeer.get(peer)?.observations.size ?? 0, observationsPerPeer, 'observationsPerPeer'],
      [session.held.size, observationsPerSession, 'observationsPerSession'],
      [this.#count, observations, 'observations'],
    ] as const
    for (const [count, most, name] of bounds)
      if (count >= most)
        throw new Failure('quota-exceeded', `There are ${count} observations, which is limits.coap.${name}; end one.`)
  }

  #ofPeer(peer: Peer): ObservedPeer {
    const now = this.#parts.clock.now()
    const known = this.#byPeer.get(peer)
    if (known !== undefined) {
      known.heard(now)
      return known
    }
    const made = new ObservedPeer(now)
    this.#byPeer.set(peer, made)
    peer.onGone(() => {
      this.#byPeer.delete(peer)
      for (const observation of [...made.observations.values()]) observation.cancel('gone')
    })
    return made
  }

  #heard(peer: Peer): void {
    const observed = this.#byPeer.get(peer)
    observed?.heard(this.#parts.clock.now())
  }

  #lost(peer: Peer): void {
    for (const observation of [...(this.#byPeer.get(peer)?.observations.values() ?? [])]) observation.cancel('timeout')
  }

  #remove(observation: Observation, reason: Ending): void {
    const { peer, token, session, busSession } = observation
    const ofPeer = this.#byPeer.get(peer)?.observations
    const key = token.toString('latin1')
    if (ofPeer?.get(key) === observation) ofPeer.delete(key)
    this.#count--
    session.held.delete(observation)
    if (busSession !== null) this.#bus.sessions.disconnect(busSession, observation, { expiry: 0, keepWill: false })
    this.#parts.meter.count('latchkey_coap_observations_ended_total', { reason })
  }
}

const optionsOf = (asked: { readonly qos: 0 | 1 | 2; readonly noLocal: boolean }) => ({
  ...asked,
  retainAsPublished: false,
  identifier: null,
})
