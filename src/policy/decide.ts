// The specification: slow and obvious. The rule index (bind.ts) must give the same answers; a property test says so.
import type { Action, Context, Decision, Request } from '../model/decision.ts'
import type { Subject } from '../model/principal.ts'
import { isTopicName, matches, parseFilter } from '../model/topic.ts'
import { type ConcreteRule, concreteRules, nameMatches, ruleIsAbout } from './concrete-rule.ts'
import { earlier, type Facts, factsOf, nextTurn, type Qos, unmet } from './conditions.ts'
import { contains, intersects, longestOf, representatives } from './containment.ts'
import { forbidden, permitted, refused } from './outcome.ts'
import type { PlacedRule, Policy } from './policy.ts'
import { readScopes, type ScopeGrant } from './scope-grant.ts'

/**
 * May this subject do this, here and now? Deny by default; a forbid wins over every permit; the order of rules never
 * matters. `scopes` narrows what the roles permit; null narrows nothing.
 */
export function decide(
  policy: Policy,
  subject: Subject,
  scopes: readonly string[] | null,
  request: Request,
  context: Context,
): Decision {
  const rules = concreteRules(policy, subject)
  const scope = readScopes(scopes)
  switch (request.action) {
    case 'publish':
      return decidePublish(rules, scope, request, context)
    case 'subscribe':
      return decideSubscribe(rules, scope, request, context)
    case 'receive':
      return decideReceive(rules, scope, request, context)
    default:
      return decideNamed(rules, scope, request, context)
  }
}

function decidePublish(rules: readonly ConcreteRule[], scope: ScopeGrant | null, request: Request, context: Context) {
  const topic = request.target
  if (topic.startsWith('$')) return refused('reserved', null)
  if (!isTopicName(topic)) return refused('no-rule', null)
  return decideOne(
    about('publish', rules).filter(rule => rule.filters.some(filter => matches(filter, topic))),
    scope?.publish.some(filter => matches(filter, topic)) ?? false,
    scope,
    factsOf(request),
    context,
  )
}

/** enrol and administer: names instead of topics. */
function decideNamed(rules: readonly ConcreteRule[], scope: ScopeGrant | null, request: Request, context: Context) {
  return decideOne(
    about(request.action, rules).filter(rule => rule.names.some(name => nameMatches(name, request.target))),
    request.action === 'administer' && (scope?.administer.has(request.target) ?? false),
    scope,
    factsOf(request),
    context,
  )
}

/** One topic or name, and the rules that speak about it. */
function decideOne(
  speaking: readonly ConcreteRule[],
  scoped: boolean,
  scope: ScopeGrant | null,
  facts: Facts,
  context: Context,
): Decision {
  const until = turnOf(speaking, context)
  const forbid = speaking.find(rule => inForce(rule, 'forbid', facts, context))
  if (forbid) return forbidden(forbid.reference, until)
  const permits = speaking.filter(rule => inForce(rule, 'permit', facts, context))
  const first = permits[0]
  if (!first) return refused('no-rule', until)
  if (scope && !scoped && !permits.some(rule => scope.roles.has(rule.role))) return refused('scope', until)
  return permitted(first.reference, 2, until)
}

/**
 * Every topic that the filter can match must be permitted, and none may be forbidden. `when.qos` is about the QoS that
 * would be granted: the highest one, not above the requested one, for which this holds.
 */
function decideSubscribe(rules: readonly ConcreteRule[], scope: ScopeGrant | null, request: Request, context: Context) {
  const parsed = parseFilter(request.target)
  if (!parsed) return refused('no-rule', null)
  const { filter } = parsed // `$share/g/F` is judged as F
  const speaking = about('subscribe', rules)
  const permits = speaking.filter(rule => rule.effect === 'permit')
  const forbids = speaking.filter(rule => rule.effect === 'forbid' && rule.filters.some(f => intersects(f, filter)))
  const scopeFilters = scope?.subscribe ?? []

  const longest = longestOf([...permits.flatMap(rule => rule.filters), ...scopeFilters].map(f => f.split('/')))
  const topics = representatives(filter, longest).map(levels => levels.join('/'))
  const covering = permits.filter(rule => topics.some(topic => rule.filters.some(f => matches(f, topic))))
  const until = turnOf([...forbids, ...covering], context)

  const atQos = (qos: Qos): Decision => {
    const facts = { qos, retain: null }
    const forbid = forbids.find(rule => inForce(rule, 'forbid', facts, context))
    if (forbid) return forbidden(forbid.reference, until)
    const held = permits.filter(rule => inForce(rule, 'permit', facts, context))
    if (!contains(filtersOf(held), filter)) return refused('no-rule', until)
    const scoped = scope ? [...scopeFilters, ...filtersOf(held.filter(rule => scope.roles.has(rule.role)))] : null
    if (scoped && !contains(scoped, filter)) return refused('scope', until)
    const first = held.find(rule => rule.filters.some(f => matches(f, topics[0] ?? '')))
    return first ? permitted(first.reference, qos, until) : refused('no-rule', until)
  }
  const requested = atQos(request.qos ?? 2)
  if (requested.permit) return requested
  const lower = ([2, 1, 0] as const).filter(qos => qos < (request.qos ?? 2)).map(atQos)
  return lower.find(decision => decision.permit) ?? requested
}

/** A topic is delivered if a subscription to exactly this topic would be permitted and no `receive` rule forbids it. */
function decideReceive(rules: readonly ConcreteRule[], scope: ScopeGrant | null, request: Request, context: Context) {
  const topic = request.target
  if (!isTopicName(topic) || topic.startsWith('$share/')) return refused('no-rule', null)
  const readable = decideSubscribe(rules, scope, { action: 'subscribe', target: topic, qos: 2 }, context)
  const narrowing = about('receive', rules).filter(rule => rule.filters.some(filter => matches(filter, topic)))
  const until = earlier(readable.until, turnOf(narrowing, context))
  const forbid = narrowing.find(rule => inForce(rule, 'forbid', factsOf(request), context))
  if (readable.permit && forbid) return forbidden(forbid.reference, until)
  return { ...readable, until }
}

function about(action: Action, rules: readonly ConcreteRule[]): ConcreteRule[] {
  return rules.filter(rule => ruleIsAbout(rule, action))
}

function inForce(rule: PlacedRule, effect: PlacedRule['effect'], facts: Facts, context: Context): boolean {
  return rule.effect === effect && unmet(rule.when, facts, context, effect === 'forbid') === null
}

/** When a time window of one of these rules opens or closes next. */
function turnOf(rules: readonly PlacedRule[], context: Context): number | null {
  return rules.map(rule => nextTurn(rule.when, context.now)).reduce(earlier, null)
}

function filtersOf(rules: readonly ConcreteRule[]): string[] {
  return rules.flatMap(rule => rule.filters)
}
