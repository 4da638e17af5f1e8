import type { Decision, RuleReference } from '../model/decision.ts'
import type { Qos } from './conditions.ts'

export function permitted(rule: RuleReference, maxQos: Qos, until: number | null): Decision {
  return { permit: true, rule, maxQos, until, reason: 'rule' }
}

/** A forbid decided. */
export function forbidden(rule: RuleReference, until: number | null): Decision {
  return { permit: false, rule, maxQos: 0, until, reason: 'rule' }
}

export function refused(reason: 'no-rule' | 'scope' | 'reserved', until: number | null): Decision {
  return { permit: false, rule: null, maxQos: 0, until, reason }
}
