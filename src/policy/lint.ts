// What is allowed but probably not meant. Nothing here changes a decision.
import { intersects } from './containment.ts'
import { ACTIONS_OF, type Place } from './document.ts'
import type { TopicPattern } from './pattern.ts'
import type { PlacedRule, Policy } from './policy.ts'

export interface Finding {
  readonly severity: 'warning' | 'note'
  readonly code:
    | 'swallowed'
    | 'redundant'
    | 'unassigned'
    | 'everything'
    | 'operator-role'
    | 'unknown-type'
    | 'optional-variable'
    | 'forbid-without-permit'
    | 'empty-role'
    | 'no-tests'
  readonly message: string
  readonly place: Place | null
}

export interface LintOptions {
  /** Roles that manifests or clients carry, so that they count as assigned. */
  readonly rolesInUse?: ReadonlySet<string>
  /** Tells whether a device type exists; left out, types are not looked at. */
  readonly isDeviceType?: (id: string) => boolean
}

/** The rules of a role with more patterns than this are not compared with each other: that takes quadratic time. */
export const MAX_COMPARED_PATTERNS = 2_000

export function lint(policy: Policy, { rolesInUse = new Set(), isDeviceType }: LintOptions = {}): Finding[] {
  const own = policy.documents.flatMap(document => document.roles)
  const assigned = new Set(policy.assignments.flatMap(({ roles }) => roles.map(role => role.name)))
  const typed = new Set(policy.assignments.filter(a => a.by === 'type').flatMap(a => a.roles.map(role => role.name)))
  const findings = own.flatMap(({ name, place }): Finding[] => {
    const rules = policy.roles.get(name) ?? []
    if (rules.length === 0) {
      return [note('empty-role', `role ${name} has no rules and permits nothing`, place)]
    }
    const unused = !assigned.has(name) && !rolesInUse.has(name)
    return [
      ...(unused ? [note('unassigned', `role ${name} is assigned to nobody in "assign"`, place)] : []),
      ...(patternsOf(rules) > MAX_COMPARED_PATTERNS ? [] : rules.flatMap(rule => compareWithin(rule, rules))),
      ...rules.flatMap(rule => judgeAlone(rule, typed.has(name))),
    ]
  })
  const tests = policy.documents.reduce((count, document) => count + document.tests.length, 0)
  return [
    ...findings,
    ...operatorRoles(policy),
    ...(isDeviceType ? unknownTypes(policy, isDeviceType) : []),
    ...(tests === 0 && own.length > 0
      ? [note('no-tests', 'the policy has no tests; add some under "tests"', null)]
      : []),
  ]
}

function patternsOf(rules: readonly PlacedRule[]): number {
  return rules.reduce((count, rule) => count + rule.patterns.length, 0)
}

/** What one rule means beside the others of its role. */
function compareWithin(rule: PlacedRule, rules: readonly PlacedRule[]): Finding[] {
  if (rule.patterns.length === 0) return []
  const sameActions = rules.filter(other =>
    ACTIONS_OF[rule.kind].every(action => ACTIONS_OF[other.kind].includes(action)),
  )
  if (rule.effect === 'forbid') return forbidWithoutPermit(rule, rules)
  const unconditional = sameActions.filter(other => other !== rule && other.when === null)
  const covering = (effect: PlacedRule['effect']): PlacedRule | undefined =>
    unconditional.find(other => other.effect === effect && rule.patterns.every(pattern => isCovered(pattern, other)))
  const forbid = covering('forbid')
  if (forbid) {
    const message = `rule ${rule.id} of role ${rule.role} can never permit anything: rule ${forbid.id} forbids all of it`
    return [warning('swallowed', message, rule.place)]
  }
  const permit = covering('permit')
  if (!permit || (permit.order > rule.order && covers(rule, permit))) return []
  const message = `rule ${rule.id} of role ${rule.role} adds nothing: rule ${permit.id} permits all of it`
  return [note('redundant', message, rule.place)]
}

function covers(rule: PlacedRule, other: PlacedRule): boolean {
  return rule.when === null && rule.kind === other.kind && other.patterns.every(pattern => isCovered(pattern, rule))
}

function isCovered(pattern: TopicPattern, by: PlacedRule): boolean {
  return by.patterns.some(other => covered(pattern, other))
}

/** Whether one pattern matches all that another matches, whatever the variables hold. Level by level, so not exact. */
function covered(inner: TopicPattern, outer: TopicPattern): boolean {
  for (let i = 0; ; i++) {
    const a = inner.levels[i]
    const b = outer.levels[i]
    const reserved = i === 0 && a?.kind === 'literal' && a.text.startsWith('$')
    if (b?.kind === 'hash') return !reserved
    if (!a || !b) return a === b
    if (a.kind === 'hash') return false
    if (b.kind === 'plus' ? reserved : !sameLevel(a, b)) return false
  }
}

function sameLevel(a: TopicPattern['levels'][number], b: TopicPattern['levels'][number]): boolean {
  if (a.kind === 'literal' && b.kind === 'literal') return a.text === b.text
  if (a.kind === 'variable' && b.kind === 'variable') return a.name === b.name
  return a.kind === b.kind
}

/** A forbid that meets no permit of its role may still guard against other roles: worth a note. */
function forbidWithoutPermit(rule: PlacedRule, rules: readonly PlacedRule[]): Finding[] {
  const actions = ACTIONS_OF[rule.kind].map(action => (action === 'receive' ? 'subscribe' : action))
  const met = rules.some(
    other =>
      other.effect === 'permit' &&
      actions.some(action => ACTIONS_OF[other.kind].includes(action)) &&
      other.patterns.some(a => rule.patterns.some(b => intersects(loosened(a), loosened(b)))),
  )
  if (met) return []
  const message = `rule ${rule.id} of role ${rule.role} meets no permit of this role; it only guards against other roles`
  return [note('forbid-without-permit', message, rule.place)]
}

/** Variables as `+`: what the pattern could match for somebody. */
function loosened(pattern: TopicPattern): string {
  return pattern.levels
    .map(level => (level.kind === 'literal' ? level.text : level.kind === 'hash' ? '#' : '+'))
    .join('/')
}

function judgeAlone(rule: PlacedRule, byType: boolean): Finding[] {
  const where = `rule ${rule.id} of role ${rule.role}`
  const everything = rule.effect === 'permit' && rule.patterns.some(({ text }) => text === '#' || text === '+/#')
  const variable = rule.patterns
    .flatMap(({ levels }) => levels)
    .find(level => level.kind === 'variable' && level.name !== 'id' && level.name !== 'type')
  return [
    ...(everything && byType
      ? [warning('everything', `${where} permits every topic to a whole device type`, rule.place)]
      : []),
    ...(rule.effect === 'forbid' && variable?.kind === 'variable'
      ? [
          warning(
            'optional-variable',
            `${where} forbids nothing to a device without the attribute ${variable.name}; require it in the device type, or use +`,
            rule.place,
          ),
        ]
      : []),
  ]
}

/** A device type or group that can administer the broker is hardly meant. */
function operatorRoles(policy: Policy): Finding[] {
  return policy.assignments
    .filter(assignment => assignment.by !== 'id')
    .flatMap(({ by, value, roles }) =>
      roles
        .filter(({ name }) =>
          policy.roles.get(name)?.some(rule => rule.kind === 'administer' && rule.effect === 'permit'),
        )
        .map(({ name, place }) =>
          warning('operator-role', `role ${name}, which administers the broker, goes to all of ${by} ${value}`, place),
        ),
    )
}

function unknownTypes(policy: Policy, isDeviceType: (id: string) => boolean): Finding[] {
  return policy.assignments
    .filter(({ by, value }) => by === 'type' && !isDeviceType(value))
    .map(({ value, place }) =>
      note('unknown-type', `roles are assigned to the device type ${value}, which has no manifest (yet)`, place),
    )
}

function warning(code: Finding['code'], message: string, place: Place | null): Finding {
  return { severity: 'warning', code, message, place }
}

function note(code: Finding['code'], message: string, place: Place | null): Finding {
  return { severity: 'note', code, message, place }
}
