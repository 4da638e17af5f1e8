import { YamlReader, type YamlValue } from '../model/yaml-reader.ts'
import type { Assignment, PolicyDocument, Role } from './document.ts'
import { parseName, parseRole } from './parse-rule.ts'
import { parseTest } from './parse-test.ts'

/** Patterns and names in all rules of one file. */
export const MAX_PATTERNS = 50_000
/** Tests in one file. */
export const MAX_TESTS = 5_000

/**
 * Parses one policy file. Throws `invalid-policy` with file, line and column at the first thing that is wrong; what
 * one file cannot know (a role that another file defines) is checked by `compile`.
 */
export function parsePolicy(text: string, file: string): PolicyDocument {
  const source = new YamlReader(file, 'invalid-policy')
  const [root, second] = source.documents(text)
  if (!root) return source.fail('the policy is empty; begin it with "version: 1" and "roles:"', 0)
  second?.fail('a policy file holds one document; put the second one in a file of its own')
  const found = root.mapping('a policy', ['version', 'roles', 'assign', 'tests'])
  const version = found.get('version') ?? root.fail('a policy says which format it has; begin it with "version: 1"')
  if (version.scalar !== 1) version.fail('this policy format is not known; write "version: 1"')
  const roles = parseRoles(found.get('roles'))
  const patterns = roles
    .flatMap(role => role.rules)
    .reduce((n, rule) => n + rule.patterns.length + rule.names.length, 0)
  if (patterns > MAX_PATTERNS) root.fail(`a policy file may hold ${MAX_PATTERNS} patterns and this one has ${patterns}`)
  const tests = entries(found.get('tests'), '"tests"')
  tests[MAX_TESTS]?.fail(`a policy file may hold ${MAX_TESTS} tests and this one has ${tests.length}`)
  return {
    file,
    roles,
    assignments: entries(found.get('assign'), '"assign"').map(parseAssignment),
    tests: tests.map(parseTest),
  }
}

/** `roles:` with nothing under it is as good as none. */
function entries(value: YamlValue | undefined, what: string): YamlValue[] {
  return value && !value.isNull ? value.items(what) : []
}

function parseRoles(value: YamlValue | undefined): Role[] {
  if (!value || value.isNull) return []
  return value.entries('"roles"').map(({ at, value: body }) => parseRole(parseName(at, 'the name of a role'), at, body))
}

function parseAssignment(value: YamlValue): Assignment {
  const found = value.mapping('an entry of "assign"', ['type', 'id', 'group', 'roles'])
  const by = (['type', 'id', 'group'] as const).filter(key => found.has(key))
  const key = by[0]
  if (key === undefined || by.length > 1) return value.fail('an entry of "assign" needs exactly one of type, id, group')
  const roles = found.get('roles') ?? value.fail('an entry of "assign" needs "roles": a list of role names')
  const names = roles.list()
  if (names.length === 0) roles.fail('"roles" of an entry of "assign" is empty; name a role, or remove the entry')
  return {
    by: key,
    value: parseName(found.get(key) ?? value, `"${key}" of an entry of "assign"`),
    roles: names.map(name => ({ name: parseName(name, 'a role in "assign"'), place: name.location })),
    place: value.location,
  }
}
