// A campaign of bad packets against the gate: what reaches new code, or a new answer, is kept and made worse.
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { generate, type IConnectPacket } from 'mqtt-packet'
import { generator } from '../fixtures/fuzz.ts'
import { type FuzzBroker, type Identity, LIMITS } from './fuzz-broker.ts'
import {
  connectsOf,
  encodeConnect,
  packetsOf,
  SCRAM_NONCE,
  type Sequence,
  scramFirst,
  sequencesOf,
} from './gate-seeds.ts'
import { ANSWERS, type Version } from './legal-answers.ts'
import { type Dice, spoilPacket, spoilSequence } from './mutations.ts'
import { StrictClient } from './strict-client.ts'

/** What was learnt: shared by all lanes, so that each goes on from what another one has found. */
export interface Findings {
  /** Packets whose fate is known, by when they came. */
  sentBefore: number
  sentAfter: number
  connections: number
  /** By packet type, version, and what became of it. */
  readonly outcomes: Map<string, number>
  /** By failure code and what was wrong. */
  readonly reasons: Map<string, number>
  /** What should never happen, with the bytes that made it happen. */
  readonly wrong: string[]
}

/** Sequences kept per kind; then new ones take the place of older ones. */
const KEPT = 2000
/** Milliseconds for which a slow client takes nothing from its socket. */
const SLOW = 5
/** Findings that are told in full. */
const TOLD = 40
const VERSIONS: readonly Version[] = [3, 4, 4, 5, 5, 5]

const among = <T>(dice: Dice, list: readonly T[]): T => list[Math.floor(dice() * list.length)] as T

/** What has proved worth trying; grows between batches only, so that a seed gives the same packets every time. */
export class Corpus {
  readonly #firsts: Sequence[] = []
  readonly #sessions: Record<Version, Sequence[]> = { 3: [], 4: [], 5: [] }

  get size(): number {
    return this.#firsts.length + this.#sessions[3].length + this.#sessions[4].length + this.#sessions[5].length
  }

  list(kind: 'first' | Version): readonly Sequence[] {
    return kind === 'first' ? this.#firsts : this.#sessions[kind]
  }

  add(dice: Dice, { kind, sequence }: Tried): void {
    const list = kind === 'first' ? this.#firsts : this.#sessions[kind]
    if (list.length < KEPT) list.push(sequence)
    else list[Math.floor(dice() * KEPT)] = sequence
  }
}

export interface Tried {
  readonly kind: 'first' | Version
  readonly sequence: Sequence
}

/** One device that sends bad packets, over one connection after another. */
export class Lane {
  readonly #broker: FuzzBroker
  readonly #identity: Identity
  readonly #dice: Dice
  readonly #corpus: Corpus
  readonly #found: Findings
  readonly #connects: readonly Buffer[]
  readonly #packets: Readonly<Record<Version, readonly Buffer[]>>
  readonly #sequences: Readonly<Record<Version, readonly Sequence[]>>
  #before = 0
  #after = 0
  /** Left open, so that the next connection takes its session over. */
  #left: StrictClient | null = null
  /** Of this batch: everything, and what brought an answer that was new. */
  tried: Tried[] = []
  news: Tried[] = []

  constructor(broker: FuzzBroker, identity: Identity, seed: number, corpus: Corpus, found: Findings) {
    const { id, secret, token } = identity
    this.#broker = broker
    this.#identity = identity
    this.#dice = generator(seed)
    this.#corpus = corpus
    this.#found = found
    this.#connects = connectsOf(id, secret, token)
    this.#packets = { 3: packetsOf(3, id, token), 4: packetsOf(4, id, token), 5: packetsOf(5, id, token) }
    this.#sequences = { 3: sequencesOf(3, id), 4: sequencesOf(4, id), 5: sequencesOf(5, id) }
  }

  /** Sends at least so many packets. */
  async run(packets: number): Promise<void> {
    this.tried = []
    this.news = []
    const end = this.#before + this.#after + packets
    while (this.#before + this.#after < end && this.#found.wrong.length === 0) {
      if (this.#after < this.#before) await this.#afterConnect()
      else await this.#beforeConnect()
    }
  }

  async close(): Promise<void> {
    this.#left?.leave('destroy')
    await this.#left?.closed()
  }

  // --- before CONNECT is accepted -----------------------------------------------------------------------------------------

  async #beforeConnect(): Promise<void> {
    const dice = this.#dice
    const client = this.#connect()
    const known = this.#corpus.list('first')
    const [kept] = known.length > 0 && dice() < 0.4 ? among(dice, known) : []
    const source =
      kept ?? (dice() < 0.85 ? among(dice, this.#connects) : among(dice, this.#packets[among(dice, VERSIONS)]))
    const first = dice() < 0.1 ? source : spoilPacket(dice, source, among(dice, this.#connects))
    let sequence: Buffer[] = [first]
    await this.#sendFirst(client, first, 'first', sequence)
    for (let i = 0; i < 3 && client.challenge !== null && !client.isClosed; i++) {
      const honest = honestAnswer(this.#identity, client.challenge)
      const other = among(dice, this.#packets[5])
      const kind = dice()
      const answer = kind < 0.3 ? honest : kind < 0.4 ? other : spoilPacket(dice, honest, other)
      client.challenge = null
      sequence = [...sequence, answer]
      await this.#sendFirst(client, answer, 'authenticating', sequence)
    }
    if (client.isConnected && !client.isClosed) await this.#session(client, 4)
    await this.#finish(client)
  }

  async #sendFirst(client: StrictClient, bytes: Buffer, phase: string, sequence: Sequence): Promise<void> {
    const whole = client.send(bytes, LIMITS.connectBytes) === 'whole'
    await (whole ? client.opened() : client.closed())
    this.#before++
    this.#found.sentBefore++
    this.#note(client, bytes, phase, { kind: 'first', sequence })
  }

  // --- afterwards -----------------------------------------------------------------------------------------------------------

  async #afterConnect(): Promise<void> {
    const dice = this.#dice
    const version = among(dice, VERSIONS)
    const client = this.#connect()
    const bytes = this.#honestConnect(version)
    client.send(bytes, LIMITS.connectBytes)
    await client.opened()
    if (client.challenge !== null) {
      const answer = honestAnswer(this.#identity, client.challenge)
      client.challenge = null
      client.send(answer, LIMITS.connectBytes)
      await client.opened()
    }
    const answers = client.answers.splice(0)
    if (client.isConnected) await this.#session(client, Number.POSITIVE_INFINITY)
    else {
      await client.closed()
      // Without a reason it was taken over: other lanes learn this device's CONNECT too.
      const { reason } = client.told
      if (reason !== null) client.findings.push(`an honest client was not let in: ${answers}, ${reason}`)
    }
    await this.#finish(client)
  }

  #honestConnect(version: Version): Buffer {
    const dice = this.#dice
    const { id, secret, token } = this.#identity
    const clean = dice() < 0.5
    const will = { topic: `device/${id}/will`, payload: Buffer.from('gone'), qos: 1, retain: dice() < 0.2 } as const
    const password = Buffer.from(dice() < 0.8 ? secret : token)
    const base = { clientId: id, clean, ...(dice() < 0.3 && { will }) }
    if (version !== 5) return encodeConnect(version, { ...base, username: id, password })
    const properties: IConnectPacket['properties'] = {
      ...(!clean || dice() < 0.3 ? { sessionExpiryInterval: 1 } : {}),
      ...(dice() < 0.3 && { receiveMaximum: among(dice, [1, 2, 5]) }),
      ...(dice() < 0.3 && { topicAliasMaximum: among(dice, [1, 3]) }),
      ...(dice() < 0.2 && { maximumPacketSize: among(dice, [200, 300]) }),
      ...(dice() < 0.2 && { requestProblemInformation: false }),
      ...(dice() < 0.2 && { requestResponseInformation: true }),
    }
    if (dice() < 0.7) return encodeConnect(5, { ...base, username: id, password, properties })
    const scram = dice() < 0.5
    const method = scram ? 'SCRAM-SHA-256' : 'JWT'
    const authenticationData = Buffer.from(scram ? scramFirst(id) : token)
    return encodeConnect(5, {
      ...base,
      properties: { ...properties, authenticationMethod: method, authenticationData },
    })
  }

  /** Sends a sequence over a connection that was accepted, one by one or all in one, as long as it lasts. */
  async #session(client: StrictClient, most: number): Promise<void> {
    const dice = this.#dice
    const { version } = client
    client.acknowledges = dice() < 0.5
    const packets = this.#packets[version]
    const known = this.#corpus.list(version)
    const pick = () => {
      const kind = dice()
      if (known.length > 0 && kind < 0.5) return among(dice, known)
      if (kind < 0.65) return among(dice, this.#sequences[version])
      return Array.from({ length: 1 + Math.floor(dice() * 6) }, () => among(dice, packets))
    }
    const sequence = spoilSequence(dice, pick(), pick(), packets).slice(0, most)
    if (dice() < 0.15) return this.#burst(client, sequence)
    for (const [i, bytes] of sequence.entries()) {
      await this.#settle(client, client.send(bytes, LIMITS.maximumPacketSize))
      this.#after++
      this.#found.sentAfter++
      this.#note(client, bytes, 'connected', { kind: version, sequence: sequence.slice(0, i + 1) })
      if (client.challenge !== null && dice() < 0.5)
        client.send(honestAnswer(this.#identity, client.challenge), LIMITS.maximumPacketSize)
      client.challenge = null
      if (client.isClosed) return
    }
  }

  /** Of what is written at once only the first is known to be judged when the connection ends. */
  async #burst(client: StrictClient, sequence: Sequence): Promise<void> {
    const bytes = Buffer.concat(sequence)
    const isSlow = this.#dice() < 0.5
    if (isSlow) client.pause()
    const state = client.send(bytes, LIMITS.maximumPacketSize)
    if (isSlow) {
      await pause(SLOW)
      client.resume()
    }
    await this.#settle(client, state)
    const judged = client.isClosed ? 1 : sequence.length
    this.#after += judged
    this.#found.sentAfter += judged
    this.#note(client, bytes, 'burst', { kind: client.version, sequence })
  }

  async #settle(client: StrictClient, state: ReturnType<StrictClient['send']>): Promise<void> {
    if (state === 'whole') {
      client.ping()
      await client.settled()
    } else await client.closed()
  }

  // --- both -------------------------------------------------------------------------------------------------------------------

  #connect(): StrictClient {
    this.#found.connections++
    return new StrictClient(this.#broker.connect())
  }

  /** Ends a connection in one of the ways there are. */
  async #finish(client: StrictClient): Promise<void> {
    const left = this.#left
    this.#left = null
    if (!client.isClosed) {
      const how = this.#dice()
      if (how < 0.1) this.#left = client
      else if (how < 0.3) client.send(Buffer.from([0xe0, 0]), 2)
      else client.leave(how < 0.6 ? 'end' : 'destroy')
      if (how >= 0.1) await client.closed()
    }
    for (const each of left === null ? [client] : [client, left]) this.#check(each)
    left?.leave('destroy')
  }

  #check(client: StrictClient): void {
    for (const what of [...client.findings.splice(0), ...client.told.errors.splice(0)]) {
      if (this.#found.wrong.length >= TOLD) return
      const sent = client.sent.map(bytes => bytes.toString('hex')).join(' ')
      this.#found.wrong.push(`${what}\n    MQTT ${client.version}, ${this.#identity.id}, sent ${sent.slice(0, 4000)}`)
    }
  }

  /** Takes note of what became of a packet. */
  #note(client: StrictClient, bytes: Buffer, phase: string, tried: Tried): void {
    const answers = client.answers.splice(0).filter(answer => answer !== 'pingresp')
    // Of a burst there are as many mixtures as bursts.
    const mixed = answers.length > 0 ? ['answers'] : []
    const all = phase === 'burst' ? mixed : [...new Set(answers)].sort()
    const told = [...all, ...(client.isClosed ? ['closed'] : [])].join(', ')
    const type = phase === 'burst' ? 'burst' : TYPES[(bytes[0] ?? 0) >> 4]
    const when = {
      first: 'first packet',
      authenticating: 'within authentication',
      connected: 'connected',
      burst: 'connected',
    }[phase]
    const outcome = `${client.hasVersion ? `MQTT ${client.version}` : 'no version'}, ${when}, ${type}: ${told || 'taken without an answer'}`
    const reason = client.isClosed && client.told.reason !== null ? reasonOf(client.told.reason) : null
    const isNew = !this.#found.outcomes.has(outcome) || (reason !== null && !this.#found.reasons.has(reason))
    increase(this.#found.outcomes, outcome)
    if (reason !== null) increase(this.#found.reasons, reason)
    this.tried.push(tried)
    if (isNew) this.news.push(tried)
  }
}

const TYPES = ['reserved', 'connect', ...Array.from({ length: 14 }, (_, i) => ANSWERS.get(i + 2)?.name)].map(
  (name, type) => name ?? { 8: 'subscribe', 10: 'unsubscribe', 12: 'pingreq' }[type] ?? String(type),
)

const increase = (map: Map<string, number>, key: string): void => void map.set(key, (map.get(key) ?? 0) + 1)

/** The failure code and what stands in brackets, without numbers: what came over the wire is left out. */
function reasonOf(reason: string): string {
  const code = reason.slice(0, reason.indexOf(':'))
  const [, detail = ''] = /packet \(([^)]*)\)|protocol \(([^)]*)\)/.exec(reason)?.filter(Boolean) ?? []
  return detail === '' ? code : `${code} (${detail.replaceAll(/\d+/g, 'n')})`
}

// --- an honest client's SCRAM (RFC 5802), whose slow step is remembered -------------------------------------------------------

const salted = new Map<string, Buffer>()

function honestAnswer({ id, scramPassword }: Identity, challenge: Buffer): Buffer {
  const attributes = new Map(
    String(challenge)
      .split(',')
      .map(part => [part.slice(0, 1), part.slice(2)]),
  )
  const [salt = '', iterations = ''] = [attributes.get('s'), attributes.get('i')]
  const key = `${scramPassword} ${salt} ${iterations}`
  const known =
    salted.get(key) ?? pbkdf2Sync(scramPassword, Buffer.from(salt, 'base64'), Number(iterations) || 1, 32, 'sha256')
  if (salted.size < 10_000) salted.set(key, known)
  const hmac = (secret: Buffer, data: string) => createHmac('sha256', secret).update(data).digest()
  const withoutProof = `c=biws,r=${attributes.get('r') ?? ''}`
  const message = `n=${id},r=${SCRAM_NONCE},${challenge},${withoutProof}`
  const clientKey = hmac(known, 'Client Key')
  const signature = hmac(createHash('sha256').update(clientKey).digest(), message)
  const proof = Buffer.from(clientKey.map((byte, at) => byte ^ (signature[at] ?? 0)))
  const authenticationData = Buffer.from(`${withoutProof},p=${proof.toString('base64')}`)
  const properties = { authenticationMethod: 'SCRAM-SHA-256', authenticationData }
  return generate({ cmd: 'auth', reasonCode: 0x18, properties }, { protocolVersion: 5 })
}
