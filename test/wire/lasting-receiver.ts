// A subscriber that keeps its state across connections, as the standard asks (MQTT 5, 4.1), and sees whatever is lost,
// out of order, or comes twice at QoS 2.
import { textOf } from './lasting-sender.ts'
import type { MqttWire, PacketOf, Version } from './mqtt-wire.ts'

export class LastingReceiver {
  readonly clientId: string
  readonly version: Version
  readonly receiveMaximum: number | null
  /** Application messages, those of QoS 1 that came again among them. */
  delivered = 0
  repeatedOnce = 0
  /** Packets with DUP. */
  marked = 0
  /** What the broker must not have done. */
  readonly faults: string[] = []
  /** The number of the last message, by topic. */
  readonly last = new Map<string, number>()
  /** Of QoS 2 messages that came and are not released: what came, by packet identifier. */
  readonly #unreleased = new Map<number, string>()

  constructor(clientId: string, version: Version, receiveMaximum: number | null = null) {
    this.clientId = clientId
    this.version = version
    this.receiveMaximum = receiveMaximum
  }

  /** To be called before CONNECT, for what is queued follows CONNACK. */
  attach(wire: MqttWire): void {
    wire.acknowledges = false
    wire.onPacket = packet => {
      const { messageId = 0 } = packet
      if (packet.cmd === 'publish') this.#take(wire, packet)
      else if (packet.cmd === 'pubrel') {
        this.#unreleased.delete(messageId)
        wire.send({ cmd: 'pubcomp', messageId })
      } else if (packet.cmd === 'disconnect') this.faults.push(`${this.clientId} was sent away: ${packet.reasonCode}`)
      else return
      wire.packets.pop()
    }
  }

  #take(wire: MqttWire, { topic, qos, dup, messageId = 0, payload }: PacketOf<'publish'>): void {
    if (dup) this.marked++
    const text = payload.toString()
    const known = qos === 2 ? this.#unreleased.get(messageId) : undefined
    if (known === undefined) this.#deliver(topic, qos, text)
    else if (known !== text)
      this.faults.push(`${this.clientId}: ${label(text)} under the identifier of ${label(known)}`)
    else if (!dup) this.faults.push(`${this.clientId}: ${label(text)} was repeated without DUP`) // [MQTT-3.3.1-1]
    if (qos === 2) this.#unreleased.set(messageId, text)
    wire.send({ cmd: qos === 2 ? 'pubrec' : 'puback', messageId })
  }

  /** Whatever was published is repeated until it is acknowledged: so each number follows the one before. */
  #deliver(topic: string, qos: number, text: string): void {
    this.delivered++
    const number = Number(text.split(' ')[1])
    const last = this.last.get(topic) ?? 0
    if (text !== textOf(topic, number))
      this.faults.push(`${this.clientId}: ${label(text)} on ${topic} is not as it was`)
    if (number > last + 1) this.faults.push(`${this.clientId}: ${label(text)} came after ${last}`)
    if (number > last) this.last.set(topic, number)
    else if (qos === 2) this.faults.push(`${this.clientId}: ${label(text)} came twice`)
    else this.repeatedOnce++
  }
}

const label = (text: string): string => text.split(' ', 2).join(' ')
