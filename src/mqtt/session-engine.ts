// The port behind which an MQTT session engine orders and answers packets. It never routes, stores, or sees a real name.
import type { FailureCode } from '../model/failure.ts'
import type { ConnectPacket } from './packets.ts'

/** Made once; opens one session per connection. */
export interface SessionEngine {
  open(side: EngineSide): EngineSession
  close(): Promise<void>
}

/** One client. Every method is one packet; `done` is called when it is answered, never within the call. */
export interface EngineSession {
  /** Asks `admit`; `done`: CONNACK is due. */
  connect(packet: ConnectPacket, done: () => void): void
  /**
   * QoS 1 and 2. `accept` takes responsibility for the message, at once or when its promise resolves; then it is
   * acknowledged. A code returned or resolved refuses the message and says so where the protocol can (MQTT 5).
   */
  publish(message: { qos: 1 | 2; packetId: number }, accept: () => Accepted | Promise<Accepted>, done: () => void): void
  pubrel(packetId: number, done: () => void): void
  /** `granted`: for each filter the QoS granted, or a code of 0x80 and above. */
  subscribe(packetId: number, granted: readonly number[], done: () => void): void
  /** `existed`: for each filter whether it was subscribed. */
  unsubscribe(packetId: number, existed: readonly boolean[], done: () => void): void
  ping(): void
  /** The connection is gone. */
  close(): void
}

/** null: accepted. */
export type Accepted = FailureCode | null

/** What the engine asks of the connection it serves. */
export interface EngineSide {
  /** Who is it, and may it have this session? On false the connection has been answered and ended already. */
  admit(): Promise<boolean>
  /** Part of an answer, or the whole of it. */
  write(bytes: Buffer): void
  /** An answer other than CONNACK has been written to its end. */
  answered(): void
  /** The engine gave up on this client. */
  failed(error: unknown): void
  /** A QoS 2 message with this identifier came in and is not released. */
  isReceived(packetId: number): boolean
  /** Resolves when the release is durable. */
  release(packetId: number): Promise<void>
}
