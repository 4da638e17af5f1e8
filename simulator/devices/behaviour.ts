// What a device does with its connection: measure, obey, report. How it gets and keeps one is the station's affair.
import type { Message } from '../message.ts'

export interface SayOptions {
  /** Default 1. */
  readonly qos?: 0 | 1
  readonly retain?: boolean
  /** Instead of the next number of the topic, which would be put into the body as `seq`. */
  readonly seq?: number
}

export interface Voice {
  /** Somebody may hear it now. */
  readonly linked: boolean
  /** Sends as soon as there is a link; with QoS 1 it is sent again until the broker has it. */
  say(topic: string, body: Message, options?: SayOptions): void
}

/** None of these may throw: they are called by timers and sockets. */
export interface Behaviour {
  readonly filters: readonly string[]
  /** When the device takes part for the first time, and again after a stop. */
  begin(voice: Voice): void
  /** After each login. */
  connected(voice: Voice): void
  /** `message` comes from the wire: anything may be in it. */
  received(topic: string, message: Message, voice: Voice): void
  end(): void
}

/** Milliseconds of wall time for a period of simulated seconds: at most ten periods in a second. */
export const wallPeriod = (simulatedSeconds: number, speed: number) => Math.max(100, (simulatedSeconds * 1000) / speed)

/** Calls `work` now and then every so many milliseconds; the answer ends it. */
export function every(milliseconds: number, work: () => void): () => void {
  work()
  const timer = setInterval(work, milliseconds)
  return () => clearInterval(timer)
}
