import { EventEmitter } from 'node:events'
import { Failure } from '../model/failure.ts'
import type { EngineSide } from './session-engine.ts'

/** What the engine takes for a socket; whom it serves changes. */
export class EngineStream extends EventEmitter {
  side: EngineSide
  /** The engine's part in CONNECT is done; CONNACK is ours. */
  connackDue: () => void = () => {}
  readonly writable = true
  readonly readable = true
  destroyed = false
  #isMute = true

  constructor(side: EngineSide) {
    super()
    this.side = side
  }

  serve(side: EngineSide): void {
    this.side = side
    this.#isMute = false
  }

  write(bytes: Buffer | string): boolean {
    if (this.#isMute) return true
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
