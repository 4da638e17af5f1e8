import type { Actor } from '../audit/events.ts'
import type { CredentialKind } from '../model/credential.ts'
import type { PreparedPart } from '../registry/draft.ts'

/** What may be enrolled. Whoever authorises (a token, later a claim certificate or a trusted CA) sets it and never signs. */
export interface Constraints {
  readonly type: string
  readonly attributes: Readonly<Record<string, string>>
  readonly groups: readonly string[]
  /** The only device it is for; null: any new one. */
  readonly device: FixedDevice | null
  /** Of credentials that may be asked for. */
  readonly kinds: readonly EnrolmentKind[]
  /** Seconds the credential lives; null: a certificate as the profile says, all else without end. */
  readonly lifetime: number | null
}

export const ENROLMENT_KINDS = [
  'x509',
  'secret',
  'psk',
  'jwt-key',
  'oscore',
] as const satisfies readonly CredentialKind[]
export type EnrolmentKind = (typeof ENROLMENT_KINDS)[number]

export interface FixedDevice {
  readonly id: string
  /** Created (ms since the epoch) when it was authorised; null: it did not exist and is made by the enrolment. */
  readonly createdAt: number | null
}

/** One permission to enrol one device. */
export interface Authorisation {
  readonly constraints: Constraints
  /** Goes with the credential, so that an operator sees where it came from. */
  readonly label: string
  /**
   * What uses the permission up, in the same batch as device and credential. Asked in the moment before the batch,
   * and again when it is tried again; throws when the permission holds no longer. `device` is who enrols, from where.
   */
  spend(device: Actor): PreparedPart
}
