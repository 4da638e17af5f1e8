// The fast form of decide.ts: the same answers out of the rule index. Change both together.
import type { Context, Decision, Request } from '../model/decision.ts'
import { isAttributeValue } from '../model/identifier.ts'
import type { Subject } from '../model/principal.ts'
import { isTopicName, levelsMatch, parseFilter } from '../model/topic.ts'
import { nameMatches } from './concrete-rule.ts'
import { earlier, type Facts, factsOf, nextTurn, type Qos, unmet } from './conditions.ts'
import { longestOf, representatives } from './containment.ts'
import { forbidden, permitted, refused } from './outcome.ts'
import { variableValue } from './pattern.ts'
import type { PlacedRule, Policy } from './policy.ts'
import { indexFor, type RuleIndex } from './rule-index.ts'
import { readScopes, type ScopeGrant } from './scope-grant.ts'
import type { Bindings } from './topic-trie.ts'

/** A policy as it stands for one subject. Cheap to make: the index is shared by all who have the same roles. */
export function bind(policy: Policy, subject: Subject, scopes: readonly string[] | null): BoundRules {
  const index = indexFor(policy, policy.rolesOf(subject))
  const bindings = {
    values: index.variables.map(name => variableValue(name, subject)),
    children: subject.children.length === 0 ? CHILDLESS : new Set(subject.children.filter(isAttributeValue)),
  }
  return new BoundRules(index, bindings, readScopes(scopes))
}

// Shared, because there is one BoundRules for each connection and most need none of their own.
const CHILDLESS: ReadonlySet<string> = new Set()
const NO_SCOPES: readonly string[][] = []

export class BoundRules {
  readonly #index: RuleIndex
  readonly #bindings: Bindings
  readonly #scope: ScopeGrant | null
  readonly #publishScopes: readonly string[][]
  readonly #subscribeScopes: readonly string[][]

  constructor(index: RuleIndex, bindings: Bindings, scope: ScopeGrant | null) {
    this.#index = index
    this.#bindings = bindings
    this.#scope = scope
    this.#publishScopes = scope?.publish.map(filter => filter.split('/')) ?? NO_SCOPES
    this.#subscribeScopes = scope?.subscribe.map(filter => filter.split('/')) ?? NO_SCOPES
  }

  decide(request: Request, context: Context): Decision {
    switch (request.action) {
      case 'publish':
        return this.#publish(request, context)
      case 'subscribe':
        return this.#subscribe(request.target, request.qos ?? 2, context)
      case 'receive':
        return this.#receive(request, context)
      default:
        return this.#named(request, context)
    }
  }

  #publish(request: Request, context: Context): Decision {
    const topic = request.target
    if (topic.startsWith('$')) return refused('reserved', null)
    if (!isTopicName(topic)) return refused('no-rule', null)
    const levels = topic.split('/')
    const speaking: PlacedRule[] = []
    this.#index.publish.forbid.matching(levels, this.#bindings, speaking)
    this.#index.publish.permit.matching(levels, this.#bindings, speaking)
    const scoped = this.#scope !== null && this.#publishScopes.some(filter => levelsMatch(filter, levels))
    return this.#one(speaking, scoped, factsOf(request), context)
  }

  #named(request: Request, context: Context): Decision {
    const rules = request.action === 'enrol' ? this.#index.enrol : this.#index.administer
    const speaking = rules.filter(rule => rule.names.some(name => nameMatches(name, request.target)))
    const scoped = request.action === 'administer' && (this.#scope?.administer.has(request.target) ?? false)
    return this.#one(speaking, scoped, factsOf(request), context)
  }

  #one(speaking: readonly PlacedRule[], scoped: boolean, facts: Facts, context: Context): Decision {
    const until = turnOf(speaking, context)
    const forbid = firstInForce(speaking, 'forbid', facts, context)
    if (forbid) return forbidden(forbid.reference, until)
    const permit = firstInForce(speaking, 'permit', facts, context)
    if (!permit) return refused('no-rule', until)
    const scope = this.#scope
    if (scope && !scoped && !speaking.some(rule => scope.roles.has(rule.role) && permits(rule, facts, context))) {
      return refused('scope', until)
    }
    return permitted(permit.reference, 2, until)
  }

  #subscribe(target: string, requested: Qos, context: Context): Decision {
    const filter = parseFilter(target)?.filter
    if (filter === undefined) return refused('no-rule', null)
    const { permit, forbid } = this.#index.subscribe
    const forbids: PlacedRule[] = []
    forbid.meeting(filter.split('/'), this.#bindings, forbids)

    const longest = Math.max(permit.longest, longestOf(this.#subscribeScopes))
    const topics = representatives(filter, longest).map(levels => {
      const rules: PlacedRule[] = []
      permit.matching(levels, this.#bindings, rules)
      return { rules, scoped: this.#subscribeScopes.some(scope => levelsMatch(scope, levels)) }
    })
    const until = topics.reduce((turn, { rules }) => earlier(turn, turnOf(rules, context)), turnOf(forbids, context))

    const atQos = (qos: Qos): Decision => {
      const facts = { qos, retain: null }
      const refusal = firstInForce(forbids, 'forbid', facts, context)
      if (refusal) return forbidden(refusal.reference, until)
      const first = firstInForce(topics[0]?.rules ?? [], 'permit', facts, context)
      if (!first || !topics.every(({ rules }) => rules.some(rule => permits(rule, facts, context)))) {
        return refused('no-rule', until)
      }
      const scope = this.#scope
      if (scope) {
        const inScope = (rule: PlacedRule): boolean => scope.roles.has(rule.role) && permits(rule, facts, context)
        if (!topics.every(({ rules, scoped }) => scoped || rules.some(inScope))) return refused('scope', until)
      }
      return permitted(first.reference, qos, until)
    }
    const decision = atQos(requested)
    if (decision.permit) return decision
    for (let qos = requested - 1; qos >= 0; qos--) {
      const lower = atQos(qos as Qos)
      if (lower.permit) return lower
    }
    return decision
  }

  #receive(request: Request, context: Context): Decision {
    const topic = request.target
    if (!isTopicName(topic) || topic.startsWith('$share/')) return refused('no-rule', null)
    const readable = this.#subscribe(topic, 2, context)
    const narrowing: PlacedRule[] = []
    this.#index.receive.forbid.matching(topic.split('/'), this.#bindings, narrowing)
    if (narrowing.length === 0) return readable
    const until = earlier(readable.until, turnOf(narrowing, context))
    const forbid = readable.permit ? firstInForce(narrowing, 'forbid', factsOf(request), context) : null
    return forbid ? forbidden(forbid.reference, until) : { ...readable, until }
  }
}

function permits(rule: PlacedRule, facts: Facts, context: Context): boolean {
  return rule.effect === 'permit' && unmet(rule.when, facts, context, false) === null
}

/** The rule of lowest order with this effect whose conditions hold. */
function firstInForce(
  rules: readonly PlacedRule[],
  effect: PlacedRule['effect'],
  facts: Facts,
  context: Context,
): PlacedRule | null {
  let first: PlacedRule | null = null
  for (const rule of rules) {
    if (rule.effect !== effect || (first && rule.order >= first.order)) continue
    if (unmet(rule.when, facts, context, effect === 'forbid') === null) first = rule
  }
  return first
}

function turnOf(rules: readonly PlacedRule[], context: Context): number | null {
  let turn: number | null = null
  for (const rule of rules) turn = earlier(turn, nextTurn(rule.when, context.now))
  return turn
}
