// The four ways in: MQTT over TCP and TLS, and over WebSocket on top of each.
import { Failure } from '../model/failure.ts'
import { type Listener, openListener as openStream, type ListenerOptions as StreamOptions } from '../stream/listener.ts'
import type { TlsMaterial } from '../stream/tls-acceptor.ts'
import type { WebSocketTerms } from '../stream/websocket-acceptor.ts'

export type MqttTransport = 'mqtt' | 'mqtts' | 'ws' | 'wss'

export interface ListenerOptions extends Omit<StreamOptions, 'name' | 'protocol' | 'tls' | 'webSocket' | 'handshakes'> {
  readonly name: MqttTransport
  /** Required for `mqtts` and `wss`. */
  readonly tls?: TlsMaterial
  /** Paths that serve MQTT over WebSocket. */
  readonly paths?: readonly string[]
  /** The key of a TLS-PSK identity, `mqtts` alone; null for whatever is unknown, revoked or expired. */
  readonly pskKey?: (identity: string) => Buffer | null
  /** Shared by all listeners of a broker. */
  readonly reception: StreamOptions['handshakes']
}

/** MQTT 3.1.1 and 5 [MQTT-6.0.0-3], then MQTT 3.1. */
const SUBPROTOCOLS = ['mqtt', 'mqttv3.1']
const PATHS = ['/mqtt', '/']

/** Opens a port. Throws `listener-failed` when it is taken or `tls` is missing or malformed. */
export async function openListener(options: ListenerOptions): Promise<Listener> {
  const { name, tls: material, pskKey, paths = PATHS, reception, ...rest } = options
  const overWebSocket = name === 'ws' || name === 'wss'
  const webSocket: WebSocketTerms = { paths, subprotocols: SUBPROTOCOLS, keepsMessages: false, protocol: 'MQTT' }
  const isSecure = name === 'mqtts' || name === 'wss'
  if (isSecure && material === undefined)
    throw new Failure('listener-failed', `listener ${name} needs a certificate and its private key`)
  return await openStream({
    ...rest,
    name,
    protocol: 'mqtt',
    handshakes: reception,
    tls:
      isSecure && material !== undefined
        ? { material, protocol: overWebSocket ? 'http/1.1' : 'mqtt', pskKey: overWebSocket ? null : (pskKey ?? null) }
        : null,
    webSocket: overWebSocket ? webSocket : null,
  })
}
