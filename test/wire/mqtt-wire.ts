// A raw MQTT client for tests: it sends what it is told, valid or not, and keeps what comes back. Its codec is
// mqtt-packet, so that the broker's own is checked against a foreign one.
import { connect as connectTcp } from 'node:net'
import type { Duplex } from 'node:stream'
import {
  generate,
  type IConnectPacket,
  type IPublishPacket,
  type ISubscription,
  type Packet,
  parser,
} from 'mqtt-packet'

export type Version = 3 | 4 | 5
export type PacketOf<C extends Packet['cmd']> = Extract<Packet, { cmd: C }>

const EMPTY = Buffer.alloc(0)

/** How long a test waits for what must come, in milliseconds: no test that passes is faster or slower by it. */
const PATIENCE = Number(process.env.LATCHKEY_TEST_PATIENCE ?? 20_000)

export class MqttWire {
  readonly version: Version
  readonly stream: Duplex
  /** What came and was not taken by `next` yet. */
  readonly packets: Packet[] = []
  /** The bytes of everything that came, packet by packet. */
  readonly frames: Buffer[] = []
  isClosed = false
  /** Acknowledges QoS 1 and 2 messages as they come. */
  acknowledges = true
  /** Sees every packet as it comes, before it waits in `packets`. */
  onPacket: (packet: Packet) => void = () => {}
  #pending = Buffer.alloc(0)
  #waiting: (() => void)[] = []
  #packetId = 0

  /** `stream`: a connected or connecting net, tls or WebSocket stream. */
  constructor(stream: Duplex, version: Version = 5) {
    this.stream = stream
    this.version = version
    stream.on('data', (bytes: Buffer) => this.#received(bytes))
    stream.on('error', () => {})
    stream.on('end', () => stream.end())
    stream.on('close', () => {
      this.isClosed = true
      this.#wake()
    })
  }

  static tcp(port: number, version: Version = 5): MqttWire {
    return new MqttWire(connectTcp({ port, host: '127.0.0.1', noDelay: true }), version)
  }

  // --- out --------------------------------------------------------------------------------------------------------------

  send(packet: Packet): void {
    this.stream.write(this.encode(packet))
  }

  encode(packet: Packet): Buffer {
    return generate(packet, { protocolVersion: this.version })
  }

  sendBytes(bytes: Buffer | readonly number[]): void {
    this.stream.write(Buffer.from(bytes))
  }

  /** Sends CONNECT and returns CONNACK; rejects when the connection is closed without one. */
  async connect(options: Partial<IConnectPacket> = {}): Promise<PacketOf<'connack'>> {
    this.sendConnect(options)
    return this.next('connack')
  }

  sendConnect(options: Partial<IConnectPacket> = {}): void {
    const { version } = this
    const protocol = { protocolId: version === 3 ? 'MQIsdp' : 'MQTT', protocolVersion: version } as const
    this.send({ cmd: 'connect', ...protocol, clean: true, keepalive: 0, clientId: '', ...options })
  }

  /** Subscribes to one filter and returns the granted code. */
  async subscribe(
    topic: string,
    qos: 0 | 1 | 2 = 0,
    options: Omit<ISubscription, 'topic' | 'qos'> & { identifier?: number } = {},
  ): Promise<number> {
    const { identifier, ...flags } = options
    const subscription = { topic, qos, nl: false, rap: false, rh: 0, ...flags }
    const [granted] = await this.subscribeAll([subscription], identifier)
    return granted ?? -1
  }

  /** Subscribes to several filters in one packet and returns the granted codes. */
  async subscribeAll(subscriptions: ISubscription[], identifier?: number): Promise<number[]> {
    const properties = identifier === undefined ? {} : { properties: { subscriptionIdentifier: identifier } }
    this.send({ cmd: 'subscribe', messageId: this.packetId(), subscriptions, ...properties })
    const { granted } = await this.next('suback')
    return granted.map(Number)
  }

  async unsubscribe(...unsubscriptions: string[]): Promise<number[]> {
    this.send({ cmd: 'unsubscribe', messageId: this.packetId(), unsubscriptions })
    return (await this.next('unsuback')).granted
  }

  /** Publishes; QoS 1 and 2 wait for the whole exchange. Returns the reason code of PUBACK or PUBREC. */
  async publish(topic: string, payload: string | Buffer, options: Partial<IPublishPacket> = {}): Promise<number> {
    const messageId = this.sendPublish(topic, payload, options)
    const { qos = 0 } = options
    if (qos === 0) return 0
    const acknowledged = await this.next(qos === 1 ? 'puback' : 'pubrec', packet => packet.messageId === messageId)
    if (qos === 2 && (acknowledged.reasonCode ?? 0) < 0x80) {
      this.send({ cmd: 'pubrel', messageId })
      await this.next('pubcomp', packet => packet.messageId === messageId)
    }
    return acknowledged.reasonCode ?? 0
  }

  /** Returns the packet identifier, 0 for QoS 0. */
  sendPublish(topic: string, payload: string | Buffer, options: Partial<IPublishPacket> = {}): number {
    const { qos = 0, messageId = qos > 0 ? this.packetId() : 0 } = options
    const identified = qos > 0 ? { messageId } : {}
    this.send({ cmd: 'publish', topic, payload, qos, retain: false, dup: false, ...options, ...identified })
    return messageId
  }

  packetId(): number {
    this.#packetId = (this.#packetId % 65_535) + 1
    return this.#packetId
  }

  // --- in ---------------------------------------------------------------------------------------------------------------

  /** The next packet of this kind; rejects when the connection closes or patience ends. */
  async next<C extends Packet['cmd']>(
    cmd: C,
    accepts: (packet: PacketOf<C>) => boolean = () => true,
  ): Promise<PacketOf<C>> {
    const end = Date.now() + PATIENCE
    for (;;) {
      const at = this.packets.findIndex(packet => packet.cmd === cmd && accepts(packet as PacketOf<C>))
      if (at >= 0) return this.packets.splice(at, 1)[0] as PacketOf<C>
      if (this.isClosed) throw new Error(`the connection was closed before ${cmd}; ${this.#summary()}`)
      if (Date.now() >= end) throw new Error(`no ${cmd} came; ${this.#summary()}`)
      await this.#changed(end - Date.now())
    }
  }

  /** The payload of the next message, as text. */
  async message(): Promise<string> {
    return (await this.next('publish')).payload.toString()
  }

  /** The payloads of so many messages, as text. */
  async messages(count: number): Promise<string[]> {
    const payloads: string[] = []
    while (payloads.length < count) payloads.push(await this.message())
    return payloads
  }

  /** A round trip: whatever the broker had for this client has come when it resolves. */
  async settle(): Promise<void> {
    this.send({ cmd: 'pingreq' })
    await this.next('pingresp')
  }

  /** Messages that came and were not taken, after a round trip. */
  async waiting(): Promise<PacketOf<'publish'>[]> {
    await this.settle()
    return this.packets.filter(packet => packet.cmd === 'publish')
  }

  /** Resolves when everything sent so far has been handed to the operating system. */
  settleWriting(): Promise<void> {
    return new Promise(resolve => {
      this.stream.write(EMPTY, () => resolve())
    })
  }

  /** Resolves when the broker has closed the connection. */
  async closed(): Promise<void> {
    const end = Date.now() + PATIENCE
    while (!this.isClosed) {
      if (Date.now() >= end) throw new Error(`the connection stays open; ${this.#summary()}`)
      await this.#changed(end - Date.now())
    }
  }

  /** Ends the network connection without DISCONNECT. */
  destroy(): void {
    this.stream.destroy()
  }

  /** Leaves with DISCONNECT. */
  async leave(properties?: { sessionExpiryInterval?: number }): Promise<void> {
    this.send({ cmd: 'disconnect', reasonCode: 0, ...(properties && { properties }) })
    await this.closed()
  }

  #received(bytes: Buffer): void {
    this.#pending = Buffer.concat([this.#pending, bytes])
    for (let frame = this.#takeFrame(); frame !== null; frame = this.#takeFrame()) {
      this.frames.push(frame)
      const packet = parseFrame(frame, this.version)
      this.packets.push(packet)
      if (this.acknowledges) this.#acknowledge(packet)
      this.onPacket(packet)
    }
    this.#wake()
  }

  #takeFrame(): Buffer | null {
    let length = 0
    for (let at = 1, factor = 1; at < Math.min(5, this.#pending.length); at++, factor *= 128) {
      const digit = this.#pending[at] ?? 0
      length += (digit & 127) * factor
      if (digit > 127) continue
      const end = at + 1 + length
      if (this.#pending.length < end) return null
      const frame = this.#pending.subarray(0, end)
      this.#pending = this.#pending.subarray(end)
      return frame
    }
    return null
  }

  #acknowledge(packet: Packet): void {
    const { messageId } = packet
    if (messageId === undefined) return
    if (packet.cmd === 'publish' && packet.qos > 0)
      this.send({ cmd: packet.qos === 1 ? 'puback' : 'pubrec', messageId })
    if (packet.cmd === 'pubrel') this.send({ cmd: 'pubcomp', messageId })
  }

  #changed(milliseconds: number): Promise<void> {
    return new Promise(resolve => {
      const timer = setTimeout(resolve, milliseconds)
      this.#waiting.push(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  #summary(): string {
    const came = this.packets.map(packet =>
      'reasonCode' in packet ? `${packet.cmd} ${packet.reasonCode}` : packet.cmd,
    )
    return `came: ${came.join(', ') || 'nothing'}`
  }
}

function parseFrame(frame: Buffer, version: Version): Packet {
  let found: Packet | undefined
  let failure: unknown
  const reader = parser({ protocolVersion: version })
  reader.on('packet', packet => {
    found = packet
  })
  reader.on('error', error => {
    failure = error
  })
  reader.parse(frame)
  if (found === undefined || failure !== undefined)
    throw new Error(`the broker sent what is no packet: ${frame.toString('hex')}`, { cause: failure })
  return found
}
