// Nobody rises above themselves: an operator cannot make, change, or get a credential of, anybody who may administer more
// than the operator may. Without it, the right to write devices or credentials would be the right to everything.
import type { Access } from '../access/access.ts'
import type { Clock } from '../model/clock.ts'
import { Failure } from '../model/failure.ts'
import type { Principal, Subject } from '../model/principal.ts'
import { nameMatches } from '../policy/concrete-rule.ts'
import { decide } from '../policy/decide.ts'
import { AREAS, VERBS } from '../policy/document.ts'
import type { Policy } from '../policy/policy.ts'
import type { Registry } from '../registry/registry.ts'

/** What decides the rights of a device or client that is about to be made or changed. */
export interface Prospect {
  readonly id: string
  readonly groups?: readonly string[] | undefined
  readonly roles?: readonly string[] | undefined
}

export interface CeilingParts {
  readonly access: Access
  readonly registry: Registry
  readonly clock: Clock
}

const RIGHTS = AREAS.flatMap(area => VERBS.map(verb => `${area}:${verb}`))

export class Ceiling {
  readonly #parts: CeilingParts

  constructor(parts: CeilingParts) {
    this.#parts = parts
  }

  /** Whoever is there by this id, as they are now; nobody has no rights. Throws `policy-denied`. */
  checkOwner(caller: Principal, owner: string): void {
    const subject = this.#parts.registry.subjectOf(owner)
    if (subject) this.#check(caller, subject)
  }

  checkDevice(caller: Principal, { type, ...prospect }: Prospect & { readonly type: string }): void {
    this.#check(caller, subjectOf('device', type, prospect))
  }

  checkClient(caller: Principal, { kind, ...prospect }: Prospect & { readonly kind: 'service' | 'operator' }): void {
    this.#check(caller, subjectOf(kind, null, prospect))
  }

  #check({ subject: caller, scopes, credential, transport, address }: Principal, other: Subject): void {
    const { access, clock } = this.#parts
    const policy = access.compiled
    const context = { credential: credential?.kind ?? null, transport, address, now: clock.now() }
    for (const right of RIGHTS) {
      if (!couldAdminister(policy, other, right)) continue
      if (decide(policy, caller, scopes, { action: 'administer', target: right }, context).permit) continue
      throw new Failure(
        'policy-denied',
        `${other.id} may ${right}, or would, and ${caller.id} may not; ask an operator who may.`,
      )
    }
  }
}

/** Under whatever conditions: they may be met another day. Only a forbid without conditions takes a right away for good. */
function couldAdminister(policy: Policy, subject: Subject, right: string): boolean {
  const speaking = policy
    .rulesOf(policy.rolesOf(subject))
    .filter(rule => rule.kind === 'administer' && rule.names.some(name => nameMatches(name, right)))
  return (
    speaking.some(rule => rule.effect === 'permit') &&
    !speaking.some(rule => rule.effect === 'forbid' && rule.when === null)
  )
}

function subjectOf(kind: Subject['kind'], type: string | null, { id, groups = [], roles = [] }: Prospect): Subject {
  return { kind, id, type, groups, roles, attributes: new Map(), children: [] }
}
