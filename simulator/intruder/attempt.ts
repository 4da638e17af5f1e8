// What an attempt is: made for real, and judged by its effect.
import type { BrokerAddress } from '../devices/home-device.ts'
import type { TokenSubject } from '../devices/signed-token.ts'

export interface IntruderParts {
  readonly address: BrokerAddress
  /** A device that is registered like any other. */
  readonly own: { readonly id: string; readonly secret: string; readonly key: TokenSubject }
  readonly victim: { readonly room: string; readonly thermostat: string; readonly airConditioner: string }
}

export interface Attempt {
  /** Name of the check. */
  readonly name: string
  readonly expected: string
  make(): Promise<Outcome>
}

export interface Outcome {
  /** It came to what is expected: with one exception, that the broker refused it. */
  readonly ok: boolean
  readonly observed: string
  /** The answers on the wire. */
  readonly evidence: string
  /** Of the command that must not be seen by anybody. */
  readonly command?: { readonly room: string; readonly id: number }
}

/**
 * Ids of commands that must not arrive. Each is lower than the one before: a thermostat that hears of one that did goes on
 * above it, and must not come by another.
 */
export const COMMANDS = {
  mqtt: 4_000_000_000,
  coap: 3_000_000_000,
  session: 2_000_000_000,
  energy: 1_000_000_000,
} as const

/** Milliseconds in which something that should not come would have come. */
const LISTENED = 2_500

/** Resolves when woken, or when enough time has passed for something to come. */
export function listened(onWake: (wake: () => void) => void): Promise<void> {
  return new Promise(resolve => {
    const timer = setTimeout(resolve, LISTENED)
    onWake(() => {
      clearTimeout(timer)
      resolve()
    })
  })
}
