import type { Action } from '../model/decision.ts'
import { ruleIsAbout } from './concrete-rule.ts'
import type { Effect } from './document.ts'
import type { PlacedRule, Policy } from './policy.ts'
import { TopicTrie } from './topic-trie.ts'

/** Rules about topics, permits apart from forbids. */
export interface TopicRules {
  readonly permit: TopicTrie
  readonly forbid: TopicTrie
}

/** The rules of one set of roles, by action, for fast questions. Shared by all subjects who have these roles. */
export class RuleIndex {
  readonly publish: TopicRules
  readonly subscribe: TopicRules
  readonly receive: TopicRules
  readonly enrol: readonly PlacedRule[]
  readonly administer: readonly PlacedRule[]
  /** Names of variables by slot. */
  readonly variables: readonly string[]

  constructor(rules: readonly PlacedRule[]) {
    const variables: string[] = []
    const slotOf = (name: string): number => {
      const known = variables.indexOf(name)
      return known >= 0 ? known : variables.push(name) - 1
    }
    const trie = (action: Action, effect: Effect): TopicTrie => {
      const made = new TopicTrie()
      for (const rule of rules) {
        if (rule.effect !== effect || !ruleIsAbout(rule, action)) continue
        for (const pattern of rule.patterns) made.add(pattern, rule, slotOf)
      }
      return made
    }
    const both = (action: Action): TopicRules => ({ permit: trie(action, 'permit'), forbid: trie(action, 'forbid') })
    this.publish = both('publish')
    this.subscribe = both('subscribe')
    this.receive = both('receive')
    this.enrol = rules.filter(rule => rule.kind === 'enrol')
    this.administer = rules.filter(rule => rule.kind === 'administer')
    this.variables = variables
  }
}

/** Sets of roles whose index is kept for one policy; the oldest makes room. */
export const MAX_ROLE_SETS = 1024

const kept = new WeakMap<Policy, Map<string, RuleIndex>>()

/** The index for these roles, built once for each policy. */
export function indexFor(policy: Policy, roles: readonly string[]): RuleIndex {
  const indexes = kept.get(policy) ?? new Map<string, RuleIndex>()
  kept.set(policy, indexes)
  const key = [...new Set(roles)].sort().join(' ')
  const known = indexes.get(key)
  if (known) return known
  const index = new RuleIndex(policy.rulesOf(roles))
  const oldest = indexes.keys().next()
  if (indexes.size >= MAX_ROLE_SETS && !oldest.done) indexes.delete(oldest.value)
  indexes.set(key, index)
  return index
}
