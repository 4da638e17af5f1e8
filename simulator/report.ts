// What a run of the demo comes to. Scripts depend on its shape.
import type { CredentialName, Protocol } from './home-plan.ts'

export interface RoomReport {
  readonly name: string
  /** Degrees Celsius, like `start` and `final`: the first and the last measured value that was received. */
  readonly setpoint: number
  readonly start: number | null
  readonly final: number | null
  /** Seconds of wall time from the beginning of the run to the first reading within the band; null: there was none. */
  readonly settledAt: number | null
  /** 0 to 1, after the first quarter of the run. */
  readonly inBandShare: number
  /** How often the air conditioner began to cool. */
  readonly acCycles: number
  readonly energyKWh: number
}

export interface DeviceReport {
  readonly id: string
  readonly type: string
  readonly protocol: Protocol
  readonly credential: CredentialName
  readonly connects: number
  readonly renewals: number
  readonly published: number
  readonly received: number
  readonly denied: number
  /** RFC 3339; null: its credential was not revoked. */
  readonly revokedAt: string | null
  /** Milliseconds from the call that revoked its credential to the end of its connection. */
  readonly cutAfterMs: number | null
}

/** Something the run had to show. */
export interface Check {
  /** Lower case with dashes; a room or device follows after a colon. */
  readonly name: string
  readonly ok: boolean
  readonly expected: string
  readonly observed: string
  /** What on the wire proves it: `PUBACK 0x87 for home/kitchen/ac/set`. */
  readonly evidence: string
}

export interface Report {
  readonly version: 1
  /** Every check is. */
  readonly ok: boolean
  readonly seed: number
  readonly speed: number
  /** The same for the same seed and plan: weather, noise and fault schedule. */
  readonly worldDigest: string
  readonly listeners: Readonly<Record<string, { readonly host: string; readonly port: number }>>
  readonly rooms: readonly RoomReport[]
  readonly devices: readonly DeviceReport[]
  readonly checks: readonly Check[]
}

/** A run that shows nothing has failed. */
export function makeReport(content: Omit<Report, 'version' | 'ok'>): Report {
  const { checks } = content
  return { version: 1, ok: checks.length > 0 && checks.every(({ ok }) => ok), ...content }
}

export const failedChecks = ({ checks }: Pick<Report, 'checks'>): Check[] => checks.filter(({ ok }) => !ok)
