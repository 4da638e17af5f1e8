import { isIdentifier } from '../model/identifier.ts'
import { printable } from '../model/printable.ts'
import type { YamlValue } from '../model/yaml-reader.ts'
import { AREAS, type Effect, type Role, RULE_KINDS, type Rule, type RuleKind, VERBS } from './document.ts'
import { parseConditions } from './parse-conditions.ts'
import { parsePattern, type TopicPattern } from './pattern.ts'

const RULE_KEYS = ['id', ...RULE_KINDS, 'when'] as const

export function parseName(value: YamlValue, what: string): string {
  const text = value.string(what)
  if (isIdentifier(text)) return text
  return value.fail(
    `${what} "${printable(text, 80)}" is not valid; use 1 to 64 letters, digits, . _ : or -, beginning with a letter or digit`,
  )
}

export function parseRole(name: string, at: YamlValue, value: YamlValue): Role {
  const what = `role ${name}`
  const found = value.mapping(what, ['permit', 'forbid'])
  const rules: Rule[] = []
  const ids = new Map<string, Rule>()
  for (const effect of ['permit', 'forbid'] as const) {
    const list = found.get(effect)
    if (!list) continue
    for (const item of list.items(`"${effect}" of ${what}`)) {
      const rule = parseRule(item, what, effect)
      const earlier = ids.get(rule.id)
      if (earlier)
        item.fail(`${what} has two rules with the id "${rule.id}" (the first is on line ${earlier.place.line})`)
      ids.set(rule.id, rule)
      rules.push(rule)
    }
  }
  return { name, rules, place: at.location }
}

function parseRule(value: YamlValue, role: string, effect: Effect): Rule {
  const found = value.mapping(`a rule of ${role}`, RULE_KEYS)
  const idValue =
    found.get('id') ?? value.fail(`a rule of ${role} has no id; every decision names the rule that made it`)
  const id = parseName(idValue, `the id of a rule of ${role}`)
  const what = `rule ${id} of ${role}`
  const kinds = RULE_KINDS.filter(kind => found.has(kind))
  const kind = kinds[0]
  if (kind === undefined || kinds.length > 1) {
    return value.fail(`${what} must have exactly one of ${RULE_KINDS.join(', ')}; it has ${kinds.join(', ') || 'none'}`)
  }
  const target = found.get(kind) ?? value
  if (kind === 'receive' && effect === 'permit') {
    target.fail(
      `${what}: a permitted subscription permits its deliveries; "receive" can only narrow them under "forbid"`,
    )
  }
  const when = found.get('when')
  return {
    id,
    effect,
    kind,
    ...parseTargets(target, what, kind, effect),
    when: when ? parseConditions(when, what, kind) : null,
    place: value.location,
  }
}

function parseTargets(
  value: YamlValue,
  what: string,
  kind: RuleKind,
  effect: Effect,
): Pick<Rule, 'patterns' | 'names'> {
  const items = value.list()
  if (items.length === 0) value.fail(`${what}: "${kind}" is an empty list; name at least one`)
  if (kind === 'enrol') return { patterns: [], names: items.map(item => parseEnrol(item, what)) }
  if (kind === 'administer') return { patterns: [], names: items.map(item => parseAdminister(item, what)) }
  return { patterns: items.map(item => parseTopics(item, what, kind, effect)), names: [] }
}

function parseTopics(value: YamlValue, what: string, kind: RuleKind, effect: Effect): TopicPattern {
  if (value.isNull) {
    value.fail(
      `${what}: the pattern of "${kind}" is empty; YAML reads a bare # as a comment, so write it in quotes: "#"`,
    )
  }
  if (value.isMapping) value.fail(`${what}: the pattern of "${kind}" was read as a mapping; write it in quotes`)
  const text = value.string(`the pattern of "${kind}" of ${what}`)
  if (value.cutByComment) {
    value.fail(`${what}: the pattern was cut at " #", which YAML reads as a comment; write the whole pattern in quotes`)
  }
  const pattern = parsePattern(text)
  if ('problem' in pattern) return value.fail(`${what}: the pattern "${printable(text, 120)}" ${pattern.problem}`)
  const first = pattern.levels[0]
  if (effect === 'permit' && kind !== 'subscribe' && first?.kind === 'literal' && first.text.startsWith('$')) {
    value.fail(`${what}: nobody publishes to topics that begin with $; use "subscribe" to permit reading`)
  }
  return pattern
}

function parseEnrol(value: YamlValue, what: string): string {
  if (value.scalar === '*') return '*'
  return parseName(value, `${what}: the device type of "enrol"`)
}

function parseAdminister(value: YamlValue, what: string): string {
  const text = value.string(`"administer" of ${what}`)
  const [area = '', verb = '', ...rest] = text.split(':')
  const known = (all: readonly string[], part: string): boolean => part === '*' || all.includes(part)
  if (known(AREAS, area) && known(VERBS, verb) && rest.length === 0) return text
  return value.fail(
    `${what}: "${printable(text, 80)}" is not an area and a verb such as "devices:write" or "devices:*"; the areas are ${AREAS.join(', ')}`,
  )
}
