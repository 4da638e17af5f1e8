import { EventEmitter } from 'node:events'
import { Failure } from '../model/failure.ts'
import type { EngineSide } from './session-engine.ts'

/** Thrown when the engine begins to write CONNACK, which is ours: there its part in CONNECT ends. */
export const CONNACK_DUE = new Error('CONNACK is due')

/** What the engine takes for a socket; whom it serves changes. */
export class EngineStream extends EventEmitter {
  side: EngineSide
  readonly writable = true
  readonly readable = true
  destroyed = false
  #isConnecting = false
  #isMute = true

  constructor(side: EngineSide) {
    super()
    this.side = side
  }

  serve(side: EngineSide, isConnecting: boolean): void {
    this.side = side
    this.#isConnecting = isConnecting
    this.#isMute = false
  }

  write(bytes: Buffer | string): boolean {
    if (this.#isMute) return true
    if (this.#isConnecting) throw CONNACK_DUE
    this.side.write(typeof bytes === 'string' ? Buffer.from(bytes) : bytes)
    return true
  }

  withoutWriting(act: () => void): void {
    this.#isMute = true
    act()
    this.#isMute = false
  }

  read(): null {
    return null
  }

  end(): void {
    this.destroy()
  }

  destroy(error?: Error): void {
    if (!this.destroyed) this.side.failed(error ?? new Failure('internal', 'The session engine closed a connection.'))
  }

  close(): void {
    this.destroyed = true
    this.#isMute = true
  }
}
