// The only file that knows Aedes, and the only one that touches its private parts:
//   client._parser.listeners('packet')[0]   the way in for a parsed packet
//   client._nextBatch                       called when a packet is done
//   client._parsingBatch                    its count of packets under way; must be 0 before each packet
//   client._connectTimer                    ends whoever does not send CONNECT
//   client._wireVersion, .version, .connecting, .connected, .connackSent, .subscriptions
//                                           what CONNECT and SUBSCRIBE leave behind in it
//   persistence.delWill                     the last that CONNECT asks before it registers the client and writes CONNACK;
//                                           both are ours, so it gets no answer
// A client of Aedes holds 5 KB and answers a packet in a moment, so it is lent: a connection has one as long as a packet
// of it is under way, and an idle one has none. Aedes never sees a client identifier, a filter or a topic: it keeps them as
// keys of plain objects, so `constructor` or `__proto__` would crash it, and its syntax checks are wrong in both directions.
import type { EventEmitter } from 'node:events'
import type { Duplex } from 'node:stream'
import { Aedes, type AedesOptions, type Client, type PublishPacket } from 'aedes'
import { FAILURES, Failure, type FailureCode } from '../model/failure.ts'
import { type AnswerTerms, answerTerms, encodeRefusal } from './answer-terms.ts'
import { EMPTY, encodeAcknowledgement } from './encode.ts'
import { EngineStream } from './engine-stream.ts'
import type { ConnectPacket, ProtocolVersion } from './packets.ts'
import type { Accepted, EngineSession, EngineSide, SessionEngine } from './session-engine.ts'

const AEDES = '2.0.0-beta.1'
/** Milliseconds: as good as never, and four times it still fits a timer. */
const SELDOM = 0x1fffffff
/** Clients of Aedes that are kept for whoever needs one next: more are rarely at work at once. */
const SPARE_CLIENTS = 64

interface PrivateBroker {
  version: string
}

interface PrivateClient {
  closed: boolean
  connecting: boolean
  connected: boolean
  connackSent: boolean
  version: ProtocolVersion | null
  subscriptions: Record<string, unknown>
  _wireVersion: ProtocolVersion | null
  _connectTimer: NodeJS.Timeout | null
  _parser: { listeners(event: 'packet'): ((packet: object) => void)[] }
  _nextBatch: (error?: Error | null) => void
  _parsingBatch: number
  close(): void
}

/** What is fed for PUBLISH: the acceptance goes along to where Aedes asks for permission. */
interface FedPublish extends PublishPacket {
  readonly session: AedesSession
  readonly accept: () => Accepted | Promise<Accepted>
}

export class AedesEngine implements SessionEngine {
  readonly #broker: Aedes
  readonly #seats: Seats

  private constructor(broker: Aedes) {
    this.#broker = broker
    this.#seats = new Seats(broker)
  }

  /** Throws `internal` when Aedes is not the one this file was written for: rather no start than misbehaviour. */
  static async create(): Promise<AedesEngine> {
    const broker = new Aedes(OPTIONS)
    checkPrivateParts(broker)
    // What it would publish (wills, `$SYS`) has been delivered by the bus, or is nobody's business.
    broker.publish = (...args: unknown[]) => {
      const done = args.at(-1)
      if (typeof done === 'function') done()
    }
    const emitter: EventEmitter = broker
    // Whoever fails is told through its own packet; an `error` nobody listens to would stop the process.
    for (const event of ['clientError', 'connectionError', 'error']) emitter.on(event, () => {})
    await broker.listen()
    return new AedesEngine(broker)
  }

  open(side: EngineSide): EngineSession {
    return new AedesSession(this.#seats, side)
  }

  close(): Promise<void> {
    return new Promise(resolve => this.#broker.close(resolve))
  }
}

/** The clients of Aedes that nobody uses just now. */
class Seats {
  readonly #broker: Aedes
  readonly #free: Seat[] = []

  constructor(broker: Aedes) {
    this.#broker = broker
  }

  take(): Seat {
    return this.#free.pop() ?? new Seat(this.#broker)
  }

  giveBack(seat: Seat): void {
    if (this.#free.length < SPARE_CLIENTS) this.#free.push(seat)
  }
}

/** A client of Aedes. One connection at a time uses it, until all that it fed is answered. */
class Seat {
  readonly stream = new EngineStream(NOBODY)
  readonly #client: PrivateClient
  readonly #enter: (packet: object) => void
  #underWay = 0
  /** Ends the packet that was fed last. */
  #answered: (error?: Error | null) => void = () => {}

  constructor(broker: Aedes) {
    const client = broker.handle(this.stream as unknown as Duplex) as unknown as PrivateClient
    const [enter] = client._parser.listeners('packet')
    this.#client = client
    this.stream.connackDue = () => this.#answered()
    this.#enter = packet => enter?.call(client._parser, packet)
    client._nextBatch = () => {}
    if (client._connectTimer !== null) clearTimeout(client._connectTimer)
  }

  /** `version`: as agreed in CONNECT; null before it. */
  begin(side: EngineSide, version: ProtocolVersion | null): void {
    const client = this.#client
    this.stream.serve(side)
    client.connecting = false
    client.connected = client.connackSent = version !== null
    client.version = client._wireVersion = version
  }

  /** What SUBSCRIBE and UNSUBSCRIBE find. */
  set subscriptions(names: readonly string[]) {
    this.#client.subscriptions = Object.fromEntries(names.map(name => [name, { func: null }]))
  }

  /** `done` is told whether it was the last that was under way. */
  feed(packet: object, done: (isLast: boolean) => void): void {
    const { side } = this.stream
    let isDone = false
    this.#underWay++
    this.#client._parsingBatch = 0
    const answered = (error?: Error | null) => {
      if (isDone || this.stream.destroyed) return
      isDone = true
      if (error) side.failed(error)
      else done(--this.#underWay === 0)
    }
    this.#answered = this.#client._nextBatch = answered
    this.#enter(packet)
    this.#client._nextBatch = () => {} // Aedes also calls it when it resumes reading
  }

  /** Its connection is gone, and what is under way comes to nothing. */
  close(): void {
    this.stream.close()
    this.#client.close()
  }
}

/** One client as the gate sees it. Every method is one packet; `done` is called when Aedes has answered it. */
class AedesSession implements EngineSession {
  readonly #seats: Seats
  readonly #side: EngineSide
  #terms: AnswerTerms | null = null
  /** null while nothing is under way. */
  #seat: Seat | null = null
  #isClosed = false

  constructor(seats: Seats, side: EngineSide) {
    this.#seats = seats
    this.#side = side
  }

  #sit(version: ProtocolVersion | null): Seat {
    if (this.#seat === null) {
      this.#seat = this.#seats.take()
      this.#seat.begin(this.#side, version)
    }
    return this.#seat
  }

  #feed(seat: Seat, packet: object, done: () => void): void {
    seat.feed(packet, isLast => {
      if (isLast) {
        this.#seat = null
        this.#seats.giveBack(seat)
      }
      try {
        done()
      } catch (error) {
        this.#side.failed(error) // what goes wrong in our own callbacks ends this client, not the process
      }
    })
  }

  /** Whatever is not CONNECT has one answer. `held`: the names that Aedes is to find subscribed. */
  #exchange(packet: object, done: () => void, held?: readonly string[]): void {
    if (this.#isClosed || this.#terms === null) return
    const seat = this.#sit(this.#terms.version)
    if (held !== undefined) seat.subscriptions = held
    this.#feed(seat, packet, () => {
      this.#side.answered()
      done()
    })
  }

  /** MQTT 5: an acknowledgement can say that a message is refused. */
  get speaksReasons(): boolean {
    return this.#terms?.version === 5
  }

  connect(connect: ConnectPacket, done: () => void): void {
    if (this.#isClosed) return
    const { version } = connect
    this.#terms = answerTerms(connect)
    const protocol = { protocolId: version === 3 ? 'MQIsdp' : 'MQTT', protocolVersion: version }
    this.#feed(this.#sit(null), { cmd: 'connect', ...protocol, clientId: 'c', clean: true, keepalive: 0 }, done)
  }

  publish(
    { qos, packetId }: { qos: 1 | 2; packetId: number },
    accept: () => Accepted | Promise<Accepted>,
    done: () => void,
  ): void {
    this.#exchange(
      {
        cmd: 'publish',
        topic: 't',
        payload: EMPTY,
        qos,
        messageId: packetId,
        retain: false,
        dup: false,
        session: this,
        accept,
      },
      done,
    )
  }

  pubrel(packetId: number, done: () => void): void {
    this.#exchange({ cmd: 'pubrel', messageId: packetId }, done)
  }

  /** Filters go in under their place in the packet. Aedes repeats in SUBACK whatever stands in `qos`, a failure code included. */
  subscribe(packetId: number, granted: readonly number[], done: () => void): void {
    const subscriptions = granted.map((qos, place) => ({ topic: String(place), qos, rh: 2 }))
    this.#exchange({ cmd: 'subscribe', messageId: packetId, subscriptions }, done, [])
  }

  unsubscribe(packetId: number, existed: readonly boolean[], done: () => void): void {
    const unsubscriptions = existed.map((_, place) => String(place))
    const held = unsubscriptions.filter((_, place) => existed[place])
    this.#exchange({ cmd: 'unsubscribe', messageId: packetId, unsubscriptions }, done, held)
  }

  ping(): void {
    this.#exchange({ cmd: 'pingreq' }, () => {})
  }

  close(): void {
    this.#isClosed = true
    this.#seat?.close()
    this.#seat = null
  }

  /** Answers with our code: Aedes knows 0x87 alone, and would add the error's text. */
  refuse({ qos, messageId }: PublishPacket, failure: FailureCode, done: (error: Error) => void): void {
    const stream = this.#seat?.stream
    if (stream === undefined || this.#terms === null) return
    stream.withoutWriting(() => done(new Failure(failure)))
    const type = qos === 1 ? 'puback' : 'pubrec'
    const { mqtt5 } = FAILURES[failure]
    stream.write(
      encodeRefusal(failure, this.#terms, reason => encodeAcknowledgement(type, messageId ?? 0, 5, mqtt5, reason)),
    )
  }

  failed(error: unknown): void {
    this.#side.failed(error)
  }
}

const streamOf = (client: Client): EngineStream => client.conn as unknown as EngineStream

/**
 * What MQTT 3 cannot say: then the message is acknowledged and goes nowhere (MQTT 3.1.1, [MQTT-3.3.5-2]). Whatever else
 * goes wrong ends the connection, because an acknowledgement would be a promise.
 */
const UNSPOKEN: ReadonlySet<Accepted> = new Set<Accepted>([
  'policy-denied',
  'scope-denied',
  'topic-reserved',
  'quota-exceeded',
])

function authorize(packet: FedPublish, done: (error?: Error | null) => void): void {
  const { session, accept } = packet
  const settle = (refusal: Accepted) => {
    if (refusal === null) done(null)
    else if (session.speaksReasons) session.refuse(packet, refusal, done)
    else if (UNSPOKEN.has(refusal)) done(null)
    else session.failed(new Failure(refusal))
  }
  try {
    const accepted = accept()
    if (accepted === null || typeof accepted === 'string') settle(accepted)
    else accepted.then(settle).catch(error => session.failed(error))
  } catch (error) {
    session.failed(error)
  }
}

/** Routing is the bus's. */
const later = (done?: () => void) => {
  if (done) setImmediate(done)
}
const NO_ROUTING = {
  on: (_filter: string, _listener: unknown, done?: () => void) => later(done),
  removeListener: (_filter: string, _listener: unknown, done?: () => void) => later(done),
  emit: (_packet: unknown, done?: () => void) => later(done),
  close: later,
}

const nothing = async () => {}
/** In place of a promise, for whoever is to wait for ever. */
const UNANSWERED = { finally() {} }
/** State is the bus's. Aedes asks for what it needs to answer, and waits until a promise to the client is durable. */
const NO_STATE = {
  setup: nothing,
  incomingGetPacket: async (client: Client, { messageId }: { messageId: number }) => {
    if (!streamOf(client).side.isReceived(messageId)) throw new Error('unknown packet identifier')
    return { messageId }
  },
  // It must not reject: Aedes would leave that unhandled, which stops the process.
  incomingDelPacket: async (client: Client, { messageId }: { messageId: number }) => {
    const { side } = streamOf(client)
    await side.release(messageId).catch(error => side.failed(error))
  },
  cleanSubscriptions: nothing,
  incomingStorePacket: nothing,
  delWill: (client: Client) => {
    streamOf(client).connackDue()
    return UNANSWERED
  },
  streamWill: () => [],
}

const OPTIONS: AedesOptions = {
  persistence: NO_STATE,
  mq: NO_ROUTING,
  heartbeatInterval: SELDOM,
  connectTimeout: SELDOM,
  drainTimeout: 0,
  queueLimit: 1,
  authenticate: (client, _username, _password, done) => {
    const { side } = streamOf(client)
    side.admit().then(
      admitted => {
        if (admitted) done(null, true)
      },
      error => side.failed(error),
    )
  },
  authorizePublish: (_, packet, done) => authorize(packet as FedPublish, done),
}

/** Private parts may change with any release. */
function checkPrivateParts(broker: Aedes): void {
  const { version } = broker as unknown as PrivateBroker
  const client = broker.handle(new EngineStream(NOBODY) as unknown as Duplex) as unknown as PrivateClient
  const known =
    version === AEDES &&
    client._parser?.listeners('packet').length === 1 &&
    typeof client._nextBatch === 'function' &&
    client._parsingBatch === 1 &&
    typeof client._connectTimer === 'object' &&
    typeof client.subscriptions === 'object' &&
    [client.version, client._wireVersion].every(each => each === null) &&
    [client.connecting, client.connected, client.connackSent, client.closed].every(each => each === false)
  client.close()
  if (!known)
    throw new Failure(
      'internal',
      `Aedes ${version} is not ${AEDES}, whose private parts are known: install that version.`,
    )
}

const NOBODY: EngineSide = {
  admit: async () => false,
  write() {},
  answered() {},
  failed() {},
  isReceived: () => false,
  release: async () => {},
}
