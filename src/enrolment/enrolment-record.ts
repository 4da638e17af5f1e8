// What is kept of an enrolment token: never the token, only its MAC.
import type { Operation, Store } from '../store/store.ts'
import type { Constraints } from './authorisation.ts'

export interface EnrolmentRecord extends Constraints {
  /** The key id inside the token; no secret. */
  readonly id: string
  readonly uses: number
  /** Devices enrolled with it, in order. */
  readonly devices: readonly string[]
  readonly createdAt: number
  readonly createdBy: string
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
  readonly revokedAt: number | null
  /** Which pepper the MAC was made with. */
  readonly pepper: string
  readonly mac: string
}

export type EnrolmentStatus = 'open' | 'spent' | 'expired' | 'revoked'

/** What operators see. Times are milliseconds since the epoch. */
export interface Enrolment extends Omit<EnrolmentRecord, 'pepper' | 'mac' | 'device'> {
  readonly status: EnrolmentStatus
  /** The id of the only device it is for; null: any new one. */
  readonly device: string | null
}

export const ENROLMENT_PREFIX = 'enrolment/'
export const enrolmentKey = (id: string): string => ENROLMENT_PREFIX + id

export interface StoredEnrolment {
  readonly record: EnrolmentRecord
  readonly revision: number
}

export function findEnrolment(store: Store, id: string): StoredEnrolment | undefined {
  const entry = store.get(enrolmentKey(id))
  return entry && { record: decodeEnrolment(entry.value), revision: entry.revision }
}

export function decodeEnrolment(value: Buffer): EnrolmentRecord {
  const record = JSON.parse(value.toString('utf8')) as Partial<Pick<EnrolmentRecord, 'kinds'>> &
    Omit<EnrolmentRecord, 'kinds'>
  return { ...record, kinds: record.kinds ?? ['x509'] } // tokens of before had certificates alone
}

/** `revision` is the one it was made from, 0 for a new one; `retention` in seconds after its end. */
export function writeEnrolment(record: EnrolmentRecord, revision: number, retention: number): Operation {
  return {
    put: enrolmentKey(record.id),
    value: JSON.stringify(record),
    if: revision,
    expiresAt: record.expiresAt + retention * 1000,
  }
}

export function statusOf(record: EnrolmentRecord, now: number): EnrolmentStatus {
  if (record.revokedAt !== null) return 'revoked'
  if (record.devices.length >= record.uses) return 'spent'
  return now < record.expiresAt ? 'open' : 'expired'
}

export function enrolmentView(record: EnrolmentRecord, now: number): Enrolment {
  const { pepper: _pepper, mac: _mac, device, ...shown } = record
  return { ...shown, device: device?.id ?? null, status: statusOf(record, now) }
}
