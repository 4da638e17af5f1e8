// Who has a session, until when, with which subscriptions, queue and will (MQTT 5, 4.1).
import type { Clock } from '../model/clock.ts'
import type { IncomingMessage } from '../model/message.ts'
import type { Meter } from '../model/meter.ts'
import type { Principal } from '../model/principal.ts'
import { parseFilter } from '../model/topic.ts'
import type { Operation, Store } from '../store/store.ts'
import { Alarm } from './alarm.ts'
import type { Journal } from './journal.ts'
import type { Judging } from './judging.ts'
import { PREFIX, queueKey, receivedKey, sessionKey, splitKey, subscriptionKey, willKey } from './keys.ts'
import type { QueueLimits, QueueOverflow } from './queue.ts'
import { QueueRecords } from './queue-records.ts'
import type { Router } from './router.ts'
import { type Link, NEVER, Session, type SessionLimits, type Will } from './session.ts'
import { SessionOwners, type SessionOwnersLimits } from './session-owners.ts'
import {
  deleteSession,
  putSession,
  putSubscription,
  putWill,
  readEntry,
  readSession,
  readSubscription,
  readWill,
} from './session-records.ts'
import { Subscription } from './subscription.ts'

export interface SessionsLimits extends SessionLimits, SessionOwnersLimits {}

export interface SessionRequest {
  readonly id: string
  readonly principal: Principal
  /** Discards what there is [MQTT-3.1.2-4]. */
  readonly cleanStart: boolean
  /** Seconds that the session outlives its connection; `NEVER` without end. */
  readonly expiry: number
  readonly will: Will | null
  readonly link: Link
  /** See `Session.publishesAs`; its own id unless told otherwise. */
  readonly publishesAs?: string
  /** Bounds of its queue where they are others than everybody's. */
  readonly queueLimits?: QueueLimits
  /** What its full queue does, where that is something else than everybody's. */
  readonly queueOverflow?: QueueOverflow
}

type SpecialSession = Pick<SessionRequest, 'publishesAs' | 'queueLimits' | 'queueOverflow'>

export interface OpenedSession {
  readonly session: Session
  /** It was there before [MQTT-3.2.2-2]. */
  readonly present: boolean
  /** Resolves when it is durable; null when it need not be. */
  readonly stored: Promise<void> | null
}

export interface SessionsParts {
  readonly store: Store
  readonly journal: Journal
  readonly router: Router
  readonly judging: Judging
  readonly meter: Meter
  readonly limits: SessionsLimits
  /** Decides about a will and sends it. */
  readonly sendWill: (session: Session, will: IncomingMessage) => void
}

export class Sessions {
  readonly #parts: SessionsParts
  readonly #clock: Clock
  readonly #byId = new Map<string, Session>()
  readonly #alarms = new Map<Session, Alarm[]>()
  readonly #owners: SessionOwners

  constructor(parts: SessionsParts) {
    this.#parts = parts
    this.#clock = parts.judging.clock
    this.#owners = new SessionOwners(parts.limits)
    parts.meter.gauge('latchkey_sessions', 'Sessions, online or not', () => this.#byId.size)
    parts.meter.gauge('latchkey_queued_messages', 'QoS 1 and 2 messages waiting or in flight', () => {
      let count = 0
      for (const { queue } of this.#byId.values()) count += queue.count
      return count
    })
    parts.meter.gauge('latchkey_queued_bytes_in_memory', 'Their bytes, but for those in the store alone', () => {
      let bytes = 0
      for (const { queue } of this.#byId.values()) bytes += queue.bytesInMemory
      return bytes
    })
  }

  get(id: string): Session | undefined {
    return this.#byId.get(id)
  }

  values(): IterableIterator<Session> {
    return this.#byId.values()
  }

  // --- start-up -------------------------------------------------------------------------------------------------------

  async load(): Promise<void> {
    const { store, journal } = this.#parts
    const orphans: Operation[] = []
    const sent = new Map<Session, number | null>()
    for await (const entry of store.list(PREFIX.session)) {
      const { principal, sentUpTo, ...record } = readSession(entry)
      const session = this.#create(splitKey(entry.key, PREFIX.session).id, principal)
      sent.set(session, sentUpTo)
      Object.assign(session, record, { durable: true, onDisk: true })
      this.#owners.add(session)
    }
    const each = async (prefix: string, restore: (session: Session, rest: string, entry: EntryOf) => void) => {
      for await (const entry of store.list(prefix)) {
        const { id, rest } = splitKey(entry.key, prefix)
        const session = this.#byId.get(id)
        if (session === undefined) orphans.push({ del: entry.key })
        else restore(session, rest, entry)
      }
    }
    await each(PREFIX.will, (session, _, entry) => {
      session.will = readWill(entry)
    })
    await each(PREFIX.subscription, (session, name, entry) => this.#restoreSubscription(session, name, entry, orphans))
    await each(PREFIX.received, (session, packet) => session.received.add(Number(packet)))
    await each(PREFIX.queue, (session, sequence, entry) => session.queue.restore(readEntry(Number(sequence), entry)))
    for (const [session, upTo] of sent) session.queue.resume(upTo ?? Number.POSITIVE_INFINITY)
    journal.note(orphans)
    // What comes from now on has not left: the record says so before it is in the store.
    for (const [session, upTo] of sent) if (upTo === null) journal.note([putSession(session)])
  }

  /** After `load`, when wills can be sent: whoever was online when the process ended lost the connection then. */
  resumeTime(): void {
    const now = this.#clock.now()
    for (const session of [...this.#byId.values()]) {
      const { expiry, will } = session
      if (expiry === 0) {
        this.#end(session)
        continue
      }
      const begins = (session.endsAt === null && expiry !== NEVER) || (will !== null && session.willAt === null)
      if (session.endsAt === null && expiry !== NEVER) session.endsAt = now + expiry * 1000
      if (will !== null && session.willAt === null) session.willAt = now + Math.min(will.delay, expiry) * 1000
      if (begins) this.#parts.journal.note([putSession(session)])
      this.#arm(session)
    }
  }

  #restoreSubscription(session: Session, name: string, entry: EntryOf, orphans: Operation[]): void {
    const parsed = parseFilter(name)
    if (parsed === null) orphans.push({ del: entry.key })
    else this.#parts.router.add(new Subscription(session, name, parsed, readSubscription(entry)))
  }

  // --- connect and disconnect -------------------------------------------------------------------------------------------

  /**
   * Opens the session of a client identifier for somebody who may use it. One connection per identifier: an older one is
   * ended first [MQTT-3.1.4-3]. A session of another owner is discarded, not inherited. Throws `quota-exceeded`.
   */
  open({ id, principal, cleanStart, expiry, will, link, ...special }: SessionRequest): OpenedSession {
    this.#byId.get(id)?.link?.end('taken-over')
    const older = this.#byId.get(id)
    const resumed = older !== undefined && !cleanStart && older.belongsTo(principal) ? older : undefined
    if (expiry > 0 && !resumed?.durable) this.#owners.checkRoom(principal, older)
    const discards = resumed === undefined && older?.onDisk === true
    if (older !== undefined && resumed === undefined) this.#end(older)
    const session = resumed ?? this.#create(id, principal, special)
    session.holdBy(principal)
    this.#disarm(session)
    Object.assign(session, { link, expiry, durable: expiry > 0, endsAt: null, will, willAt: null })
    if (session.durable) this.#owners.add(session)
    else this.#owners.remove(session)
    return { session, present: resumed !== undefined, stored: this.#storeOpened(session, discards) }
  }

  /** `discards`: an older one, which must not come back after a crash either [MQTT-3.1.2-4]. */
  #storeOpened(session: Session, discards: boolean): Promise<void> | null {
    const { id, will, durable, onDisk } = session
    if (!durable && !onDisk) return discards ? this.#parts.journal.write([{ del: sessionKey(id) }]) : null
    session.onDisk = true
    return this.#parts.journal.write([
      putSession(session),
      will !== null && durable ? putWill(id, will) : { del: willKey(id) },
    ])
  }

  /**
   * The connection is gone. `keepWill`: not by a normal DISCONNECT (MQTT 5, 3.1.2.5). `expiry`: as DISCONNECT may have
   * changed it (MQTT 5, 3.14.2.2.2).
   */
  disconnect(session: Session, link: Link, { expiry, keepWill }: { expiry: number; keepWill: boolean }): void {
    if (session.ended || session.link !== link) return
    session.link = null
    session.receiver = null
    session.backlog.clear()
    this.#parts.router.refresh(session)
    session.expiry = expiry
    if (!keepWill) session.will = null
    if (expiry === 0) {
      this.#end(session)
      return
    }
    session.queue.sendAllAway()
    const now = this.#clock.now()
    session.endsAt = expiry === NEVER ? null : now + expiry * 1000
    if (session.will !== null) session.willAt = now + Math.min(session.will.delay, expiry) * 1000
    if (session.willAt !== null && session.willAt <= now) this.#sendWill(session)
    this.#parts.journal.note([putSession(session), ...(session.will === null ? [{ del: willKey(session.id) }] : [])])
    this.#arm(session)
  }

  /**
   * Its owner proved itself anew, and the session is held by that principal: routes that rest on the one before are void.
   * Resolves when it is durable, so that a crash does not bring the old one back; null when it need not be.
   */
  rejudge(session: Session): Promise<void> | null {
    this.#parts.router.refresh(session)
    return session.onDisk && !session.ended ? this.#parts.journal.write([putSession(session)]) : null
  }

  /** Its owner is no more: whoever gets the name later must not find these sessions. */
  forgetOwner(id: string): void {
    for (const session of [...this.#byId.values()]) {
      if (session.principal.subject.id !== id) continue
      session.link?.end('superseded')
      session.will = null
      if (!session.ended) this.#end(session)
    }
  }

  /** Wills of these are not sent any more. */
  silence(isSilenced: (principal: Principal) => boolean): void {
    for (const session of this.#byId.values()) {
      if (session.will === null || !isSilenced(session.principal)) continue
      session.will = session.willAt = null
      if (session.onDisk) this.#parts.journal.note([{ del: willKey(session.id) }])
    }
  }

  /** Wills that wait are not sent and nothing is written any more. */
  close(): void {
    for (const session of [...this.#alarms.keys()]) this.#disarm(session)
  }

  #create(id: string, principal: Principal, { publishesAs, queueLimits, queueOverflow }: SpecialSession = {}): Session {
    const { judging, limits } = this.#parts
    const records = new QueueRecords(id, this.#parts)
    const session = new Session(id, principal, judging, records, queueLimits ?? limits, publishesAs)
    session.queueOverflow = queueOverflow ?? null
    this.#byId.set(id, session)
    return session
  }

  #arm(session: Session): void {
    const alarms: Alarm[] = []
    const { endsAt, willAt, will } = session
    if (endsAt !== null) alarms.push(new Alarm(endsAt, this.#clock, () => this.#end(session)))
    if (willAt !== null && will !== null) alarms.push(new Alarm(willAt, this.#clock, () => this.#sendWill(session)))
    if (alarms.length > 0) this.#alarms.set(session, alarms)
  }

  #disarm(session: Session): void {
    for (const alarm of this.#alarms.get(session) ?? []) alarm.cancel()
    this.#alarms.delete(session)
  }

  #sendWill(session: Session): void {
    const { will, id } = session
    session.will = session.willAt = null
    if (session.onDisk) this.#parts.journal.note([{ del: willKey(id) }])
    if (will !== null) this.#parts.sendWill(session, will.message)
  }

  /** A delayed will is sent at the latest when its session ends [MQTT-3.1.3-9]. */
  #end(session: Session): void {
    this.#disarm(session)
    session.ended = true
    this.#byId.delete(session.id)
    this.#owners.remove(session)
    const queued = session.queue.abandon()
    if (session.onDisk) {
      const entries = queued.map(sequence => ({ del: queueKey(session.id, sequence) }))
      this.#parts.journal.note([...deleteSession(session), ...entries])
      session.onDisk = false
    }
    for (const name of [...session.subscriptions.keys()]) this.#parts.router.remove(session, name)
    if (session.will !== null) this.#sendWill(session)
  }

  // --- subscriptions and received identifiers -----------------------------------------------------------------------------

  /** Resolves when the subscriptions are durable, which SUBACK promises; null when they need not be. */
  storeSubscriptions(session: Session, names: readonly string[]): Promise<void> | null {
    if (!session.durable || session.ended) return null
    const operations = names.flatMap(name => {
      const subscription = session.subscriptions.get(name)
      return subscription === undefined ? [] : [putSubscription(subscription)]
    })
    return operations.length > 0 ? this.#parts.journal.write(operations) : null
  }

  /** Resolves when they are gone from the store too. */
  unsubscribe(session: Session, names: readonly string[]): Promise<void> | null {
    const gone = names.filter(name => this.#parts.router.remove(session, name))
    if (!session.onDisk || gone.length === 0) return null
    return this.#parts.journal.write(gone.map(name => ({ del: subscriptionKey(session.id, name) })))
  }

  /**
   * PUBREL came: durable before PUBCOMP, or a crash would make the next use of this identifier a duplicate. A repetition
   * waits as well: what the first one began may still be on its way to the store.
   */
  release(session: Session, packet: number): Promise<void> | null {
    session.received.delete(packet)
    if (!session.onDisk) return null
    return this.#parts.journal.write([{ del: receivedKey(session.id, packet) }])
  }
}

type EntryOf = Parameters<typeof readSubscription>[0]
