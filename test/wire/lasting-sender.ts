// A publisher that follows the protocol across connections (MQTT 5, 4.4): what is unfinished it repeats, in order.
import type { MqttWire, PacketOf, Version } from './mqtt-wire.ts'

/** QoS 2: `received` once its PUBREC came. */
interface Exchange {
  readonly topic: string
  readonly number: number
  readonly retain: boolean
  received: boolean
}

/** Messages that it has in flight at most. */
const WINDOW = 30

/** The messages of each topic are numbered from 1; a text says its topic and number, and has a length of its own. */
export const textOf = (topic: string, number: number): string =>
  `${topic} ${number} ${'x'.repeat((number * 797) % 1500)}`

export class LastingSender {
  readonly clientId: string
  readonly version: Version
  readonly qos: 1 | 2
  readonly retainedTopic: string
  /** Acknowledged messages, and how many were sent again. */
  acknowledged = 0
  repeated = 0
  /** By topic, the highest number that was sent, and the highest that was acknowledged. */
  readonly sent = new Map<string, number>()
  readonly confirmed = new Map<string, number>()
  /** What the broker must not have done. */
  readonly faults: string[] = []
  onAcknowledged: () => void = () => {}
  readonly #open = new Map<number, Exchange>()
  readonly #random: () => number
  #wire: MqttWire | null = null
  #left = 0
  #packetId = 0

  constructor(clientId: string, version: Version, qos: 1 | 2, random: () => number) {
    this.clientId = clientId
    this.version = version
    this.qos = qos
    this.retainedTopic = `state/${clientId}`
    this.#random = random
  }

  get unfinished(): number {
    return this.#open.size + this.#left
  }

  /** Goes on upon a connection whose CONNACK has come [MQTT-4.4.0-1]. */
  attach(wire: MqttWire): void {
    this.#wire = wire
    wire.onPacket = packet => {
      wire.packets.pop()
      if (packet.cmd === 'puback' || packet.cmd === 'pubrec' || packet.cmd === 'pubcomp') this.#answered(wire, packet)
      else this.faults.push(`${this.clientId} was sent ${packet.cmd}`)
    }
    for (const [messageId, exchange] of this.#open) {
      this.repeated++
      if (exchange.received) wire.send({ cmd: 'pubrel', messageId })
      else this.#send(wire, messageId, exchange, true)
    }
  }

  /** Publishes so many more, as its window allows. */
  publish(count: number): void {
    this.#left = count
    this.#fill()
  }

  #fill(): void {
    const wire = this.#wire
    if (wire === null || wire.isClosed) return
    while (this.#left > 0 && this.#open.size < WINDOW) {
      this.#left--
      const retain = this.#random() < 0.2
      const topic = retain ? this.retainedTopic : `${this.clientId}/${Math.floor(this.#random() * 3)}`
      const number = (this.sent.get(topic) ?? 0) + 1
      this.sent.set(topic, number)
      const exchange = { topic, number, retain, received: false }
      do this.#packetId = (this.#packetId % 65_535) + 1
      while (this.#open.has(this.#packetId))
      this.#open.set(this.#packetId, exchange)
      this.#send(wire, this.#packetId, exchange, false)
    }
  }

  #send(wire: MqttWire, messageId: number, { topic, number, retain }: Exchange, dup: boolean): void {
    wire.sendPublish(topic, textOf(topic, number), { qos: this.qos, messageId, retain, dup })
  }

  #answered(wire: MqttWire, packet: PacketOf<'puback' | 'pubrec' | 'pubcomp'>): void {
    const { cmd, messageId = 0, reasonCode = 0 } = packet
    const exchange = this.#open.get(messageId)
    // PUBCOMP may say that there is no such exchange any more
    if (reasonCode >= 0x80 && cmd !== 'pubcomp') this.faults.push(`${this.clientId} was refused with ${reasonCode}`)
    if (exchange === undefined) return
    if (cmd !== 'pubcomp' && !exchange.received) this.#confirmed(exchange)
    if (cmd === 'pubrec') wire.send({ cmd: 'pubrel', messageId })
    else this.#open.delete(messageId)
    this.#fill()
  }

  #confirmed(exchange: Exchange): void {
    exchange.received = true
    this.acknowledged++
    this.confirmed.set(exchange.topic, exchange.number)
    this.onAcknowledged()
  }
}
