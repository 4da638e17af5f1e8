import type { CredentialKind } from '../model/credential.ts'
import type { Context, Request } from '../model/decision.ts'
import type { Transport } from '../model/transport.ts'
import { isInside, type Network } from './network.ts'
import { isWithin, nextChange, type TimeWindow } from './time-window.ts'

export type Qos = 0 | 1 | 2

/** What a rule's `when` demands; null where it demands nothing. All of it must hold. */
export interface Conditions {
  readonly qos: readonly Qos[] | null
  readonly retain: boolean | null
  readonly credential: readonly CredentialKind[] | null
  readonly transport: readonly Transport[] | null
  readonly network: readonly Network[] | null
  readonly time: TimeWindow | null
}

/** What a request says of itself (for a subscription, the QoS that would be granted); null where it does not say. */
export interface Facts {
  readonly qos: Qos | null
  readonly retain: boolean | null
}

export function factsOf({ qos, retain }: Request): Facts {
  return { qos: qos ?? null, retain: retain ?? null }
}

/**
 * The first condition that does not hold, or null when all do. `unknown` is the answer where nobody can tell (no QoS
 * was named, an address is no IP address): false for a permit and true for a forbid, so that doubt always closes.
 */
export function unmet(
  when: Conditions | null,
  facts: Facts,
  context: Context,
  unknown: boolean,
): keyof Conditions | null {
  if (when === null) return null
  if (when.qos !== null && !(facts.qos === null ? unknown : when.qos.includes(facts.qos))) return 'qos'
  if (when.retain !== null && !(facts.retain === null ? unknown : when.retain === facts.retain)) return 'retain'
  if (when.credential !== null && (context.credential === null || !when.credential.includes(context.credential))) {
    return 'credential'
  }
  if (when.transport !== null && !when.transport.includes(context.transport)) return 'transport'
  if (when.network !== null && !when.network.some(network => isInside(network, context.address) ?? unknown)) {
    return 'network'
  }
  if (when.time !== null && !isWithin(when.time, context.now)) return 'time'
  return null
}

/** The earlier of two moments (ms since the epoch) at which cached answers end; null is never. */
export function earlier(one: number | null, other: number | null): number | null {
  if (one === null || other === null) return one ?? other
  return Math.min(one, other)
}

/** When the rule's time window opens or closes next; null without one. */
export function nextTurn(when: Conditions | null, now: number): number | null {
  return when === null || when.time === null ? null : nextChange(when.time, now)
}
