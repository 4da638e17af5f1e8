import type { OverflowLimits } from './overflow.ts'
import type { RetainedLimits } from './retained.ts'
import type { RouterLimits } from './router.ts'
import type { SessionsLimits } from './sessions.ts'
import type { SystemTopicsLimits } from './system-topics.ts'

/** Every bound of the bus. */
export type BusLimits = SessionsLimits & OverflowLimits & RetainedLimits & RouterLimits & SystemTopicsLimits

export const BUS_LIMITS: BusLimits = {
  maximumQueued: 10_000,
  maximumQueuedBytes: 64 * 1024 * 1024,
  queuePatience: 60,
  subscriptions: 1000,
  sessionsPerOwner: 100,
  anonymousSessions: 10_000,
  retainedMessages: 1_000_000,
  retainedBytes: 256 * 1024 * 1024,
  cachedRoutes: 100_000,
  sysInterval: 10,
}
