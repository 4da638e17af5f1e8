import { Failure } from '../model/failure.ts'
import { isIdentifier } from '../model/identifier.ts'
import type { Subject } from '../model/principal.ts'
import { printable } from '../model/printable.ts'
import { isTopicFilter } from '../model/topic.ts'
import { type ConcreteRule, concreteRules, nameMatches, ruleIsAbout } from './concrete-rule.ts'
import { contains, intersects } from './containment.ts'
import { AREAS, type Area, VERBS, type Verb } from './document.ts'
import type { Policy } from './policy.ts'

/** What one scope token leaves of the roles. Scopes only narrow: without the role, a scope gives nothing. */
export type Scope =
  | { readonly kind: 'publish' | 'subscribe'; readonly filter: string }
  /** All that one of the roles permits. */
  | { readonly kind: 'role'; readonly role: string }
  | { readonly kind: 'administer'; readonly area: Area; readonly verb: Verb }

/** Longer scope tokens are refused unread. */
export const MAX_SCOPE_LENGTH = 1024

/** RFC 6749 3.3: scope-token = 1*( %x21 / %x23-5B / %x5D-7E ). */
const SCOPE_TOKEN = /^[\u0021\u0023-\u005b\u005d-\u007e]+$/

/** Parses `publish:<filter>`, `subscribe:<filter>`, `role:<name>` or `<area>:<read|write>`; throws `invalid-scope`. */
export function parseScope(text: string): Scope {
  const colon = text.indexOf(':')
  if (text.length > MAX_SCOPE_LENGTH || !SCOPE_TOKEN.test(text) || colon < 0) return malformed(text)
  const head = text.slice(0, colon)
  const rest = decode(text.slice(colon + 1))
  if (rest === null) return malformed(text)
  if (head === 'publish' || head === 'subscribe') {
    const shared = rest === '$share' || rest.startsWith('$share/')
    if (shared || rest.includes('${') || !isTopicFilter(rest)) return malformed(text)
    return { kind: head, filter: rest }
  }
  if (head === 'role' && isIdentifier(rest)) return { kind: 'role', role: rest }
  const area = AREAS.find(name => name === head)
  const verb = VERBS.find(name => name === rest)
  return area && verb ? { kind: 'administer', area, verb } : malformed(text)
}

/** The scope as a token, percent-encoded where RFC 6749 3.3 does not allow a character as it is. */
export function formatScope(scope: Scope): string {
  switch (scope.kind) {
    case 'role':
      return `role:${scope.role}`
    case 'administer':
      return `${scope.area}:${scope.verb}`
    default:
      return `${scope.kind}:${scope.filter.replace(/[^\u0021\u0023\u0024\u0026-\u005b\u005d-\u007e]/gu, encodeURIComponent)}`
  }
}

/**
 * The requested scopes that are malformed, wider than the subject's roles, or wider than the `registered` scopes (of
 * which null sets no bound). Conditions of rules are not asked here but whenever the token is used.
 */
export function scopesWithin(
  policy: Policy,
  subject: Subject,
  requested: readonly string[],
  registered: readonly string[] | null = null,
): string[] {
  const rules = concreteRules(policy, subject)
  const roles = new Set(policy.rolesOf(subject))
  const bounds = registered?.flatMap(text => readOrNone(text)) ?? null
  return requested.filter(text => {
    const scope = readOrNone(text)[0]
    return !scope || !isWithinRoles(scope, roles, rules) || (bounds !== null && !isWithinScopes(scope, bounds, rules))
  })
}

function isWithinRoles(scope: Scope, roles: ReadonlySet<string>, rules: readonly ConcreteRule[]): boolean {
  if (scope.kind === 'role') return roles.has(scope.role)
  const permits = rules.filter(rule => rule.effect === 'permit' && ruleIsAbout(rule, scope.kind))
  const forbids = rules.filter(rule => rule.effect === 'forbid' && rule.when === null && ruleIsAbout(rule, scope.kind))
  if (scope.kind === 'administer') {
    const right = `${scope.area}:${scope.verb}`
    const speaks = (rule: ConcreteRule): boolean => rule.names.some(name => nameMatches(name, right))
    return permits.some(speaks) && !forbids.some(speaks)
  }
  const { filter } = scope
  if (forbids.some(rule => rule.filters.some(other => intersects(other, filter)))) return false
  return contains(
    permits.flatMap(rule => rule.filters),
    filter,
  )
}

/** A registered `role:` scope bounds what its role permits; a requested role must be registered by name. */
function isWithinScopes(scope: Scope, bounds: readonly Scope[], rules: readonly ConcreteRule[]): boolean {
  if (scope.kind === 'role') return bounds.some(bound => bound.kind === 'role' && bound.role === scope.role)
  const names = new Set(bounds.flatMap(bound => (bound.kind === 'role' ? [bound.role] : [])))
  const permits = rules.filter(
    rule => rule.effect === 'permit' && names.has(rule.role) && ruleIsAbout(rule, scope.kind),
  )
  if (scope.kind === 'administer') {
    const right = formatScope(scope)
    const named = bounds.some(bound => bound.kind === 'administer' && formatScope(bound) === right)
    return named || permits.some(rule => rule.names.some(name => nameMatches(name, right)))
  }
  const filters = bounds.flatMap(bound => (bound.kind === scope.kind ? [bound.filter] : []))
  return contains([...filters, ...permits.flatMap(rule => rule.filters)], scope.filter)
}

/** The scope, or nothing when it cannot be read. */
export function readOrNone(text: string): Scope[] {
  try {
    return [parseScope(text)]
  } catch {
    return []
  }
}

function decode(text: string): string | null {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}

function malformed(text: string): never {
  throw new Failure(
    'invalid-scope',
    `"${printable(text, 80)}" is not a scope; write publish:<filter>, subscribe:<filter>, role:<name> or <area>:<read|write>`,
  )
}
