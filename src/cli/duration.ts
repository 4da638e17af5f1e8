// Durations as people write them: 90s, 15m, 1h, 30d, 1h30m.

const SECONDS: Readonly<Record<string, number>> = { w: 604_800, d: 86_400, h: 3600, m: 60, s: 1 }
/** A hundred years: nothing here is meant to last longer, and every sum stays exact. */
const LONGEST = 100 * 365 * 86_400

/** Seconds; null when the text is no duration, is zero or is longer than a hundred years. */
export function parseDuration(text: string): number | null {
  if (!/^(\d{1,10}[wdhms])+$/.test(text)) return null
  let seconds = 0
  for (const [, digits, unit] of text.matchAll(/(\d+)([wdhms])/g)) {
    seconds += Number(digits) * (SECONDS[unit ?? ''] ?? 0)
  }
  return seconds > 0 && seconds <= LONGEST ? seconds : null
}

/** The two largest parts: `30d`, `1h 30m`, `45s`. */
export function formatDuration(seconds: number): string {
  const parts: string[] = []
  let rest = Math.max(0, Math.floor(seconds))
  for (const [unit, size] of Object.entries(SECONDS)) {
    const count = Math.floor(rest / size)
    if (unit === 'w' || count === 0) continue
    parts.push(`${count}${unit}`)
    rest -= count * size
  }
  return parts.slice(0, 2).join(' ') || '0s'
}
