/** A daily window, on some days of the week, at a fixed offset from UTC (no daylight saving: offsets do not change). */
export interface TimeWindow {
  /** Minutes after midnight, inclusive. */
  readonly from: number
  /** Minutes after midnight, exclusive. Smaller than `from`: the window ends on the next day. */
  readonly to: number
  /** Days on which the window begins. Monday is 0. */
  readonly days: ReadonlySet<number>
  /** Minutes east of UTC. */
  readonly offset: number
}

export const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const

const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE

/** Minutes after midnight of `HH:MM`, up to `24:00`; null when malformed. */
export function parseTimeOfDay(text: string): number | null {
  const parts = /^(\d\d):(\d\d)$/.exec(text)
  if (!parts) return null
  const minutes = Number(parts[1]) * 60 + Number(parts[2])
  return Number(parts[2]) < 60 && minutes <= 24 * 60 ? minutes : null
}

/** Minutes east of UTC of `UTC`, `Z`, `+02:00` or `-05:30`; null when malformed. */
export function parseZone(text: string): number | null {
  if (text === 'UTC' || text === 'Z') return 0
  const parts = /^([+-])(\d\d):(\d\d)$/.exec(text)
  if (!parts || Number(parts[2]) > 14 || Number(parts[3]) > 59) return null
  const minutes = Number(parts[2]) * 60 + Number(parts[3])
  return parts[1] === '-' ? -minutes : minutes
}

/** `now` in milliseconds since the epoch. */
export function isWithin(window: TimeWindow, now: number): boolean {
  const local = now + window.offset * MINUTE
  const day = Math.floor(local / DAY)
  const minute = (local - day * DAY) / MINUTE
  const begins = (offset: number): boolean => window.days.has(weekday(day + offset))
  if (window.from < window.to) return begins(0) && minute >= window.from && minute < window.to
  return (begins(0) && minute >= window.from) || (begins(-1) && minute < window.to)
}

/** The next moment after `now` (ms since the epoch) at which `isWithin` answers otherwise; null when it never does. */
export function nextChange(window: TimeWindow, now: number): number | null {
  const today = Math.floor((now + window.offset * MINUTE) / DAY)
  const inside = isWithin(window, now)
  const moments: number[] = []
  for (let day = today; day <= today + 8; day++) {
    for (const minute of [window.from, window.to]) {
      moments.push(day * DAY + (minute - window.offset) * MINUTE)
    }
  }
  moments.sort((a, b) => a - b)
  return moments.find(moment => moment > now && isWithin(window, moment) !== inside) ?? null
}

/** 1970-01-01 was a Thursday. */
function weekday(day: number): number {
  return (((day + 3) % 7) + 7) % 7
}
