import type { CredentialKind } from '../model/credential.ts'
import type { Action } from '../model/decision.ts'
import type { Location } from '../model/failure.ts'
import type { Subject } from '../model/principal.ts'
import type { Transport } from '../model/transport.ts'
import type { Conditions, Qos } from './conditions.ts'
import type { TopicPattern } from './pattern.ts'

export type Effect = 'permit' | 'forbid'
export type Place = Required<Location>

/** The word a rule uses for what it is about; `allow` is publish and subscribe. */
export const RULE_KINDS = ['publish', 'subscribe', 'receive', 'allow', 'enrol', 'administer'] as const
export type RuleKind = (typeof RULE_KINDS)[number]

export const ACTIONS_OF: Readonly<Record<RuleKind, readonly Action[]>> = {
  publish: ['publish'],
  subscribe: ['subscribe'],
  receive: ['receive'],
  allow: ['publish', 'subscribe'],
  enrol: ['enrol'],
  administer: ['administer'],
}

export interface Rule {
  readonly id: string
  readonly effect: Effect
  readonly kind: RuleKind
  /** Of publish, subscribe, receive and allow; empty for the others. */
  readonly patterns: readonly TopicPattern[]
  /** Device types or `*` of enrol, `area:verb` of administer; empty for the others. */
  readonly names: readonly string[]
  readonly when: Conditions | null
  readonly place: Place
}

export interface Role {
  readonly name: string
  readonly rules: readonly Rule[]
  readonly place: Place
}

/** Roles for every device of a type, one device or client, or the members of a group. */
export interface Assignment {
  readonly by: 'type' | 'id' | 'group'
  readonly value: string
  readonly roles: readonly { readonly name: string; readonly place: Place }[]
  readonly place: Place
}

/** Who acts in a test: described in place, or the id of a registered device or client. */
export type TestActor = { readonly inline: Subject } | { readonly registered: string }

export interface PolicyTest {
  readonly actor: TestActor
  readonly action: Action
  readonly target: string
  readonly qos: Qos | null
  readonly retain: boolean
  readonly credential: CredentialKind | null
  readonly transport: Transport
  readonly address: string
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly scopes: readonly string[] | null
  readonly expect: 'allow' | 'deny'
  /** Id of the rule that must decide. */
  readonly rule: string | null
  readonly place: Place
}

/** One policy file, parsed. */
export interface PolicyDocument {
  readonly file: string
  readonly roles: readonly Role[]
  readonly assignments: readonly Assignment[]
  readonly tests: readonly PolicyTest[]
}

/** The parts of the HTTP API that `administer` speaks of: `devices:read`, `policies:write`. */
export const AREAS = [
  'devices',
  'credentials',
  'clients',
  'enrolments',
  'policies',
  'audit',
  'messages',
  'sessions',
  'ca',
  'keys',
] as const
export type Area = (typeof AREAS)[number]

export const VERBS = ['read', 'write'] as const
export type Verb = (typeof VERBS)[number]
