// When things happen in a run, from its length and speed alone.
import { NOTICED_WITHIN } from './control/orders.ts'

/** Seconds: a shorter run has no time for a renewal, a revocation and a restart. */
export const SHORTEST_RUN = 20
/** Seconds. */
export const LONGEST_RUN = 3600

/** Seconds of wall time from the beginning of the run. */
export interface Timetable {
  /** The end. */
  readonly seconds: number
  /** Before this the rooms may be as they are. */
  readonly judgedFrom: number
  /** The intruder's attempts begin. */
  readonly intrudeAt: number
  /** One device's credential is revoked. */
  readonly revokeAt: number
  /** A reader with a persistent session goes away, so that messages queue for it. */
  readonly readerLeavesAt: number
  /** The broker is killed and started again. */
  readonly killAt: number
  /** An air conditioner is deaf at least so long, or its thermostat might not notice. */
  readonly noticing: number
  /** After that its thermostat needs so long to see that it is obeyed again. */
  readonly clearing: number
  /** How long credentials and tokens live that the run hands out: 20 to 40 s, so that renewals are seen. */
  readonly lifetime: number
  /** How long keys and secrets live that are not renewed: to the end of the run, and they do not pile up. */
  readonly keyLifetime: number
}

/** A thermostat measures now and then (simulated seconds), and each of its waits ends with a measurement only. */
const MEASURES_EVERY = 15
const WAITS = 3
/** Simulated seconds from the end of deafness to an order that is confirmed. */
const ORDERS_AGAIN = 60
/** Seconds of wall time that messages may take on a busy machine. */
const ON_THE_WAY = 1
/** Seconds of wall time after the kill until everybody is connected again. */
const RECOVERY = 4
/** Seconds of wall time that the reader is away before the kill. */
const ABSENCE = 2

export function timetableOf(seconds: number, speed: number): Timetable {
  const noticing = (NOTICED_WITHIN + WAITS * MEASURES_EVERY) / speed + ON_THE_WAY
  const clearing = ORDERS_AGAIN / speed + ON_THE_WAY
  // Earlier in a short run, so that something can still go wrong with an air conditioner afterwards.
  const killAt = Math.max(seconds * 0.5, Math.min(seconds * 0.65, seconds - RECOVERY - noticing - clearing))
  return {
    seconds,
    judgedFrom: seconds / 4,
    intrudeAt: seconds * 0.2,
    revokeAt: seconds * 0.4,
    readerLeavesAt: Math.min(seconds * 0.55, killAt - ABSENCE),
    killAt,
    noticing,
    clearing,
    lifetime: Math.round(Math.min(40, Math.max(20, seconds / 2))),
    keyLifetime: Math.ceil(seconds) + 900,
  }
}

/** Whoever got a credential at `since` (seconds of the run) should have renewed it by the end of the run. */
export const renewalIsDue = (since: number, lifetime: number, end: number): boolean =>
  since + lifetime * RENEWED_AT + RENEWAL_SLACK <= end

/** The part of its life after which a device renews a credential. */
const RENEWED_AT = 2 / 3
/** Seconds; the broker may have been away when it was due. */
const RENEWAL_SLACK = 4

/** The world's faults as fractions of the run. */
interface Scheduled {
  readonly room: string
  readonly from: number
  readonly to: number
}

/**
 * The world's faults in seconds of this run: long enough to be noticed, and apart from the restart. Those for which a run
 * is too short are left out.
 */
export function deafTimes(faults: readonly Scheduled[], plan: Timetable): Scheduled[] {
  const { seconds, killAt, noticing, clearing } = plan
  return faults.flatMap(fault => {
    const length = Math.max((fault.to - fault.from) * seconds, noticing)
    const begin = fault.from * seconds
    if (begin + length + clearing <= killAt) return [{ room: fault.room, from: begin, to: begin + length }]
    const from = Math.min(Math.max(begin, killAt + RECOVERY), seconds - clearing - length)
    // Sums of fractions may fall short of it by rounding.
    const fits = begin >= killAt && from >= killAt + RECOVERY - 0.001
    return fits ? [{ room: fault.room, from, to: from + length }] : []
  })
}
