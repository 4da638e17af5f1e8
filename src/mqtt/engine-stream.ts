import { EventEmitter } from 'node:events'
import { Failure } from '../model/failure.ts'
import type { EngineSide } from './session-engine.ts'

/** What the engine takes for a socket. Bytes that it writes before CONNACK are dropped: CONNACK is ours. */
export class EngineStream extends EventEmitter {
  readonly side: EngineSide
  readonly writable = true
  readonly readable = true
  destroyed = false
  #writes = false

  constructor(side: EngineSide) {
    super()
    this.side = side
  }

  connack(): void {
    this.#writes = true
    this.guard(() => this.side.connack())
  }

  /** What goes wrong in our own callbacks ends this client, not the process. */
  guard(act: () => void): void {
    try {
      act()
    } catch (error) {
      this.side.failed(error)
    }
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
    if (this.destroyed) return
    this.destroyed = true
    this.emit('close')
  }
}
