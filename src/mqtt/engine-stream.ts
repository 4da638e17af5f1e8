import { EventEmitter } from 'node:events'
import { Failure } from '../model/failure.ts'
import type { EngineSide } from './session-engine.ts'

/** What the engine takes for a socket; whom it serves changes. CONNACK is ours: what is written before it is dropped. */
export class EngineStream extends EventEmitter {
  side: EngineSide
  readonly writable = true
  readonly readable = true
  destroyed = false
  #writes = false

  constructor(side: EngineSide) {
    super()
    this.side = side
  }

  /** `writes`: CONNACK is out. */
  serve(side: EngineSide, writes: boolean): void {
    this.side = side
    this.#writes = writes
  }

  connack(): void {
    this.#writes = true
    guarded(this.side, () => this.side.connack())
  }

  write(bytes: Buffer | string): boolean {
    if (this.#writes) this.side.write(typeof bytes === 'string' ? Buffer.from(bytes) : bytes)
    return true
  }

  withoutWriting(act: () => void): void {
    this.#writes = false
    act()
    this.#writes = true
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
    this.#writes = false
  }
}

/** What goes wrong in our own callbacks ends this client, not the process. */
export function guarded(side: EngineSide, act: () => void): void {
  try {
    act()
  } catch (error) {
    side.failed(error)
  }
}
