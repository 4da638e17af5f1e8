import type { CredentialKind } from '../model/credential.ts'
import type { Action, Decision } from '../model/decision.ts'
import type { FailureCode } from '../model/failure.ts'
import type { PrincipalKind } from '../model/principal.ts'
import { printable } from '../model/printable.ts'
import type { Transport } from '../model/transport.ts'

/** Who did it: an operator or service by its id, a device for itself, or the broker. */
export interface Actor {
  readonly kind: PrincipalKind | 'system'
  readonly id: string
  readonly address?: string
}

export interface AuthenticationEvent {
  readonly type: 'authentication'
  readonly result: 'accepted' | 'refused'
  readonly failure: FailureCode | null
  readonly transport: Transport
  readonly address: string
  readonly clientId: string | null
  /** null when nobody was recognised, and for `anonymous`. */
  readonly principal: string | null
  /** Credential id. */
  readonly credential: string | null
  readonly credentialKind: CredentialKind | null
}

export interface SessionEvent {
  readonly type: 'session-start' | 'session-end'
  readonly session: string
  /** null for `anonymous`. */
  readonly principal: string | null
  readonly transport: Transport
  readonly address: string
  readonly clientId: string | null
  /** Why it ended, when somebody or something ended it; null at the start and at a normal end. */
  readonly failure: FailureCode | null
}

/**
 * What was decided for one principal, action and rule within one minute. The first is written at once with count 1, the
 * total when the minute is over: of several records with the same minute the last one counts.
 */
export interface DecisionEvent {
  readonly type: 'decision'
  /** `others` when there were more principals, actions and rules in this minute than are counted one by one. */
  readonly principal: string
  readonly action: Action
  /** The first one seen. */
  readonly target: string
  readonly permit: boolean
  readonly rule: string | null
  readonly policyVersion: number | null
  readonly file: string | null
  readonly line: number | null
  readonly reason: Decision['reason']
  /** How the first one was asked, so that it can be explained exactly; null for `others`. */
  readonly circumstances: DecisionCircumstances | null
  /** Minutes since the epoch. */
  readonly minute: number
  readonly count: number
}

/** What conditions of rules may look at. */
export interface DecisionCircumstances {
  readonly credential: CredentialKind | null
  readonly transport: Transport
  readonly address: string
  /** null where it was not said. */
  readonly qos: 0 | 1 | 2 | null
  readonly retain: boolean | null
  /** The token's scopes, separated by spaces; null when nothing narrowed the roles. */
  readonly scopes: string | null
}

export interface ChangeEvent {
  readonly type: 'change'
  /** `device.created`, `credential.revoked` and the like. */
  readonly what: string
  readonly target: string
  readonly actor: Actor
  readonly detail: Readonly<Record<string, string | number | boolean | null>>
}

export interface AdministrationEvent {
  readonly type: 'administration'
  readonly what: string
  readonly actor: Actor
  readonly target: string
  readonly result: FailureCode | 'ok'
}

/** Stands for events that were counted but not written: a stranger's bytes of that minute were spent, or the queue was full. */
export interface OmittedEvent {
  readonly type: 'omitted'
  readonly of: AuditEvent['type']
  /** Minutes since the epoch. */
  readonly minute: number
  readonly count: number
  /** How many of them by failure code; `none` for those without. */
  readonly failures: Readonly<Record<string, number>>
}

/** The trail itself was found damaged when the broker started. `verify` reports it from then on. */
export interface DamageEvent {
  readonly type: 'damage'
  readonly reason: string
}

export type AuditEvent =
  | AuthenticationEvent
  | SessionEvent
  | DecisionEvent
  | ChangeEvent
  | AdministrationEvent
  | OmittedEvent
  | DamageEvent

export const AUDIT_EVENT_TYPES = [
  'authentication',
  'session-start',
  'session-end',
  'decision',
  'change',
  'administration',
  'omitted',
  'damage',
] as const satisfies readonly AuditEvent['type'][]

/** The principal an event is about or was done by; null when there is none. */
export function principalOf(event: AuditEvent): string | null {
  switch (event.type) {
    case 'authentication':
    case 'session-start':
    case 'session-end':
    case 'decision':
      return event.principal
    case 'change':
    case 'administration':
      return event.actor.id
    case 'omitted':
    case 'damage':
      return null
  }
}

/** Caused by somebody who proved nothing: such events must not fill the disk. */
export function isStrangers(event: AuditEvent): boolean {
  if (event.type === 'authentication') return event.result === 'refused' || event.principal === null
  return (event.type === 'session-start' || event.type === 'session-end') && event.principal === null
}

const MAXIMUM_TEXT = 256

/**
 * Every string of it bounded and without control characters: it will stand in logs, terminals and pages. The event
 * itself where that holds already.
 */
export function printableEvent<E extends AuditEvent>(event: E): E {
  return isPrintable(event) ? event : (printableMembers(event) as E)
}

const PRINTABLE_ASCII = /^[ -~]*$/

/** True only when nothing would change; what is not ASCII is looked at more closely. */
function isPrintable(value: object): boolean {
  for (const name in value) {
    const member: unknown = (value as Record<string, unknown>)[name]
    if (!PRINTABLE_ASCII.test(name) || name.length > MAXIMUM_TEXT) return false
    if (typeof member === 'string') {
      if (member.length > MAXIMUM_TEXT || !PRINTABLE_ASCII.test(member)) return false
    } else if (typeof member === 'object' && member !== null && !isPrintable(member)) return false
  }
  return true
}

function printableMembers(value: object): object {
  const members = Object.entries(value).map(([name, member]) => [printable(name), printableMember(member)])
  return Object.fromEntries(members)
}

function printableMember(member: unknown): unknown {
  if (typeof member === 'string') return printable(member, MAXIMUM_TEXT)
  return typeof member === 'object' && member !== null ? printableMembers(member) : member
}
