// The other end of a fuzzed connection: it looks at every byte that comes back, and knows what may come.
import type { Duplex } from 'node:stream'
import { type Packet, parser } from 'mqtt-packet'
import { type Frame, packetIdOf, splitFrames } from './frames.ts'
import type { Told } from './fuzz-broker.ts'
import { ANSWERS, acknowledgementOf, illegalAnswer, type Version } from './legal-answers.ts'

/** What a connection agreed on. */
interface Terms {
  readonly version: Version
  readonly receiveMaximum: number
  readonly maximumPacketSize: number
  readonly topicAliasMaximum: number
  readonly wantsReasons: boolean
}

const NO_TERMS: Terms = {
  version: 4,
  receiveMaximum: 65_535,
  maximumPacketSize: Number.POSITIVE_INFINITY,
  topicAliasMaximum: 0,
  wantsReasons: true,
}

/** Milliseconds that a packet's fate may take on a loaded machine: what takes longer hangs. */
const PATIENCE = 20_000
const CONNACK = 2
const PUBLISH = 3
const PUBREL = 6
const DISCONNECT = 14
/** Topics that nobody but the witness may read. */
const SECRET = /^secret(\/|$)/

export class StrictClient {
  readonly told: Told
  /** Everything that was sent, in order: what reproduces a finding. */
  readonly sent: Buffer[] = []
  /** Names of what came since the last look, with their codes. */
  answers: string[] = []
  /** What the broker should not have done. */
  readonly findings: string[] = []
  /** CONNACK with code 0 has come. */
  isConnected = false
  /** The broker waits for AUTH. */
  challenge: Buffer | null = null
  isClosed = false
  /** Acknowledges what the broker sends, as an honest client does. */
  acknowledges = false
  onMessage: (topic: string, payload: Buffer, qos: number) => void = () => {}
  readonly #stream: Duplex
  #terms = NO_TERMS
  #isFirst = true
  #isSending = false
  /** Acknowledgements that would have come between the pieces of a packet. */
  readonly #later: Buffer[] = []
  #connackCame = false
  #isOver = false
  /** What was sent and begins a packet that is not whole. */
  #begun: Buffer = Buffer.alloc(0)
  #pending: Buffer = Buffer.alloc(0)
  /** Acknowledgements that must come, by type and packet identifier. */
  readonly #owed = new Map<string, number>()
  #pings = 0
  readonly #unacknowledged = new Set<number>()
  /** Packet identifiers that were acknowledged before their message came: it may be on its way. */
  readonly #ahead = new Set<number>()
  readonly #aliases = new Map<number, string>()
  #wake: (() => void) | null = null

  constructor({ stream, told }: { stream: Duplex; told: Told }) {
    this.#stream = stream
    this.told = told
    stream.on('data', (bytes: Buffer) => this.#received(bytes))
    stream.on('error', () => {})
    stream.on('end', () => {
      if (this.#pending.length > 0) this.findings.push(`ended within a packet: ${hex(this.#pending)}`)
      stream.end()
      this.#over()
    })
    stream.on('close', () => this.#over())
  }

  /** As CONNECT named it; 4 as long as it named none. */
  get version(): Version {
    return this.#terms.version
  }

  get hasVersion(): boolean {
    return this.#terms !== NO_TERMS
  }

  // --- out --------------------------------------------------------------------------------------------------------------

  /** Sends bytes, and whatever makes the packet whole that they begin; returns how the stream stands then. */
  send(bytes: Buffer, limit: number): 'whole' | 'too-large' | 'broken' {
    const pieces = [bytes]
    const state = this.#complete(pieces, limit)
    // The answer may come within the very call that writes, so it is expected before.
    this.#isSending = true
    for (const piece of pieces) {
      this.sent.push(piece)
      if (!this.isClosed) this.#stream.write(piece)
    }
    this.#isSending = false
    if (state === 'whole') for (const later of this.#later.splice(0)) this.send(later, limit)
    return state
  }

  /** Adds to the pieces what makes their packet whole. */
  #complete(pieces: Buffer[], limit: number): ReturnType<StrictClient['send']> {
    for (let piece = pieces[0]; ; ) {
      this.#begun = Buffer.concat([this.#begun, piece ?? Buffer.alloc(0)])
      const { frames, rest, from } = splitFrames(this.#begun)
      for (const frame of frames) this.#expect(frame)
      this.#begun = this.#begun.subarray(from)
      if (rest.state === 'whole') return 'whole'
      if (rest.state === 'broken') return 'broken'
      if (rest.size > limit) return 'too-large'
      piece = Buffer.alloc(Math.max(1, rest.missing))
      pieces.push(piece)
    }
  }

  ping(): void {
    this.send(Buffer.from([0xc0, 0]), Number.POSITIVE_INFINITY)
  }

  /** Takes nothing from its socket. */
  pause(): void {
    this.#stream.pause()
  }

  resume(): void {
    this.#stream.resume()
  }

  leave(how: 'end' | 'destroy'): void {
    if (how === 'end') this.#stream.end()
    else this.#stream.destroy()
  }

  /** Takes note of a whole packet that was sent. */
  #expect(frame: Frame): void {
    const type = frame.header >> 4
    if (type === 12) this.#pings++
    if (this.#isFirst && type === 1) this.#terms = termsOf(frame) ?? this.#terms
    this.#isFirst = false
    if (type === 4 || type === 5 || type === 7) {
      const packetId = packetIdOf(frame)
      if (!this.#unacknowledged.delete(packetId)) this.#ahead.add(packetId)
    }
    const answer = acknowledgementOf(frame.header)
    if (answer === 0) return
    const key = `${answer}:${packetIdOf(frame)}`
    this.#owed.set(key, (this.#owed.get(key) ?? 0) + 1)
  }

  // --- in ---------------------------------------------------------------------------------------------------------------

  /** Resolves when the broker has done with all that was sent: every answer is there, or the connection is over. */
  async settled(): Promise<void> {
    await this.#until(() => this.#pings === 0 && !this.#isOwed())
  }

  /** Resolves when the broker has answered CONNECT or AUTH, or the connection is over. */
  async opened(): Promise<void> {
    await this.#until(() => this.#connackCame || this.challenge !== null)
  }

  async closed(): Promise<void> {
    await this.#until(() => false)
  }

  /** Resolves when `isSo`, or the connection is over, or something is wrong already. Notes a finding when none comes. */
  async #until(isSo: () => boolean): Promise<void> {
    const end = Date.now() + PATIENCE
    while (!isSo() && !this.isClosed && this.findings.length === 0) {
      if (Date.now() >= end) {
        this.findings.push(
          `no fate: ${this.#pings} pings, owed ${[...this.#owed].filter(([, count]) => count > 0).join(' ')}`,
        )
        return
      }
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, PATIENCE)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  #isOwed(): boolean {
    for (const [key, count] of this.#owed) if (count > 0 && !key.startsWith(`${PUBREL}:`)) return true
    return false
  }

  #over(): void {
    this.isClosed = true
    this.#wake?.()
  }

  #received(bytes: Buffer): void {
    const { frames, rest, from } = splitFrames(
      this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]),
    )
    this.#pending = (this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes])).subarray(from)
    if (rest.state === 'broken') this.findings.push(`a Remaining Length of five bytes: ${hex(bytes)}`)
    for (const frame of frames) {
      const wrong = this.#judge(frame)
      if (wrong !== null) this.findings.push(`${wrong}: ${hex(frame.bytes)}`)
    }
    this.#wake?.()
  }

  /** What is wrong with a packet of the broker; null when nothing is. */
  #judge(frame: Frame): string | null {
    const { header } = frame
    const type = header >> 4
    const { version, maximumPacketSize } = this.#terms
    const packet = DECODERS[version](frame.bytes)
    if (typeof packet === 'string') return `does not decode (${packet})`
    if (this.#isOver) return 'a packet after DISCONNECT'
    const codes = codesOf(packet)
    const illegal = illegalAnswer(header, version, codes)
    if (illegal !== null) return illegal
    if (frame.bytes.length > maximumPacketSize) return `larger than ${maximumPacketSize} bytes [MQTT-3.1.2-24]`
    if (!this.#terms.wantsReasons && ![CONNACK, PUBLISH, DISCONNECT].includes(type) && hasReasons(packet))
      return 'Reason String or User Property unasked [MQTT-3.1.2-29]'
    const told = [...new Set(codes)].sort((one, other) => one - other).map(code => ` 0x${code.toString(16)}`)
    if (type !== PUBLISH) this.answers.push(`${ANSWERS.get(type)?.name}${told.join('')}`)
    if (!this.#connackCame && type !== CONNACK && packet.cmd !== 'auth') return 'a packet before CONNACK [MQTT-3.2.0-1]'
    switch (packet.cmd) {
      case 'connack':
        return this.#judgeConnack(packet)
      case 'auth':
        if (packet.reasonCode === 0x18) this.challenge = packet.properties?.authenticationData ?? Buffer.alloc(0)
        return null
      case 'pingresp':
        this.#pings--
        return this.#pings < 0 ? 'PINGRESP unasked' : null
      case 'publish':
        return this.#judgePublish(packet)
      case 'pubrel':
        return this.#acknowledge('pubcomp', packet.messageId ?? 0)
      case 'disconnect':
        this.#isOver = true
        return null
      default:
        return this.#judgeAcknowledgement(frame)
    }
  }

  #judgeConnack({ sessionPresent, reasonCode, returnCode }: Extract<Packet, { cmd: 'connack' }>): string | null {
    const code = reasonCode ?? returnCode
    if (this.#connackCame) return 'a second CONNACK [MQTT-3.2.0-2]'
    this.#connackCame = true
    this.isConnected = code === 0
    this.#isOver = code !== 0
    return sessionPresent && code !== 0 ? 'Session Present beside a refusal [MQTT-3.2.2-6]' : null
  }

  #judgeAcknowledgement(frame: Frame): string | null {
    const key = `${frame.header >> 4}:${packetIdOf(frame)}`
    const owed = this.#owed.get(key) ?? 0
    if (owed === 0) return 'an acknowledgement of nothing'
    this.#owed.set(key, owed - 1)
    return null
  }

  #judgePublish(packet: Extract<Packet, { cmd: 'publish' }>): string | null {
    const { qos, messageId = 0, properties, payload } = packet
    const alias = properties?.topicAlias
    let { topic } = packet
    if (alias !== undefined) {
      if (alias === 0 || alias > this.#terms.topicAliasMaximum) return `topic alias ${alias} [MQTT-3.1.2-26]`
      if (topic === '') topic = this.#aliases.get(alias) ?? ''
      else this.#aliases.set(alias, topic)
    }
    if (topic === '' || /[+#\0]/.test(topic)) return 'PUBLISH to no topic name [MQTT-3.3.2-2]'
    if (packet.dup && qos === 0) return 'DUP with QoS 0 [MQTT-3.3.1-2]'
    this.onMessage(topic, Buffer.from(payload), qos)
    if (SECRET.test(topic) && !this.#mayReadSecrets) return 'a message nobody may have'
    if (qos === 0) return null
    if (messageId === 0) return 'packet identifier 0 [MQTT-2.2.1-4]'
    if (this.#unacknowledged.has(messageId)) return 'a packet identifier in use [MQTT-2.2.1-4]'
    if (!this.#ahead.delete(messageId)) this.#unacknowledged.add(messageId)
    if (this.#unacknowledged.size > this.#terms.receiveMaximum) return 'above Receive Maximum [MQTT-3.3.4-9]'
    return this.#acknowledge(qos === 1 ? 'puback' : 'pubrec', messageId)
  }

  #mayReadSecrets = false

  /** For the witness alone. */
  mayReadSecrets(): this {
    this.#mayReadSecrets = true
    return this
  }

  #acknowledge(cmd: 'puback' | 'pubrec' | 'pubcomp', messageId: number): null {
    const type = { puback: 4, pubrec: 5, pubcomp: 7 }[cmd]
    if (!this.acknowledges || this.#begun.length > 0) return null
    const frame = Buffer.from([type << 4, 2, messageId >> 8, messageId & 255])
    if (this.#isSending) this.#later.push(frame)
    else this.send(frame, Number.POSITIVE_INFINITY)
    return null
  }
}

const hex = (bytes: Buffer): string => bytes.subarray(0, 120).toString('hex')

/** A whole packet as the foreign codec reads it, or what it says is wrong. */
type Decode = (bytes: Buffer) => Packet | string

function decoderFor(version: Version): Decode {
  const made = parser({ protocolVersion: version })
  let packet: Packet | null = null
  let error: string | null = null
  made.on('packet', some => {
    packet = some
  })
  made.on('error', some => {
    error = some.message
  })
  return bytes => {
    packet = null
    error = null
    const left = made.parse(bytes)
    return error ?? (packet === null || left > 0 ? 'not one packet' : packet)
  }
}

const DECODERS: Readonly<Record<Version, Decode>> = { 3: decoderFor(3), 4: decoderFor(4), 5: decoderFor(5) }

function codesOf(packet: Packet): number[] {
  switch (packet.cmd) {
    case 'connack':
      return [packet.reasonCode ?? packet.returnCode ?? 0]
    case 'suback':
      return packet.granted.map(Number)
    case 'unsuback':
      return packet.granted ?? []
    case 'publish':
    case 'pingresp':
      return []
    default:
      return 'reasonCode' in packet && packet.reasonCode !== undefined ? [packet.reasonCode] : []
  }
}

function hasReasons(packet: Packet): boolean {
  const properties = 'properties' in packet ? (packet.properties as Record<string, unknown> | undefined) : undefined
  return properties?.reasonString !== undefined || properties?.userProperties !== undefined
}

/** null when it is no CONNECT of a version there is: what answers it is of MQTT 3.1.1 [MQTT-3.1.2-2]. */
function termsOf(frame: Frame): Terms | null {
  const packet = decoderFor(4)(frame.bytes) // of its own: it takes on the version of the CONNECT that it reads
  if (typeof packet === 'string' || packet.cmd !== 'connect') return null
  const { protocolId, protocolVersion, properties } = packet
  const level = frame.body[2 + Buffer.byteLength(protocolId ?? '')]
  if (level !== protocolVersion || (protocolId === 'MQIsdp') !== (level === 3)) return null
  return {
    version: (protocolVersion ?? 4) as Version,
    receiveMaximum: properties?.receiveMaximum ?? 65_535,
    maximumPacketSize: properties?.maximumPacketSize ?? Number.POSITIVE_INFINITY,
    topicAliasMaximum: properties?.topicAliasMaximum ?? 0,
    wantsReasons: properties?.requestProblemInformation !== false,
  }
}
