import type { Context, Decision, Request, RuleReference } from '../model/decision.ts'
import type { Subject } from '../model/principal.ts'
import { matches, parseFilter } from '../model/topic.ts'
import { type ConcreteRule, concreteRules, nameMatches, ruleIsAbout } from './concrete-rule.ts'
import { type Conditions, unmet } from './conditions.ts'
import { contains, intersects, longestOf, representatives } from './containment.ts'
import { decide } from './decide.ts'
import type { Effect } from './document.ts'
import type { Policy } from './policy.ts'

/** One rule about the action, and what became of it. */
export interface ConsideredRule {
  readonly rule: RuleReference
  readonly effect: Effect
  /** As written. */
  readonly patterns: readonly string[]
  /** As they stand for this subject; empty when a variable has no value. */
  readonly filters: readonly string[]
  readonly outcome: 'applies' | 'covers-part' | 'no-match' | 'condition' | 'no-value'
  /** The first condition that does not hold; null unless `outcome` is `condition`. */
  readonly condition: keyof Conditions | null
}

export interface Explanation {
  readonly decision: Decision
  /** In one sentence. */
  readonly summary: string
  readonly roles: readonly string[]
  /** Roles that no policy file defines: they permit nothing. */
  readonly unknownRoles: readonly string[]
  readonly considered: readonly ConsideredRule[]
  /** A topic (with `*` for "any other level") that the subscription would reach and no rule permits; null if none. */
  readonly uncovered: string | null
}

/** The decision with every rule that was considered. */
export function explain(
  policy: Policy,
  subject: Subject,
  scopes: readonly string[] | null,
  request: Request,
  context: Context,
): Explanation {
  const decision = decide(policy, subject, scopes, request, context)
  const roles = policy.rolesOf(subject)
  const about = concreteRules(policy, subject).filter(
    rule => ruleIsAbout(rule, request.action) || (request.action === 'receive' && ruleIsAbout(rule, 'subscribe')),
  )
  const uncovered = decision.permit || request.action !== 'subscribe' ? null : findUncovered(about, request, context)
  return {
    decision,
    summary: summarise(decision, subject, request, uncovered),
    roles,
    unknownRoles: roles.filter(role => !policy.roles.has(role)),
    considered: about.map(rule => consider(rule, request, context)),
    uncovered,
  }
}

function consider(rule: ConcreteRule, request: Request, context: Context): ConsideredRule {
  const patterns = [...rule.patterns.map(pattern => pattern.text), ...rule.names]
  const seen = { rule: rule.reference, effect: rule.effect, patterns, filters: rule.filters }
  if (rule.patterns.length > 0 && rule.filters.length === 0) return { ...seen, outcome: 'no-value', condition: null }
  const reach = reachOf(rule, request)
  if (reach === 'no-match') return { ...seen, outcome: reach, condition: null }
  const condition = conditionOf(rule, request, context)
  return { ...seen, outcome: condition === null ? reach : 'condition', condition }
}

function conditionOf(rule: ConcreteRule, request: Request, context: Context): keyof Conditions | null {
  const { action, qos = null, retain = null } = request
  // A subscription may be granted at any lower QoS: the rule counts if it holds at one of them.
  const lower = ([2, 1, 0] as const).filter(each => each <= (qos ?? 2))
  const tried = ruleIsAbout(rule, 'subscribe') && action !== 'publish' ? lower : [qos]
  const found = tried.map(each => unmet(rule.when, { qos: each, retain }, context, rule.effect === 'forbid'))
  return found.includes(null) ? null : (found[0] ?? null)
}

function reachOf(rule: ConcreteRule, { action, target }: Request): 'applies' | 'covers-part' | 'no-match' {
  if (action === 'enrol' || action === 'administer') {
    return rule.names.some(name => nameMatches(name, target)) ? 'applies' : 'no-match'
  }
  if (action !== 'subscribe') return rule.filters.some(filter => matches(filter, target)) ? 'applies' : 'no-match'
  const filter = parseFilter(target)?.filter
  if (filter === undefined || !rule.filters.some(each => intersects(each, filter))) return 'no-match'
  return rule.effect === 'forbid' || contains(rule.filters, filter) ? 'applies' : 'covers-part'
}

/** The shortest kind of topic that a filter reaches and no permit covers. */
function findUncovered(rules: readonly ConcreteRule[], request: Request, context: Context): string | null {
  const filter = parseFilter(request.target)?.filter
  if (filter === undefined) return null
  const permits = rules
    .filter(rule => rule.effect === 'permit' && conditionOf(rule, request, context) === null)
    .flatMap(rule => rule.filters)
  const longest = longestOf(permits.map(permit => permit.split('/')))
  const topic = representatives(filter, longest)
    .map(levels => levels.join('/'))
    .find(each => !permits.some(permit => matches(permit, each)))
  return topic?.replaceAll('\u0000', '*') ?? null
}

function summarise(decision: Decision, { id }: Subject, { action, target }: Request, uncovered: string | null): string {
  const what = `${action} ${target}`
  const { rule, reason } = decision
  if (rule) {
    const where = `rule ${rule.id} of role ${rule.role} (${rule.file}:${rule.line})`
    return decision.permit
      ? `${id} may ${what}: permitted by ${where}.`
      : `${id} may not ${what}: forbidden by ${where}.`
  }
  if (reason === 'reserved') return `${id} may not ${what}: nobody publishes to topics that begin with $.`
  if (reason === 'scope') return `${id} may not ${what}: the roles permit it, but the scopes of the token do not.`
  if (reason === 'rule') return `${id} may ${what}: enforcement is off.`
  const gap = uncovered === null ? '' : ` for every topic it reaches, for example ${uncovered} (* is any other level)`
  return `${id} may not ${what}: no rule permits it${gap}.`
}
