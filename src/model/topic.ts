// Topic names and topic filters (MQTT 5, 4.7 and 4.8.2), shared by policy, bus and every protocol.

/** Deeper topics are refused: 200 slashes, as other brokers do. */
export const MAX_LEVELS = 201

/** [MQTT-4.7.1-1] no wildcards, [MQTT-4.7.3-1] not empty, [MQTT-4.7.3-2] no U+0000, [MQTT-4.7.3-3] at most 65 535 bytes. */
export function isTopicName(topic: string): boolean {
  if (topic.length === 0 || topic.length > 65_535) return false
  for (let i = 0; i < topic.length; i++) {
    const c = topic.charCodeAt(i)
    if (c === 0x2b || c === 0x23 || c === 0) return false
  }
  return levelCount(topic) <= MAX_LEVELS
}

/** [MQTT-4.7.1-2] `#` alone in the last level, [MQTT-4.7.1-3] `+` alone in its level. */
export function isTopicFilter(filter: string): boolean {
  if (filter.length === 0 || filter.length > 65_535 || filter.includes('\0')) return false
  const levels = filter.split('/')
  if (levels.length > MAX_LEVELS) return false
  return levels.every((level, i) => {
    if (!level.includes('+') && !level.includes('#')) return true
    return level === '+' || (level === '#' && i === levels.length - 1)
  })
}

export function levelCount(topic: string): number {
  let levels = 1
  for (let i = 0; i < topic.length; i++) if (topic.charCodeAt(i) === 0x2f) levels++
  return levels
}

/** A subscription's filter apart from its share name; `group` is null for a plain subscription. */
export interface ParsedFilter {
  readonly filter: string
  readonly group: string | null
}

/**
 * Splits `$share/{ShareName}/{filter}` (MQTT 5, 4.8.2).
 * Returns null when the filter is malformed or the share name is empty or holds a wildcard [MQTT-4.8.2-1] [MQTT-4.8.2-2].
 */
export function parseFilter(text: string): ParsedFilter | null {
  if (text !== '$share' && !text.startsWith('$share/'))
    return isTopicFilter(text) ? { filter: text, group: null } : null
  const slash = text.indexOf('/', 7)
  if (slash < 0) return null
  const group = text.slice(7, slash)
  const filter = text.slice(slash + 1)
  if (group === '' || group.includes('+') || group.includes('#') || !isTopicFilter(filter)) return null
  return { filter, group }
}

/** Whether a topic name matches a valid filter; `#` and a leading `+` never reach `$...` [MQTT-4.7.2-1]. */
export function matches(filter: string, topic: string): boolean {
  return levelsMatch(filter.split('/'), topic.split('/'))
}

export function levelsMatch(filter: readonly string[], topic: readonly string[]): boolean {
  if (topic[0]?.startsWith('$') && (filter[0] === '+' || filter[0] === '#')) return false
  for (let i = 0; i < filter.length; i++) {
    const level = filter[i]
    if (level === '#') return true
    if (i >= topic.length || (level !== '+' && level !== topic[i])) return false
  }
  return filter.length === topic.length
}
