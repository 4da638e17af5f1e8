import type { Principal, Subject } from '../model/principal.ts'
import type { Registry } from '../registry/registry.ts'

/** What this room asks the registry about who acts. */
export type Register = Pick<Registry, 'subjectOf' | 'standing' | 'endOf'>

/**
 * The subject as the registry has it now; undefined when it is gone. Strangers and the operator's per-start key have no
 * record and stay as they are, whatever is registered under their name.
 */
export function currentSubject(register: Register, principal: Principal): Subject | undefined {
  const { subject, credential, issuer } = principal
  if (subject.kind === 'anonymous') return subject
  if (subject.kind === 'operator' && credential === null && issuer === null) return subject
  const fresh = register.subjectOf(subject.id)
  return fresh?.kind === subject.kind ? fresh : undefined
}

/** Whether the policy can tell the two apart. */
export function isSameSubject(one: Subject, other: Subject): boolean {
  if (one === other) return true
  return (
    one.kind === other.kind &&
    one.id === other.id &&
    one.type === other.type &&
    isSameList(one.roles, other.roles) &&
    isSameList(one.groups, other.groups) &&
    isSameList(one.children, other.children) &&
    one.attributes.size === other.attributes.size &&
    [...one.attributes].every(([name, value]) => other.attributes.get(name) === value)
  )
}

function isSameList(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((value, i) => value === other[i])
}
