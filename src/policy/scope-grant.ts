import { readOrNone } from './scope.ts'

/** What the scopes of a token leave, sorted by kind. */
export interface ScopeGrant {
  readonly publish: readonly string[]
  readonly subscribe: readonly string[]
  readonly roles: ReadonlySet<string>
  /** `area:verb` */
  readonly administer: ReadonlySet<string>
}

/** null narrows nothing. A scope that cannot be read gives nothing. */
export function readScopes(scopes: readonly string[] | null): ScopeGrant | null {
  if (scopes === null) return null
  const parsed = scopes.flatMap(text => readOrNone(text))
  return {
    publish: parsed.flatMap(scope => (scope.kind === 'publish' ? [scope.filter] : [])),
    subscribe: parsed.flatMap(scope => (scope.kind === 'subscribe' ? [scope.filter] : [])),
    roles: new Set(parsed.flatMap(scope => (scope.kind === 'role' ? [scope.role] : []))),
    administer: new Set(parsed.flatMap(scope => (scope.kind === 'administer' ? [`${scope.area}:${scope.verb}`] : []))),
  }
}
