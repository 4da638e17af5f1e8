// A connection of the demo's own over mqtts: what comes back is told by reason code, as it was on the wire.
import { connect, type IClientOptions, type MqttClient } from 'mqtt'
import type { BrokerAddress } from './devices/home-device.ts'
import { reachable } from './devices/link.ts'
import type { WireMessage } from './message.ts'

export interface Entry {
  readonly clientId: string
  readonly username?: string
  readonly password?: string
  /** PEM. */
  readonly certificate?: string
  readonly privateKey?: string
  /** Seconds that the session outlives the connection; without: it does not. */
  readonly sessionExpiry?: number
  readonly onMessage?: (message: VisitorMessage) => void
}

export interface VisitorMessage extends WireMessage {
  readonly retained: boolean
}

/** Milliseconds for any answer. */
const ANSWER_WITHIN = 5_000

/** The broker answered, and did not let it in: `CONNACK 0x87`. */
export class TurnedAway {
  readonly evidence: string

  constructor(evidence: string) {
    this.evidence = evidence
  }
}

export class Visitor {
  readonly #client: MqttClient
  #gone: string | null = null

  private constructor(client: MqttClient) {
    this.#client = client
    client.on('close', () => {
      this.#gone ??= 'the connection was closed'
    })
  }

  /** Rejects when there was no answer at all: that proves nothing. */
  static enter(address: BrokerAddress, entry: Entry): Promise<Visitor | TurnedAway> {
    const client = connect(optionsOf(address, entry))
    if (entry.onMessage) listenTo(client, entry.onMessage)
    return new Promise((resolve, reject) => {
      const leave = () => client.end(true)
      client.once('connect', () => resolve(new Visitor(client)))
      client.on('error', error => {
        const evidence = refusalOf(error)
        leave()
        if (evidence === null) reject(error)
        else resolve(new TurnedAway(evidence))
      })
      client.once('close', () => {
        leave()
        reject(new Error('the connection was closed without an answer'))
      })
    })
  }

  /** The reason code of the PUBACK; 0 is success. */
  async publish(topic: string, payload: string): Promise<number> {
    const [answer] = await Promise.all([
      this.#answer('puback'),
      this.#quietly(() => this.#client.publishAsync(topic, payload, { qos: 1 })),
    ])
    return answer.reasonCode ?? 0
  }

  /** The reason code of the SUBACK; below 0x80 it is granted. */
  async subscribe(filter: string): Promise<number> {
    const [answer] = await Promise.all([
      this.#answer('suback'),
      this.#quietly(() => this.#client.subscribeAsync(filter, { qos: 1 })),
    ])
    const [code] = answer.granted ?? []
    return typeof code === 'number' ? code : 0x80
  }

  /** With DISCONNECT; a session with an expiry stays. */
  async leave(): Promise<void> {
    const torn = setTimeout(() => this.#client.stream.destroy(), 1_000)
    await this.#client.endAsync(this.#gone !== null).catch(() => {})
    clearTimeout(torn)
  }

  /** The package turns refusals into errors; the packet says the same and more. */
  async #quietly(ask: () => Promise<unknown>): Promise<void> {
    await ask().catch(() => {})
  }

  #answer(command: 'puback' | 'suback'): Promise<Answer> {
    const client = this.#client
    return new Promise((resolve, reject) => {
      const settle = (action: () => void) => {
        clearTimeout(timer)
        client.removeListener('packetreceive', heard)
        client.removeListener('close', closed)
        action()
      }
      const heard = (packet: Answer) => {
        if (packet.cmd === command) settle(() => resolve(packet))
      }
      const closed = () => settle(() => reject(new Error(`the connection was closed before the ${command}`)))
      const timer = setTimeout(
        () => settle(() => reject(new Error(`no ${command} within ${ANSWER_WITHIN} ms`))),
        ANSWER_WITHIN,
      )
      client.on('packetreceive', heard)
      client.once('close', closed)
      if (this.#gone !== null) closed()
    })
  }
}

interface Answer {
  readonly cmd?: string
  readonly reasonCode?: number
  readonly granted?: readonly unknown[]
}

/** `0x87`, as the standard writes reason codes. */
export const hex = (code: number): string => `0x${code.toString(16).padStart(2, '0')}`

export function listenTo(client: MqttClient, heard: (message: VisitorMessage) => void): void {
  client.on('message', (topic, payload, { retain: retained, properties }) =>
    heard({ topic, payload, contentType: properties?.contentType ?? null, retained }),
  )
}

/** Once, or with `reconnectPeriod` (milliseconds) again and again. */
export function optionsOf(
  { listeners, ca }: BrokerAddress,
  { clientId, username, password, certificate, privateKey, sessionExpiry = 0 }: Entry,
  reconnectPeriod = 0,
): IClientOptions {
  if (listeners.mqtts === undefined) throw new Error('the broker serves no mqtts')
  return {
    ...reachable(listeners.mqtts),
    protocol: 'mqtts',
    servername: 'localhost',
    ca,
    clientId,
    protocolVersion: 5,
    clean: sessionExpiry === 0,
    properties: { sessionExpiryInterval: sessionExpiry },
    connectTimeout: ANSWER_WITHIN,
    reconnectPeriod,
    resubscribe: false,
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(certificate !== undefined && privateKey !== undefined && { cert: certificate, key: privateKey }),
  } as IClientOptions
}

/** A CONNACK or a TLS alert is an answer; a connection that could not be made is none. */
function refusalOf(error: Error): string | null {
  const code: unknown = 'code' in error ? error.code : undefined
  if (typeof code === 'number' && code >= 0x80) return `CONNACK ${hex(code)}`
  if (typeof code === 'string' && code.includes('ALERT')) return `TLS ${code.replace(/^ERR_SSL_/, '').toLowerCase()}`
  return null
}
