// A bus over a real store in a directory of its own, which can be closed and opened again as after a restart.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Bus, type BusParts } from '../../../src/bus/bus.ts'
import type { BusLimits } from '../../../src/bus/limits.ts'
import type { Link, Session } from '../../../src/bus/session.ts'
import type { SessionRequest } from '../../../src/bus/sessions.ts'
import { ChangeFeed } from '../../../src/model/change.ts'
import type { FailureCode } from '../../../src/model/failure.ts'
import { silentLog } from '../../../src/model/log.ts'
import type { IncomingMessage } from '../../../src/model/message.ts'
import { silentMeter } from '../../../src/model/meter.ts'
import { LevelStore } from '../../../src/store/level-store.ts'
import { HeldStore } from './held-store.ts'
import { judging, PERMISSIVE, PlainReceiver, principal } from './surroundings.ts'

/** A connection that does what a connection must when it is ended: it leaves. */
export class TestLink implements Link {
  session: Session | null = null
  endedBy: FailureCode | null = null
  expiry: number
  readonly #bus: Bus

  constructor(bus: Bus, expiry: number) {
    this.#bus = bus
    this.expiry = expiry
  }

  end(failure: FailureCode): void {
    this.endedBy = failure
    this.leave(true)
  }

  leave(keepWill = false): void {
    if (this.session === null) return
    this.#bus.sessions.disconnect(this.session, this, { expiry: this.expiry, keepWill })
  }
}

type MoreParts = Partial<Pick<BusParts, 'meter' | 'log' | 'queueOverflow'>>

export class StoredBus {
  readonly around: ReturnType<typeof judging>
  readonly changes = new ChangeFeed()
  readonly #directory: string
  readonly #limits: Partial<BusLimits>
  readonly #more: MoreParts
  #store: LevelStore | null = null
  #held: HeldStore | null = null
  #bus: Bus | null = null

  private constructor(directory: string, policy: string, limits: Partial<BusLimits>, more: MoreParts) {
    this.#directory = directory
    this.#limits = limits
    this.#more = more
    this.around = judging(policy)
  }

  static async open({
    policy = PERMISSIVE,
    limits = {},
    ...more
  }: MoreParts & { policy?: string; limits?: Partial<BusLimits> } = {}) {
    const stored = new StoredBus(await mkdtemp(join(tmpdir(), 'latchkey-bus-')), policy, limits, more)
    await stored.start()
    return stored
  }

  get bus(): Bus {
    if (this.#bus === null) throw new Error('the bus is closed')
    return this.#bus
  }

  get store(): LevelStore {
    if (this.#store === null) throw new Error('the store is closed')
    return this.#store
  }

  async start(): Promise<void> {
    const { clock, access } = this.around
    const parts = { clock, meter: silentMeter, log: silentLog, ...this.#more }
    this.#store = await LevelStore.open({ ...parts, directory: join(this.#directory, 'db') })
    this.#held = new HeldStore(this.#store)
    this.#bus = new Bus({ ...parts, access, changes: this.changes, store: this.#held, limits: this.#limits })
    await this.#bus.load()
  }

  async stop(): Promise<void> {
    await this.#bus?.close()
    await this.#store?.close()
    this.#bus = this.#store = null
  }

  async restart(): Promise<void> {
    await this.stop()
    await this.start()
  }

  async remove(): Promise<void> {
    await this.stop()
    await rm(this.#directory, { recursive: true, force: true })
  }

  get held(): HeldStore {
    if (this.#held === null) throw new Error('the store is closed')
    return this.#held
  }

  /** Keys of the bus that are on disk. */
  async keys(): Promise<string[]> {
    await this.store.flush()
    const keys: string[] = []
    for await (const { key } of this.store.list('bus/')) keys.push(key.replaceAll('\0', ' '))
    return keys
  }

  /** Connects as a client of its own name would, with a receiver that takes everything. */
  async connect(id: string, request: Partial<SessionRequest> & { roles?: string[] } = {}) {
    const { roles = ['all'], expiry = 0, ...more } = request
    const link = new TestLink(this.bus, expiry)
    const asked = { id, principal: principal(id, roles), cleanStart: false, expiry, will: null, link, ...more }
    const { session, present, stored } = this.bus.sessions.open(asked)
    link.session = session
    await stored
    const receiver = new PlainReceiver(session)
    this.bus.attach(session, receiver)
    receiver.queued()
    return { session, present, receiver, link }
  }

  subscribe(session: Session, name: string, qos: 0 | 1 | 2 = 2) {
    const granted = this.bus.subscribe(session, name, {
      qos,
      noLocal: false,
      retainAsPublished: false,
      identifier: null,
    })
    return this.bus.storeSubscriptions(session, [name])?.then(() => granted) ?? Promise.resolve(granted)
  }

  /** Publishes for a device that may do everything; resolves when the broker has taken it over. */
  async publish(topic: string, payload: string, more: Partial<IncomingMessage> = {}): Promise<void> {
    const message = { topic, payload: Buffer.from(payload), qos: 1, retain: false, ...more } as const
    await this.bus.publish(principal('publisher'), message)
  }
}
