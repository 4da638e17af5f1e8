// The only file that knows Aedes, and the only one that touches its private parts:
//   client._parser.listeners('packet')[0]   the way in for a parsed packet
//   client._nextBatch                       called when a packet is done
//   client._parsingBatch                    its count of packets under way; must be 0 before each packet
//   broker.registerClient                   would keep clients that leave while they are being admitted
// Aedes sees numbers for client identifiers and opaque names for filters, never a topic: it keeps them as keys of plain
// objects, so `constructor` or `__proto__` would crash it, and its syntax checks are wrong in both directions.
import type { EventEmitter } from 'node:events'
import { type Duplex, Readable } from 'node:stream'
import { Aedes, type AedesOptions, type Client, type PublishPacket } from 'aedes'
import { FAILURES, Failure, type FailureCode } from '../model/failure.ts'
import { type AnswerTerms, answerTerms, encodeRefusal } from './answer-terms.ts'
import { EMPTY, encodeAcknowledgement } from './encode.ts'
import { EngineStream } from './engine-stream.ts'
import type { ConnectPacket } from './packets.ts'
import type { Accepted, EngineSession, EngineSide, GrantedName, SessionEngine } from './session-engine.ts'

const AEDES = '2.0.0-beta.1'
/** Milliseconds: as good as never, and four times it still fits a timer. */
const SELDOM = 0x1fffffff

interface PrivateBroker {
  version: string
  registerClient: (client: Client) => void
}

interface PrivateClient {
  closed: boolean
  _parser: { listeners(event: 'packet'): ((packet: object) => void)[] }
  _nextBatch: (error?: Error | null) => void
  _parsingBatch: number
}

/** What is fed for PUBLISH: the acceptance goes along to where Aedes asks for permission. */
interface FedPublish extends PublishPacket {
  readonly session: AedesSession
  readonly accept: () => Accepted | Promise<Accepted>
}

export class AedesEngine implements SessionEngine {
  readonly #broker: Aedes
  readonly #sides: Map<string, EngineSide>

  private constructor(broker: Aedes, sides: Map<string, EngineSide>) {
    this.#broker = broker
    this.#sides = sides
  }

  /** Throws `internal` when Aedes is not the one this file was written for: rather no start than misbehaviour. */
  static async create(): Promise<AedesEngine> {
    const sides = new Map<string, EngineSide>()
    const broker = new Aedes(optionsFor(sides))
    checkPrivateParts(broker)
    const hidden = broker as unknown as PrivateBroker
    hidden.registerClient = () => {}
    // What it would publish (wills, `$SYS`) has been delivered by the bus, or is nobody's business.
    broker.publish = (...args: unknown[]) => {
      const done = args.at(-1)
      if (typeof done === 'function') done()
    }
    broker.on('connackSent', (_, client) => streamOf(client).connack())
    const emitter: EventEmitter = broker
    // Whoever fails is told through its own packet; an `error` nobody listens to would stop the process.
    for (const event of ['clientError', 'connectionError', 'error']) emitter.on(event, () => {})
    await broker.listen()
    return new AedesEngine(broker, sides)
  }

  open(side: EngineSide): EngineSession {
    return new AedesSession(this.#broker, this.#sides, side)
  }

  close(): Promise<void> {
    return new Promise(resolve => this.#broker.close(resolve))
  }
}

/** One client as the gate sees it. Every method is one packet; `done` is called when Aedes has answered it. */
class AedesSession implements EngineSession {
  readonly #client: PrivateClient
  readonly #stream: EngineStream
  readonly #enter: (packet: object) => void
  readonly #sides: Map<string, EngineSide>
  readonly #id: string
  #terms: AnswerTerms = { version: 4, maximumPacketSize: Number.POSITIVE_INFINITY, wantsReasons: false }

  constructor(broker: Aedes, sides: Map<string, EngineSide>, side: EngineSide) {
    this.#id = `~${nextNumber++}`
    this.#sides = sides
    this.#stream = new EngineStream(side)
    sides.set(this.#id, side)
    this.#client = broker.handle(this.#stream as unknown as Duplex) as unknown as PrivateClient
    const [enter] = this.#client._parser.listeners('packet')
    this.#enter = packet => enter?.call(this.#client._parser, packet)
    this.#client._nextBatch = () => {}
  }

  #feed(packet: object, done: () => void): void {
    if (this.#client.closed) return
    this.#client._parsingBatch = 0
    this.#client._nextBatch = error => {
      if (error) this.#stream.side.failed(error)
      else this.#stream.guard(done)
    }
    this.#enter(packet)
    this.#client._nextBatch = () => {} // Aedes also calls it when it resumes reading
  }

  /** Whatever is not CONNECT has one answer. */
  #exchange(packet: object, done: () => void): void {
    this.#feed(packet, () => {
      this.#stream.side.answered()
      done()
    })
  }

  /** MQTT 5: an acknowledgement can say that a message is refused. */
  get speaksReasons(): boolean {
    return this.#terms.version === 5
  }

  connect(connect: ConnectPacket, done: () => void): void {
    const { version } = connect
    this.#terms = answerTerms(connect)
    const protocol = { protocolId: version === 3 ? 'MQIsdp' : 'MQTT', protocolVersion: version }
    this.#feed({ cmd: 'connect', ...protocol, clientId: this.#id, clean: false, keepalive: 0 }, done)
  }

  publish(
    { qos, packetId }: { qos: 1 | 2; packetId: number },
    accept: () => Accepted | Promise<Accepted>,
    done: () => void,
  ): void {
    const packet = { cmd: 'publish', topic: 't', payload: EMPTY, qos, messageId: packetId, retain: false, dup: false }
    this.#exchange({ ...packet, session: this, accept }, done)
  }

  pubrel(packetId: number, done: () => void): void {
    this.#exchange({ cmd: 'pubrel', messageId: packetId }, done)
  }

  /**
   * Aedes repeats in SUBACK whatever stands in `qos`, a failure code included, but keeps the name, and merges equal
   * names: so a refused filter, or one that occurs again, goes in under its place in the packet.
   */
  subscribe(packetId: number, granted: readonly GrantedName[], done: () => void): void {
    const last = new Map(granted.map(({ name }, i) => [name, i]))
    const subscriptions = granted.map(({ name, code }, i) => ({
      topic: code < 0x80 && last.get(name) === i ? opaque(name) : `-${i}`,
      qos: code,
      rh: 2,
    }))
    this.#exchange({ cmd: 'subscribe', messageId: packetId, subscriptions }, done)
  }

  /** A name that occurs again is gone by then [MQTT-3.10.4-6]: it goes in under its place, where nothing is subscribed. */
  unsubscribe(packetId: number, names: readonly string[], done: () => void): void {
    const before = new Set<string>()
    const unsubscriptions = names.map((name, i) => {
      if (before.has(name)) return `-${i}`
      before.add(name)
      return opaque(name)
    })
    this.#exchange({ cmd: 'unsubscribe', messageId: packetId, unsubscriptions }, done)
  }

  ping(): void {
    this.#exchange({ cmd: 'pingreq' }, () => {})
  }

  close(): void {
    this.#stream.close()
    this.#sides.delete(this.#id)
  }

  /** Answers with our code: Aedes knows 0x87 alone, and would add the error's text. */
  refuse({ qos, messageId }: PublishPacket, failure: FailureCode, done: (error: Error) => void): void {
    this.#stream.withoutWriting(() => done(new Failure(failure)))
    const type = qos === 1 ? 'puback' : 'pubrec'
    const { mqtt5 } = FAILURES[failure]
    this.#stream.write(
      encodeRefusal(failure, this.#terms, reason => encodeAcknowledgement(type, messageId ?? 0, 5, mqtt5, reason)),
    )
  }

  failed(error: unknown): void {
    this.#stream.side.failed(error)
  }
}

let nextNumber = 1
const opaque = (name: string): string => `~${Buffer.from(name).toString('base64url')}`

const streamOf = (client: Client): EngineStream => client.conn as unknown as EngineStream

function optionsFor(sides: ReadonlyMap<string, EngineSide>): AedesOptions {
  return {
    persistence: persistenceFor(sides),
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
}

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

/** State is the bus's. Aedes asks for what it needs to answer, and waits until a promise to the client is durable. */
function persistenceFor(sides: ReadonlyMap<string, EngineSide>) {
  const nothing = async () => {}
  const none = () => Readable.from([])
  return {
    setup: nothing,
    subscriptionsByClient: async ({ id }: { id: string }) =>
      (sides.get(id)?.subscriptions() ?? []).map(({ name, qos }) => ({ topic: opaque(name), qos, rh: 2 })),
    incomingGetPacket: async (client: Client, { messageId }: { messageId: number }) => {
      if (!streamOf(client).side.isReceived(messageId)) throw new Error('unknown packet identifier')
      return { messageId }
    },
    // It must not reject: Aedes would leave that unhandled, which stops the process.
    incomingDelPacket: async (client: Client, { messageId }: { messageId: number }) => {
      const { side } = streamOf(client)
      await side.release(messageId).catch(error => side.failed(error))
    },
    subscriptionsByTopic: async () => [],
    addSubscriptions: nothing,
    removeSubscriptions: nothing,
    cleanSubscriptions: nothing,
    incomingStorePacket: nothing,
    storeRetained: nothing,
    outgoingEnqueueCombi: nothing,
    outgoingUpdate: nothing,
    outgoingClearMessageId: nothing,
    putWill: nothing,
    delWill: nothing,
    outgoingStream: none,
    streamWill: none,
    createRetainedStreamCombi: none,
  }
}

/** Private parts may change with any release. */
function checkPrivateParts(broker: Aedes): void {
  const { version, registerClient } = broker as unknown as PrivateBroker
  const stream = new EngineStream(NOBODY)
  const client = broker.handle(stream as unknown as Duplex) as unknown as PrivateClient
  const known =
    version === AEDES &&
    typeof registerClient === 'function' &&
    client._parser?.listeners('packet').length === 1 &&
    typeof client._nextBatch === 'function' &&
    client._parsingBatch === 1
  stream.close()
  if (!known)
    throw new Failure(
      'internal',
      `Aedes ${version} is not ${AEDES}, whose private parts are known: install that version.`,
    )
}

const NOBODY: EngineSide = {
  admit: async () => false,
  connack() {},
  write() {},
  answered() {},
  failed() {},
  subscriptions: () => [],
  isReceived: () => false,
  release: async () => {},
}
