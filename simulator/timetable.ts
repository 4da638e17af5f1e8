// When things happen in a run, from its length alone.
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
  /** How long credentials and tokens live that the run hands out: 20 to 40 s, so that renewals are seen. */
  readonly lifetime: number
  /** Seconds that keys and secrets live which are not renewed: to the end of the run, and they do not pile up. */
  readonly keyLifetime: number
}

export function timetableOf(seconds: number): Timetable {
  return {
    seconds,
    judgedFrom: seconds / 4,
    intrudeAt: seconds * 0.2,
    revokeAt: seconds * 0.4,
    readerLeavesAt: seconds * 0.55,
    killAt: seconds * 0.65,
    lifetime: Math.round(Math.min(40, Math.max(20, seconds / 2))),
    keyLifetime: Math.ceil(seconds) + 900,
  }
}

/** Whoever got a credential at `since` (seconds of the run) should have renewed it by the end of the run. */
export const renewalIsDue = ({ seconds }: Timetable, since: number, lifetime: number): boolean =>
  since + lifetime * RENEWED_AT + RENEWAL_SLACK <= seconds

/** The part of its life after which a device renews a credential. */
const RENEWED_AT = 2 / 3
/** Seconds; the broker may have been away when it was due. */
const RENEWAL_SLACK = 4

/** Simulated seconds: an air conditioner must be deaf for so long that its thermostat notices it for certain. */
const NOTICED_AFTER = NOTICED_WITHIN + 30
/** Simulated seconds in which the thermostat sees that it is obeyed again. */
const CLEARED_AFTER = 120

/** The world's faults, in runs too short for them made longer and earlier. `from` and `to` are fractions of the run. */
export function deafTimes<F extends { readonly from: number; readonly to: number }>(
  faults: readonly F[],
  simulatedSeconds: number,
): F[] {
  return faults.map(fault => {
    const length = Math.max(fault.to - fault.from, NOTICED_AFTER / simulatedSeconds)
    const from = Math.max(0, Math.min(fault.from, 1 - length - CLEARED_AFTER / simulatedSeconds))
    return { ...fault, from, to: from + length }
  })
}
