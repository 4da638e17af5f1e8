import type { Action } from '../model/decision.ts'
import type { Subject } from '../model/principal.ts'
import { ACTIONS_OF } from './document.ts'
import { substitute } from './pattern.ts'
import type { PlacedRule, Policy } from './policy.ts'

/** A rule as it stands for one subject: variables replaced. */
export interface ConcreteRule extends PlacedRule {
  readonly filters: readonly string[]
}

/** The rules of all the subject's roles, in the policy's order. */
export function concreteRules(policy: Policy, subject: Subject): ConcreteRule[] {
  return policy.rulesOf(policy.rolesOf(subject)).map(rule => ({
    ...rule,
    filters: rule.patterns.flatMap(pattern => substitute(pattern, subject)),
  }))
}

export function ruleIsAbout(rule: PlacedRule, action: Action): boolean {
  return ACTIONS_OF[rule.kind].includes(action)
}

/** `*` is every device type; `devices:*` is every verb, `*:read` every area. */
export function nameMatches(name: string, target: string): boolean {
  if (name === '*' || name === target) return true
  const [area, verb] = name.split(':')
  const [targetArea, targetVerb, ...rest] = target.split(':')
  if (verb === undefined || targetVerb === undefined || rest.length > 0) return false
  return (area === '*' || area === targetArea) && (verb === '*' || verb === targetVerb)
}
