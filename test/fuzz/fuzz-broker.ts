// The MQTT server with the real rooms behind it and no listener before it: connections come in as streams.
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Duplex, duplexPair } from 'node:stream'
import { Access } from '../../src/access/access.ts'
import { Audit } from '../../src/audit/audit.ts'
import { Authenticator } from '../../src/auth/authenticator.ts'
import { Bus } from '../../src/bus/bus.ts'
import type { ServiceTopic } from '../../src/bus/receiver.ts'
import { ChangeFeed } from '../../src/model/change.ts'
import type { Clock, Random } from '../../src/model/clock.ts'
import { Failure } from '../../src/model/failure.ts'
import type { Log } from '../../src/model/log.ts'
import type { Meter } from '../../src/model/meter.ts'
import { MqttServer } from '../../src/mqtt/server.ts'
import { TokenServer } from '../../src/oauth/token-server.ts'
import { Registry } from '../../src/registry/registry.ts'
import { LevelStore } from '../../src/store/level-store.ts'
import { fileKey } from '../../src/vault/key-encryption-key.ts'
import { Vault } from '../../src/vault/vault.ts'

/** Tight, so that every bound on one client is met. */
export const LIMITS = {
  connectBytes: 1024,
  maximumPacketSize: 2048,
  outQueueBytes: 2048,
  heldBytes: 512,
  sessionExpiry: 1,
  receiveMaximum: 8,
  halfOpenMaximum: 20,
  topicAliasMaximum: 4,
  filtersPerPacket: 20,
  outstanding: 6,
  messageRate: 5000,
  messageBurst: 60,
  byteRate: 8 * 1024 * 1024,
  byteBurst: 32 * 1024,
  lingerTimeout: 200,
  // as many as come: connections end here as fast as they can
  connectRate: 0,
  connectRatePerAddress: 0,
  maximumQueued: 20,
  maximumQueuedBytes: 8 * 1024,
  subscriptions: 50,
  retainedMessages: 30,
  retainedBytes: 16 * 1024,
  cachedRoutes: 500,
} as const

/** Nobody but the herald may publish what the witness hears; nobody but the witness may hear the secret. */
const POLICY = `
version: 1
roles:
  sensor:
    permit:
      - { id: own, allow: "device/\${device.id}/#" }
      - { id: home, allow: "home/+/temperature" }
      - { id: overhear, subscribe: "bystander/#", when: { qos: [0] } }
      - { id: limited, allow: "limited/#", when: { qos: [0, 1] } }
      - { id: system, subscribe: "$SYS/#" }
    forbid:
      - { id: no-lock, allow: "home/lock/#" }
  guest: { permit: [ { id: guest, allow: "guest/#" } ] }
  herald: { permit: [ { id: tell, publish: ["bystander/#", "secret/#"] } ] }
  witness: { permit: [ { id: hear, subscribe: ["bystander/#", "secret/#"] } ] }
assign:
  - { type: sensor, roles: [sensor] }
  - { type: herald, roles: [herald] }
  - { type: witness, roles: [witness] }
`

const ACTOR = { kind: 'operator', id: 'fuzz' } as const
const AUDIENCE = 'latchkey'
const NEVER = Number.MAX_SAFE_INTEGER

/** A device and all it may show of itself. */
export interface Identity {
  readonly id: string
  readonly secret: string
  readonly scramPassword: string
  /** A JWT signed by the device. */
  readonly token: string
}

/** What was told about one connection. */
export interface Told {
  /** Why it ended, in the words for the operator. */
  reason: string | null
  /** What should never happen. */
  readonly errors: string[]
}

class LastRandom implements Random {
  /** What was given out last: the name of a connection that was just accepted is made of it. */
  last: Buffer = Buffer.alloc(0)

  bytes(count: number): Buffer {
    this.last = randomBytes(count)
    return this.last
  }
}

/** Reads gauges and counts nothing else. */
class Gauges implements Meter {
  readonly #read = new Map<string, () => number>()

  count(): void {}

  observe(): void {}

  gauge(name: string, _help: string, read: () => number): void {
    this.#read.set(name, read)
  }

  value(name: string): number {
    return this.#read.get(name)?.() ?? Number.NaN
  }
}

/** Keeps what the broker says of each connection, for whoever made it. */
class ConnectionLog implements Log {
  /** What was said as an error and of no connection. */
  readonly errors: string[] = []
  /** By the name that the broker gave the connection. */
  readonly told = new Map<string, Told>()
  readonly #fields: LogFields

  constructor(fields: LogFields = {}, parent?: ConnectionLog) {
    this.#fields = fields
    if (parent === undefined) return
    this.errors = parent.errors
    this.told = parent.told
  }

  child(fields: object): Log {
    return new ConnectionLog({ ...this.#fields, ...fields }, this)
  }

  debug(fields: LogFields, message: string): void {
    const told = this.#toldOf(fields)
    if (told !== undefined && message === 'connection ended') told.reason = `${fields.failure}: ${fields.reason}`
  }

  info(): void {}

  warn(): void {}

  error(fields: object, message: string): void {
    const told = this.#toldOf(fields)?.errors ?? this.errors
    told.push(`${message} ${describe(fields)}`)
  }

  #toldOf(fields: LogFields): Told | undefined {
    return this.told.get(fields.connection ?? this.#fields.connection ?? '')
  }
}

interface LogFields {
  readonly connection?: string
  readonly failure?: string
  readonly reason?: string
}

const describe = (fields: object): string =>
  Object.values(fields)
    .map(value =>
      value instanceof Error
        ? `${value.stack} ${value.cause instanceof Error ? value.cause.stack : ''}`
        : String(value),
    )
    .join(' ')

/** Answers where it was asked, as the broker's own services do; what begins with `!` it refuses. */
const ECHO: ServiceTopic = {
  topic: '$fuzz/echo',
  async handle({ payload }, _from, requester) {
    if (payload[0] === 0x21) throw new Failure('policy-denied')
    requester?.answer({ topic: '$fuzz/echo', payload })
  },
}

/** Two ends that know of each other's end, as those of a TCP connection do. */
function socketPair(): [Duplex, Duplex] {
  const pair = duplexPair({ allowHalfOpen: false, highWaterMark: 1024 })
  const [one, other] = pair
  for (const [end, opposite] of [
    [one, other],
    [other, one],
  ] as const) {
    end.on('error', () => {})
    end.on('close', () => opposite.destroy())
  }
  return pair
}

export class FuzzBroker {
  readonly gauges: Gauges
  readonly #log: ConnectionLog
  readonly #random: LastRandom
  readonly #registry: Registry
  readonly #server: MqttServer
  readonly #bus: Bus
  readonly #close: () => Promise<void>

  private constructor(parts: {
    gauges: Gauges
    log: ConnectionLog
    random: LastRandom
    registry: Registry
    server: MqttServer
    bus: Bus
    close: () => Promise<void>
  }) {
    this.gauges = parts.gauges
    this.#log = parts.log
    this.#random = parts.random
    this.#registry = parts.registry
    this.#server = parts.server
    this.#bus = parts.bus
    this.#close = parts.close
  }

  static async open(): Promise<FuzzBroker> {
    const clock: Clock = { now: () => Date.now() }
    const random = new LastRandom()
    const log = new ConnectionLog()
    const gauges = new Gauges()
    const meter = gauges
    const changes = new ChangeFeed()
    const folder = await mkdtemp(join(tmpdir(), 'latchkey-gate-fuzz-'))
    const store = await LevelStore.open({ directory: join(folder, 'db'), clock, meter, log })
    const kek = await fileKey(join(folder, 'vault.key'), { create: true, random })
    const vault = await Vault.open({ store, kek, random })
    const audit = await Audit.open({ store, vault, clock, meter })
    const registry = new Registry({ store, vault, audit, changes, clock, random })
    const access = await Access.open({ store, audit, registry, changes, clock, meter, log, decisions: audit.decisions })
    const tokens = await TokenServer.open({
      ...{ store, vault, registry, access, audit, changes, clock, random },
      issuer: 'https://localhost',
      audience: AUDIENCE,
    })
    const authenticator = new Authenticator({
      ...{ registry, vault, audit, clock, random, meter },
      issuerKeys: tokens.issuerKeys,
      trust: { issuerOf: () => null },
      audience: AUDIENCE,
      anonymous: { role: 'guest', transports: ['mqtt'] },
      // strangers fail on purpose here, and as fast as they can
      limits: { addressBurst: NEVER, addressPerMinute: NEVER, claimBurst: NEVER, claimPerMinute: NEVER },
    })
    for (const type of ['sensor', 'herald', 'witness']) await registry.putDeviceType({ id: type }, ACTOR)
    await access.putPolicy([{ path: 'policy.yaml', text: POLICY }], ACTOR)
    const bus = new Bus({ store, access, changes, clock, meter, log, limits: LIMITS, durability: 'write' })
    await bus.load()
    bus.serve(ECHO)
    const server = await MqttServer.open({
      ...{ bus, access, authenticator, clock, random, meter, log },
      responseInformation: 'device/$' + '{device.id}/answers',
      limits: LIMITS,
      recordSession: event => audit.record(event),
    })
    const close = async () => {
      await server.close()
      await bus.close()
      access.close()
      await audit.close()
      await store.close()
      await rm(folder, { recursive: true, force: true })
    }
    return new FuzzBroker({ gauges, log, random, registry, server, bus, close })
  }

  /** What the whole broker told as an error, whoever caused it. */
  get errors(): readonly string[] {
    return this.#log.errors
  }

  async identity(id: string, type: 'sensor' | 'herald' | 'witness'): Promise<Identity> {
    const registry = this.#registry
    await registry.createDevice({ id, type }, ACTOR)
    const { secret } = await registry.issueSecret(id, { audience: 'mqtt' }, ACTOR)
    const { password: scramPassword } = await registry.issueScram(id, {}, ACTOR)
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    await registry.addJwtKey(id, { jwk: publicKey.export({ format: 'jwk' }), kid: id }, ACTOR)
    const now = Math.floor(Date.now() / 1000)
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const claims = { iss: id, sub: id, aud: AUDIENCE, iat: now, exp: now + 43_200 }
    const input = `${part({ alg: 'ES256', kid: id })}.${part(claims)}`
    const signature = sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' })
    return { id, secret, scramPassword, token: `${input}.${signature.toString('base64url')}` }
  }

  /** Connects: the client's end of a stream, and what will be told about the connection. */
  connect(): { stream: Duplex; told: Told } {
    const [stream, other] = socketPair()
    const told: Told = { reason: null, errors: [] }
    const nothing = () => {}
    const shown = { transport: 'mqtt', address: '192.0.2.1', certificates: [], pskIdentity: null } as const
    const peer = { stream: other, ...shown, admitted: nothing, forget: nothing }
    this.#server.accept(peer)
    const connection = this.#random.last.toString('base64url')
    this.#log.told.set(connection, told)
    stream.once('close', () => setImmediate(() => this.#log.told.delete(connection)))
    return { stream, told }
  }

  /** Sessions, with how many subscriptions and messages they hold. */
  sessions(): string[] {
    return [...this.#bus.sessions.values()].map(({ id, queue }) => `${id} (${queue.count} queued)`)
  }

  close(): Promise<void> {
    return this.#close()
  }
}
