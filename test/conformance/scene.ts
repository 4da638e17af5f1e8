// What a conformance row works with: clients of one version on the shared broker, names of its own, raw packets.
import { expect } from 'vitest'
import type { MqttBroker, ShiftedClock } from '../wire/mqtt-broker.ts'
import type { MqttWire } from '../wire/mqtt-wire.ts'

export type ConnectOptions = Parameters<MqttWire['connect']>[0]

/** A statement of MQTT 3.1.1, of MQTT 5, or of both, and the check that holds it. */
export interface Row {
  /** The number of the statement without `MQTT-`, in either standard. */
  readonly v311?: string
  readonly v5?: string
  /** The statement in short. */
  readonly says: string
  readonly check: (scene: Scene) => Promise<void>
}

/** MQTT 3.1.1 is protocol level 4. */
export type Level = 4 | 5

/** Length-prefixed text. */
export const text = (value: string): number[] => binary(Buffer.from(value))
export const binary = (bytes: Buffer | readonly number[]): number[] => [bytes.length >> 8, bytes.length & 255, ...bytes]

export const packet = (header: number, ...body: number[]): number[] => {
  const length: number[] = []
  for (let rest = body.length; length.length === 0 || rest > 0; rest >>= 7)
    length.push((rest & 127) | (rest > 127 ? 128 : 0))
  return [header, ...length, ...body]
}

export const ILL_FORMED = [0xc3, 0x28]

export type Credentials = Pick<NonNullable<ConnectOptions>, 'username' | 'password'>

/** What all rows share. */
export interface Stage {
  readonly mqtt: MqttBroker
  readonly clock: ShiftedClock
  /** Of two who are known, and may subscribe to `$SYS/#`. Each has one client identifier, which it is assigned. */
  readonly devices: readonly Credentials[]
}

export class Scene implements Stage {
  readonly mqtt: MqttBroker
  readonly clock: ShiftedClock
  readonly devices: readonly Credentials[]
  readonly level: Level
  /** Nobody else's: for topics and client identifiers. */
  readonly word: string
  readonly #wires: MqttWire[] = []

  constructor({ mqtt, clock, devices }: Stage, level: Level, word: string) {
    this.mqtt = mqtt
    this.clock = clock
    this.devices = devices
    this.level = level
    this.word = word
  }

  /** A client that has not sent anything yet. */
  wire(): MqttWire {
    const made = this.mqtt.wire(this.level)
    this.#wires.push(made)
    return made
  }

  /** A connected client. */
  async client(options: ConnectOptions = {}): Promise<MqttWire> {
    const made = this.wire()
    const connack = await made.connect({ clientId: `${this.word}-${this.#wires.length}`, ...options })
    expect(this.codeOf(connack)).toBe(0)
    return made
  }

  /** A client with a subscription to everything below the row's word. */
  async subscriber(qos: 0 | 1 | 2 = 2, options: ConnectOptions = {}): Promise<MqttWire> {
    const made = await this.client(options)
    await made.subscribe(`${this.word}/#`, qos)
    return made
  }

  codeOf({ reasonCode, returnCode }: { reasonCode?: number; returnCode?: number }): number | undefined {
    return this.level === 5 ? reasonCode : returnCode
  }

  /** CONNECT options of a session that outlives its connection, under its own client identifier. */
  lasting(clientId = this.word): NonNullable<ConnectOptions> {
    return { clientId, clean: false, ...(this.level === 5 && { properties: { sessionExpiryInterval: 600 } }) }
  }

  /** A properties field; nothing before MQTT 5. */
  properties(...bytes: number[]): number[] {
    return this.level === 5 ? [bytes.length, ...bytes] : []
  }

  connectBytes(flags: number, payload: readonly number[], properties: readonly number[] = []): number[] {
    return packet(0x10, ...text('MQTT'), this.level, flags, 0, 0, ...this.properties(...properties), ...payload)
  }

  /** Whoever sends this after CONNECT is cut off; MQTT 5 clients are told why. */
  async refuses(reasonCode: number, bytes: readonly number[]): Promise<void> {
    const client = await this.client()
    client.sendBytes(bytes)
    await this.isCut(client, reasonCode)
  }

  async isCut(client: MqttWire, reasonCode: number): Promise<void> {
    if (this.level === 5) expect((await client.next('disconnect')).reasonCode).toBe(reasonCode)
    await client.closed()
  }

  /** Whoever opens with this is cut off without a word. */
  async refusesToOpen(bytes: readonly number[]): Promise<void> {
    const wire = this.wire()
    wire.sendBytes(bytes)
    await wire.closed()
    expect(wire.frames).toEqual([])
  }

  /** Ends without DISCONNECT, and waits until it is over. */
  async lose(client: MqttWire): Promise<void> {
    client.destroy()
    await client.closed()
  }

  close(): void {
    for (const made of this.#wires) made.destroy()
  }
}

/** Nobody may use a client identifier with a wildcard: it stands in topics. */
export const REJECTED_CLIENT_ID = 'not+yours'
