// A link over MQTT 5 with the `mqtt` package: TLS with a certificate or a pre-shared key, a secret or JWT as password, WebSocket.
import type { ConnectionOptions } from 'node:tls'
import { connect, type IClientOptions, type MqttClient } from 'mqtt'
import { mimeOf } from '../../src/coap-wire/content-formats.ts'
import {
  type Link,
  LinkClosed,
  type LinkListener,
  type LinkParts,
  LoginRefused,
  type Outcome,
  type Outgoing,
  reachable,
} from './link.ts'

export type MqttProtocol = 'mqtt' | 'mqtts' | 'ws' | 'wss'

export interface MqttLinkParts extends LinkParts {
  readonly protocol: MqttProtocol
  /** Seconds that the broker keeps subscriptions and messages while the device is away; 0: a visit, nothing is kept. */
  readonly sessionExpiry: number
}

/** Milliseconds until the CONNACK. */
const CONNECT_TIMEOUT = 5_000
/** Seconds. */
const KEEP_ALIVE = 10
/** Milliseconds for DISCONNECT and close before the socket is torn down. */
const FAREWELL = 1_000
/** Suites with a pre-shared key: TLS 1.3 carries it in its own extension, TLS 1.2 needs a PSK suite. */
const PSK_CIPHERS = 'TLS_AES_128_GCM_SHA256:PSK+HIGH'

/** CONNACK codes by which the broker turns away this device, not everybody (MQTT 5, 3.2.2.2). */
const REFUSALS: ReadonlySet<number> = new Set([0x85, 0x86, 0x87, 0x8a, 0x8c])
/** Codes after which the same packet may succeed: quota exceeded, implementation specific, server busy. */
const PASSING: ReadonlySet<number> = new Set([0x83, 0x89, 0x97])

/** Logs in. Throws `LoginRefused`, or whatever kept the connection from being made. */
export function openMqttLink(parts: MqttLinkParts): Promise<MqttLink> {
  parts.signal.throwIfAborted()
  return new Promise((resolve, reject) => {
    const client = connect(optionsOf(parts))
    const link = new MqttLink(client, parts.listener)
    let failure: Error | null = null
    const abort = () => fail(new LinkClosed('the device was stopped'))
    const fail = (error: Error) => {
      parts.signal.removeEventListener('abort', abort)
      void link.end()
      reject(error)
    }
    parts.signal.addEventListener('abort', abort, { once: true })
    client.once('connect', () => {
      parts.signal.removeEventListener('abort', abort)
      link.opened()
      resolve(link)
    })
    client.on('error', error => {
      failure ??= REFUSALS.has(codeOf(error)) ? new LoginRefused(error.message) : error
    })
    client.once('close', () => {
      if (!link.isOpen) fail(failure ?? new LinkClosed('the connection was closed before the CONNACK'))
    })
  })
}

export class MqttLink implements Link {
  readonly #client: MqttClient
  readonly #listener: LinkListener
  readonly #pending = new Set<(error: Error) => void>()
  #state: 'opening' | 'open' | 'closed' = 'opening'
  #reason = 'the connection was lost'

  constructor(client: MqttClient, listener: LinkListener) {
    this.#client = client
    this.#listener = listener
    // Also while the link ends: the package acknowledges what it has handed over, and the broker forgets it.
    client.on('message', (topic, payload, { properties }) =>
      listener.message({ topic, payload, contentType: properties?.contentType ?? null }),
    )
    client.on('disconnect', packet => {
      const text = packet.properties?.reasonString
      this.#reason = `the broker ended the connection: ${text ?? `reason 0x${(packet.reasonCode ?? 0).toString(16)}`}`
    })
    client.on('error', error => {
      this.#reason = error.message
    })
    client.on('close', () => this.#closed())
  }

  get isOpen(): boolean {
    return this.#state === 'open'
  }

  opened(): void {
    this.#state = 'open'
  }

  publish({ topic, payload, contentFormat, qos, retain }: Outgoing): Promise<Outcome> {
    const contentType = mimeOf(contentFormat)
    const options = { qos, retain, ...(contentType !== null && { properties: { contentType } }) }
    return this.#answered(settle => this.#client.publish(topic, payload, options, error => settle(error ?? null)))
  }

  subscribe(filter: string): Promise<Outcome> {
    return this.#answered(settle => this.#client.subscribe(filter, { qos: 1 }, error => settle(error)))
  }

  end(): Promise<void> {
    return this.#end(this.#state === 'open' && this.#client.connected)
  }

  drop(): Promise<void> {
    return this.#end(false)
  }

  #end(polite: boolean): Promise<void> {
    this.#state = 'closed'
    this.#failPending(new LinkClosed('the link was ended'))
    return new Promise(resolve => {
      const stream = this.#client.stream
      if (stream.destroyed && !this.#client.connected) return void this.#client.end(true, () => resolve())
      const torn = setTimeout(() => stream.destroy(), FAREWELL)
      stream.once('close', () => {
        clearTimeout(torn)
        resolve()
      })
      this.#client.end(!polite)
    })
  }

  /** Resolves by the answer's reason code, rejects when the link closes first. */
  #answered(ask: (settle: (error: Error | null) => void) => void): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      if (this.#state !== 'open') return reject(new LinkClosed(this.#reason))
      this.#pending.add(reject)
      ask(error => {
        this.#pending.delete(reject)
        const code = error === null ? 0 : codeOf(error)
        if (error === null) resolve('accepted')
        else if (code < 0x80) reject(new LinkClosed(error.message))
        else resolve(PASSING.has(code) ? 'later' : 'denied')
      })
    })
  }

  #closed(): void {
    if (this.#state !== 'open') return
    this.#state = 'closed'
    this.#failPending(new LinkClosed(this.#reason))
    this.#client.end(true)
    this.#listener.closed(this.#reason)
  }

  #failPending(error: Error): void {
    for (const reject of this.#pending) reject(error)
    this.#pending.clear()
  }
}

/** `reconnectPeriod` 0: the device opens its next link itself, with the credential it has then. */
function optionsOf({ protocol, endpoint, ca, clientId, login, sessionExpiry }: MqttLinkParts): IClientOptions {
  const { host, port } = reachable(endpoint)
  const options: IClientOptions = {
    protocol,
    host,
    port,
    clientId,
    protocolVersion: 5,
    clean: sessionExpiry === 0,
    properties: { sessionExpiryInterval: sessionExpiry },
    keepalive: KEEP_ALIVE,
    connectTimeout: CONNECT_TIMEOUT,
    reconnectPeriod: 0,
    resubscribe: false,
    ...(login.by === 'password' && { username: clientId, password: login.password }),
  }
  // The certificate names `localhost` and the broker's host names; the way there may be an address.
  if (protocol === 'ws' || protocol === 'wss') {
    const wsOptions: ConnectionOptions = { ca, servername: 'localhost' }
    return { ...options, path: '/mqtt', wsOptions: wsOptions as object }
  }
  const security: ConnectionOptions =
    login.by === 'psk'
      ? {
          ciphers: PSK_CIPHERS,
          pskCallback: () => ({ identity: login.identity, psk: login.key }),
          // The key proves the broker too; there is no certificate to look at.
          checkServerIdentity: () => undefined,
        }
      : { servername: 'localhost', ca }
  return {
    ...options,
    ...(security as IClientOptions),
    ...(login.by === 'certificate' && { cert: login.certificate, key: login.privateKey }),
  }
}

const codeOf = (error: Error): number => ('code' in error && typeof error.code === 'number' ? error.code : 0)
