import type { RuleReference } from '../model/decision.ts'
import { Failure } from '../model/failure.ts'
import type { Subject } from '../model/principal.ts'
import { BUILT_IN_DOCUMENT } from './built-in-roles.ts'
import type { Assignment, PolicyDocument, Role, Rule } from './document.ts'

/** A rule in its place in the whole policy. */
export interface PlacedRule extends Rule {
  readonly role: string
  /** Where several rules could be named as the one that decided, the lowest order is. */
  readonly order: number
  readonly reference: RuleReference
}

/** All policy files of one version, ready to be asked. Immutable. */
export class Policy {
  readonly version: number
  readonly documents: readonly PolicyDocument[]
  /** Rules by role, the built-in roles among them. */
  readonly roles: ReadonlyMap<string, readonly PlacedRule[]>
  readonly assignments: readonly Assignment[]
  readonly #assigned = new Map<string, string[]>()

  constructor(
    version: number,
    documents: readonly PolicyDocument[],
    roles: ReadonlyMap<string, readonly PlacedRule[]>,
  ) {
    this.version = version
    this.documents = documents
    this.roles = roles
    this.assignments = documents.flatMap(document => document.assignments)
    for (const { by, value, roles: names } of this.assignments) {
      const key = `${by} ${value}`
      this.#assigned.set(key, [...(this.#assigned.get(key) ?? []), ...names.map(role => role.name)])
    }
  }

  /** The subject's own roles and those that `assign` adds. Nobody proved an anonymous subject's id: it gets none. */
  rolesOf(subject: Subject): readonly string[] {
    if (subject.kind === 'anonymous') return subject.roles
    const assigned = [
      ...(subject.type === null ? [] : (this.#assigned.get(`type ${subject.type}`) ?? [])),
      ...(this.#assigned.get(`id ${subject.id}`) ?? []),
      ...subject.groups.flatMap(group => this.#assigned.get(`group ${group}`) ?? []),
    ]
    return [...new Set([...subject.roles, ...assigned])]
  }

  /** The rules of these roles in the policy's order; an unknown role has none. */
  rulesOf(roles: readonly string[]): readonly PlacedRule[] {
    return [...new Set(roles)].flatMap(role => this.roles.get(role) ?? []).sort((a, b) => a.order - b.order)
  }
}

/** Joins policy files into one policy. Throws `invalid-policy` where they do not fit together. */
export function compile(documents: readonly PolicyDocument[], version: number): Policy {
  const defined = new Map<string, Role>()
  const roles = new Map<string, readonly PlacedRule[]>()
  let order = 0
  for (const document of [...documents, BUILT_IN_DOCUMENT]) {
    for (const role of document.roles) {
      const earlier = defined.get(role.name)
      if (earlier) refuseSecond(role, earlier)
      defined.set(role.name, role)
      roles.set(
        role.name,
        role.rules.map(rule => place(rule, role.name, order++, version)),
      )
    }
  }
  for (const { roles: names } of documents.flatMap(document => document.assignments)) {
    for (const { name, place: location } of names) {
      if (defined.has(name)) continue
      const known = [...defined.keys()].slice(0, 20).join(', ')
      throw new Failure('invalid-policy', `the role "${name}" is assigned but not defined; the roles are ${known}`, {
        location,
      })
    }
  }
  return new Policy(version, documents, roles)
}

function place(rule: Rule, role: string, order: number, policyVersion: number): PlacedRule {
  const { file, line } = rule.place
  return { ...rule, role, order, reference: { id: rule.id, role, policyVersion, file, line } }
}

function refuseSecond(role: Role, earlier: Role): never {
  const built = BUILT_IN_DOCUMENT.roles.includes(earlier) || BUILT_IN_DOCUMENT.roles.includes(role)
  const at = built && !BUILT_IN_DOCUMENT.roles.includes(earlier) ? earlier : role
  const message = built
    ? `the role "${role.name}" is built in; give this one another name`
    : `the role "${role.name}" is defined twice (first in ${earlier.place.file}, line ${earlier.place.line}); keep its rules in one place`
  throw new Failure('invalid-policy', message, { location: at.place })
}
