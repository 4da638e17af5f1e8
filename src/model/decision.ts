import type { CredentialKind } from './credential.ts'
import type { Transport } from './transport.ts'

export const ACTIONS = ['publish', 'subscribe', 'receive', 'enrol', 'administer'] as const
export type Action = (typeof ACTIONS)[number]

/** What somebody wants to do. `target` is a topic, a filter, a device type, or `devices:write`. */
export interface Request {
  readonly action: Action
  readonly target: string
  readonly qos?: 0 | 1 | 2
  readonly retain?: boolean
}

/** Where and when: what conditions may look at. */
export interface Context {
  readonly credential: CredentialKind | null
  readonly transport: Transport
  readonly address: string
  /** Milliseconds since the epoch. */
  readonly now: number
}

/** The rule that decided, for logs, audit and `policy explain`. */
export interface RuleReference {
  readonly id: string
  readonly role: string
  readonly policyVersion: number
  readonly file: string
  readonly line: number
}

export interface Decision {
  readonly permit: boolean
  /** null means `no-rule`: nothing permitted it. */
  readonly rule: RuleReference | null
  /** For a permitted subscription: the highest QoS that `when.qos` leaves. */
  readonly maxQos: 0 | 1 | 2
  /** When a time window will change this answer (ms since the epoch); null when none will. Caches end there. */
  readonly until: number | null
  /** Why, when it is not a rule: `scope` (the token is narrower), `reserved` (`$SYS` and the like). */
  readonly reason: 'rule' | 'no-rule' | 'scope' | 'reserved'
}
