import { isAttributeValue, isIdentifier } from '../model/identifier.ts'
import type { Subject } from '../model/principal.ts'
import { isTopicFilter } from '../model/topic.ts'

/** One level of a rule's pattern. A variable is always a whole level, so no value can change a topic's shape. */
export type PatternLevel =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'variable'; readonly name: string }
  /** Any device behind this gateway. */
  | { readonly kind: 'children' }
  | { readonly kind: 'plus' }
  | { readonly kind: 'hash' }

/** A topic filter in which levels may be variables, as it stands in a rule. */
export interface TopicPattern {
  readonly text: string
  readonly levels: readonly PatternLevel[]
}

const PREFIX = '${device.'

/** The pattern, or what is wrong with it and how to mend it. */
export function parsePattern(text: string): TopicPattern | { readonly problem: string } {
  if (text === '') return { problem: 'is empty; write a topic filter such as "home/+/temperature"' }
  if (text === '$share' || text.startsWith('$share/')) {
    return { problem: 'names a shared subscription; write only the filter after the share name' }
  }
  const levels: PatternLevel[] = []
  for (const level of text.split('/')) {
    if (level === '+') levels.push({ kind: 'plus' })
    else if (level === '#') levels.push({ kind: 'hash' })
    else if (!level.includes('${')) levels.push({ kind: 'literal', text: level })
    else {
      const variable = parseVariable(level)
      if ('problem' in variable) return variable
      levels.push(variable)
    }
  }
  if (levels.filter(level => level.kind === 'children').length > 1) {
    return { problem: `holds \${device.children} more than once; use it for one level only` }
  }
  if (!isTopicFilter(text)) {
    return { problem: 'is not a topic filter; + and # stand alone in a level, # only in the last one' }
  }
  return { text, levels }
}

function parseVariable(level: string): PatternLevel | { readonly problem: string } {
  const name = level.startsWith(PREFIX) && level.endsWith('}') ? level.slice(PREFIX.length, -1) : ''
  if (name === 'children') return { kind: 'children' }
  if (isIdentifier(name)) return { kind: 'variable', name }
  return { problem: `has "${level.slice(0, 80)}": a variable is a whole level, written \${device.NAME}` }
}

/**
 * The plain filters a pattern stands for when this subject acts. Empty when a variable has no value: such a rule never
 * matches. More than one only where `${device.children}` stands for several devices.
 */
export function substitute(pattern: TopicPattern, subject: Subject): readonly string[] {
  let filters: string[][] = [[]]
  for (const level of pattern.levels) {
    const values = levelValues(level, subject)
    filters = filters.flatMap(filter => values.map(value => [...filter, value]))
  }
  return filters.map(filter => filter.join('/'))
}

function levelValues(level: PatternLevel, subject: Subject): readonly string[] {
  switch (level.kind) {
    case 'plus':
      return ['+']
    case 'hash':
      return ['#']
    case 'literal':
      return [level.text]
    case 'children':
      return subject.children.filter(isAttributeValue)
    case 'variable': {
      const value = variableValue(level.name, subject)
      return value === undefined ? [] : [value]
    }
  }
}

/** The value of `${device.NAME}`; undefined when it is missing or could change a topic's shape. */
export function variableValue(name: string, subject: Subject): string | undefined {
  const value = subject.attributes.get(name)
  return isAttributeValue(value) ? value : undefined
}
