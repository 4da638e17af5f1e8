// Exact answers about sets of topics that filters describe (MQTT 5, 4.7). The topic alphabet is unbounded, so a level
// that no rule names can stand for all levels that no rule names.
import { levelsMatch, MAX_LEVELS } from '../model/topic.ts'

/** A level that no topic and no rule can hold: U+0000 is refused everywhere [MQTT-4.7.3-2]. */
const FRESH = '\u0000'

/**
 * Topics (split in levels) that stand for all topics a filter matches, as far as filters of at most `longest` levels
 * can tell them apart: each `+` becomes a fresh level; `#` becomes none, one, two ... fresh levels until the topic is
 * longer than every rule. `a/#` matches `a` too.
 */
export function representatives(filter: string, longest: number): string[][] {
  const levels = filter.split('/')
  const open = levels.at(-1) === '#'
  const stem = (open ? levels.slice(0, -1) : levels).map(level => (level === '+' ? FRESH : level))
  if (!open) return [stem]
  const topics: string[][] = stem.length > 0 ? [stem] : []
  const last = Math.min(Math.max(longest + 1, stem.length), MAX_LEVELS)
  for (let length = stem.length + 1; length <= last; length++) {
    topics.push([...stem, ...Array<string>(length - stem.length).fill(FRESH)])
  }
  return topics
}

/** Whether every topic that `filter` matches is matched by at least one of `permits`. */
export function contains(permits: readonly string[], filter: string): boolean {
  const split = permits.map(permit => permit.split('/'))
  return representatives(filter, longestOf(split)).every(topic => split.some(permit => levelsMatch(permit, topic)))
}

export function longestOf(filters: readonly (readonly string[])[]): number {
  return filters.reduce((longest, filter) => Math.max(longest, filter.length), 0)
}

/** Whether some topic is matched by both filters. */
export function intersects(one: string, other: string): boolean {
  const a = one.split('/')
  const b = other.split('/')
  if (isHidden(a[0], b[0]) || isHidden(b[0], a[0])) return false
  for (let i = 0; ; i++) {
    // `#` also matches the parent, so it may begin right after the other's end.
    if (a[i] === '#' || b[i] === '#') return true
    if (a[i] === undefined || b[i] === undefined) return a.length === b.length
    if (a[i] !== b[i] && a[i] !== '+' && b[i] !== '+') return false
  }
}

/** A leading wildcard never reaches `$...` [MQTT-4.7.2-1]. */
function isHidden(wildcard: string | undefined, level: string | undefined): boolean {
  return (wildcard === '+' || wildcard === '#') && level !== undefined && level.startsWith('$')
}
