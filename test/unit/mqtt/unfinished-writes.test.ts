// A connection is lost while something is being stored, and the next one asks for the same: nothing is promised before it
// is durable, however often it is asked for.
import { Duplex } from 'node:stream'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Session } from '../../../src/bus/session.ts'
import { silentMeter } from '../../../src/model/meter.ts'
import { Connection, type Peer } from '../../../src/mqtt/connection.ts'
import { Delivery } from '../../../src/mqtt/delivery.ts'
import { IncomingPublishes } from '../../../src/mqtt/incoming-publishes.ts'
import { MQTT_LIMITS } from '../../../src/mqtt/limits.ts'
import { PublishTopics } from '../../../src/mqtt/publish-topics.ts'
import type { Accepted, EngineSession } from '../../../src/mqtt/session-engine.ts'
import { CountedTurn } from '../../../src/mqtt/traffic.ts'
import { StoredBus } from '../bus/stored-bus.ts'

const DURABLE = { expiry: 3600 }
const QUIET: Peer = { isConnected: true, packet() {}, endOfRead() {}, drained() {}, gone() {}, failed() {} }

/** A connection whose bytes the test sees. */
class Written extends Duplex {
  readonly bytes: Buffer[] = []
  readonly connection: Connection

  constructor() {
    super()
    this.connection = new Connection(this, MQTT_LIMITS, { now: Date.now }, new CountedTurn())
    this.connection.start(QUIET)
  }

  override _read(): void {}

  override _write(bytes: Buffer, _: BufferEncoding, done: () => void): void {
    this.bytes.push(bytes)
    done()
  }

  /** First bytes of the packets, each written in a turn of its own. */
  get types(): number[] {
    return this.bytes.map(bytes => (bytes[0] ?? 0) >> 4)
  }
}

const PUBREL = 6

describe('a write that is not finished when the connection is lost', () => {
  let stored: StoredBus
  let session: Session
  beforeEach(async () => {
    stored = await StoredBus.open()
    const opened = await stored.connect('d1', DURABLE)
    session = opened.session
  })
  afterEach(() => stored.remove())

  /** Answers in the order in which messages are accepted. */
  class Answers {
    readonly given: Accepted[] = []

    readonly engine: EngineSession = {
      publish: (_, accept, done) => {
        void Promise.resolve(accept()).then(answer => {
          this.given.push(answer)
          done()
        })
      },
      connect() {},
      pubrel() {},
      subscribe() {},
      unsubscribe() {},
      ping() {},
      close() {},
    }

    readonly incoming = new IncomingPublishes({
      bus: stored.bus,
      session,
      topics: new PublishTopics(session, stored.bus.router, stored.around),
      connection: new Written().connection,
      engine: this.engine,
      limits: MQTT_LIMITS,
      version: 5,
      delivery: { room: 0, answer: () => false },
      meter: silentMeter,
    })

    publish(): void {
      const fields = { topic: 'a', payload: Buffer.from('x'), qos: 2, retain: false, packetId: 7 } as const
      this.incoming.publish({ type: 'publish', dup: false, properties: undefined, ...fields })
    }
  }

  test('PUBREC for a repetition is that of the message itself', async () => {
    const letGo = stored.held.hold()
    const [lost, next] = [new Answers(), new Answers()]
    lost.publish()
    next.publish()
    await stored.held.untilWaiting()
    expect([lost.given, next.given]).toEqual([[], []])
    letGo()
    await expect.poll(() => [lost.given, next.given]).toEqual([[null], [null]])
    expect(session.arriving.size).toBe(0)
    next.publish()
    await expect.poll(() => next.given).toEqual([null, null])
  })

  test('PUBREL leaves when the release is stored, by whichever connection', async () => {
    await stored.subscribe(session, 'a')
    const connected = () => {
      const written = new Written()
      const parts = { session, connection: written.connection, meter: silentMeter, ...stored.around }
      const terms = { version: 5, receiveMaximum: 10, maximumPacketSize: 1000, topicAliasMaximum: 0 } as const
      const delivery = new Delivery(parts, terms)
      stored.bus.attach(session, delivery)
      delivery.pump()
      return { written, delivery }
    }
    const lost = connected()
    await stored.publish('a', 'x', { qos: 2 })
    const letGo = stored.held.hold()
    lost.delivery.pubrec(1, 0)
    lost.delivery.detach()
    const next = connected()
    await stored.held.untilWaiting()
    expect(next.written.types).toEqual([])
    letGo()
    await expect.poll(() => next.written.types).toEqual([PUBREL])
    next.delivery.pubcomp(1)
    expect(session.queue.count).toBe(0)
  })
})
