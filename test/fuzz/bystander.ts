// Two honest clients beside the fuzz: one publishes, the other must get all of it, in order, whatever the others do.
import { setImmediate as turn } from 'node:timers/promises'
import { generate } from 'mqtt-packet'
import type { FuzzBroker, Identity } from './fuzz-broker.ts'
import { encodeConnect } from './gate-seeds.ts'
import type { Version } from './legal-answers.ts'
import { StrictClient } from './strict-client.ts'

const NO_LIMIT = Number.POSITIVE_INFINITY
/** Milliseconds that a message may take on a loaded machine. */
const PATIENCE = 20_000
const QOS = [0, 1, 2] as const
const TOPICS = ['bystander/0', 'bystander/1', 'secret/plan'] as const

export class Bystander {
  readonly findings: string[] = []
  sent = 0
  heard = 0
  readonly #herald: StrictClient
  readonly #witness: StrictClient
  /** By topic and QoS, which order holds for [MQTT-4.6.0-5]. */
  readonly #next = new Map<string, { sent: number; heard: number }>()
  #packetId = 0

  private constructor(herald: StrictClient, witness: StrictClient) {
    this.#herald = herald
    this.#witness = witness
    witness.onMessage = (topic, payload, qos) => this.#hear(`${topic} ${qos}`, String(payload))
  }

  static async open(broker: FuzzBroker): Promise<Bystander> {
    const herald = await connect(broker, await broker.identity('herald', 'herald'), 4)
    const witness = await connect(broker, await broker.identity('witness', 'witness'), 5)
    const subscriptions = ['bystander/#', 'secret/#'].map(
      topic => ({ topic, qos: 2, nl: false, rap: false, rh: 0 }) as const,
    )
    witness.send(generate({ cmd: 'subscribe', messageId: 1, subscriptions }, { protocolVersion: 5 }), NO_LIMIT)
    await witness.settled()
    return new Bystander(herald, witness.mayReadSecrets())
  }

  /** Publishes to every topic at every QoS; resolves when all of it was acknowledged and heard. */
  async round(): Promise<void> {
    for (const topic of TOPICS)
      for (const qos of QOS) {
        const count = this.#count(`${topic} ${qos}`)
        const payload = String(++count.sent)
        const messageId = (this.#packetId++ % 65_535) + 1
        const how = { qos, dup: false, retain: false, ...(qos > 0 && { messageId }) }
        this.#herald.send(generate({ cmd: 'publish', topic, payload, ...how }), NO_LIMIT)
        if (qos === 2) {
          await this.#herald.settled()
          this.#herald.send(generate({ cmd: 'pubrel', messageId }), NO_LIMIT)
        }
        this.sent++
      }
    await this.#herald.settled()
    const end = Date.now() + PATIENCE
    const isFine = () => !this.#witness.isClosed && this.#witness.findings.length + this.#herald.findings.length === 0
    while (this.heard < this.sent && Date.now() < end && isFine()) await turn()
    if (this.heard !== this.sent) this.findings.push(`the bystander heard ${this.heard} of ${this.sent} messages`)
    for (const client of [this.#herald, this.#witness]) {
      if (client.isClosed) this.findings.push(`a bystander was cut off: ${client.told.reason}`)
      this.findings.push(...client.findings.splice(0), ...client.told.errors.splice(0))
      client.sent.length = 0
    }
    this.#herald.answers = []
    this.#witness.answers = []
  }

  async close(): Promise<void> {
    for (const client of [this.#herald, this.#witness]) {
      client.leave('end')
      await client.closed()
    }
  }

  #count(name: string): { sent: number; heard: number } {
    let count = this.#next.get(name)
    if (count === undefined) {
      count = { sent: 0, heard: 0 }
      this.#next.set(name, count)
    }
    return count
  }

  #hear(name: string, payload: string): void {
    this.heard++
    const count = this.#count(name)
    if (payload !== String(++count.heard))
      this.findings.push(`the bystander heard ${payload} on ${name} as number ${count.heard}`)
  }
}

async function connect(broker: FuzzBroker, { id, secret }: Identity, version: Version): Promise<StrictClient> {
  const client = new StrictClient(broker.connect())
  client.acknowledges = true
  const shown = { clientId: id, username: id, password: Buffer.from(secret), keepalive: 0 }
  const more = version === 5 ? { properties: { sessionExpiryInterval: 1, receiveMaximum: 4 } } : {}
  client.send(encodeConnect(version, { ...shown, ...more }), NO_LIMIT)
  await client.opened()
  return client
}
