// What an operator may ask of a new enrolment token, checked whole before anything is made.
import type { Actor } from '../audit/events.ts'
import { Failure } from '../model/failure.ts'
import { parseDeviceId, parseIdentifier } from '../model/identifier.ts'
import type { Registry } from '../registry/registry.ts'
import { type Constraints, ENROLMENT_KINDS, type EnrolmentKind, type FixedDevice } from './authorisation.ts'
import type { EnrolmentParts } from './enrol.ts'
import { newDeviceId } from './new-device-id.ts'

export interface EnrolmentLimits {
  /** Seconds. */
  readonly ttlMaximum: number
  readonly usesMaximum: number
  /** Tokens kept, spent and ended ones among them. */
  readonly tokens: number
  /** Seconds that a token stays readable after its end. */
  readonly retention: number
  /** Tokens in one listing. */
  readonly pageSize: number
  /** How often a batch is tried when others change the same token. */
  readonly attempts: number
  /** Seconds during which a credential still works after its device has renewed it in session. */
  readonly renewalOverlap: number
  /** Renewals that one device may ask for in a row, and then in a minute. */
  readonly renewalBurst: number
  readonly renewalsPerMinute: number
  /** Devices whose renewals are counted at a time. */
  readonly renewalsRemembered: number
}

export const ENROLMENT_LIMITS: EnrolmentLimits = {
  ttlMaximum: 30 * 86_400,
  usesMaximum: 1000,
  tokens: 10_000,
  retention: 7 * 86_400,
  pageSize: 1000,
  attempts: 8,
  renewalOverlap: 86_400,
  renewalBurst: 6,
  renewalsPerMinute: 12,
  renewalsRemembered: 10_000,
}

export interface EnrolmentInput {
  readonly type: string
  /** Seconds the token lives. */
  readonly ttl: number
  readonly attributes?: Readonly<Record<string, string>> | undefined
  readonly groups?: readonly string[] | undefined
  /** The only device it is for. */
  readonly device?: string | undefined
  /** Devices it enrols; default 1. */
  readonly uses?: number | undefined
  /** Of credentials that a device may ask for; default: certificates. */
  readonly kinds?: readonly EnrolmentKind[] | undefined
  /** Seconds the credentials live; default: certificates as the device profile says, all else without end. */
  readonly lifetime?: number | null | undefined
}

/**
 * Tries the device out, so that what is wrong shows to the operator now and not to the device later.
 * Failures: `invalid-input`, `invalid-identifier`, `already-exists`, `quota-exceeded`.
 */
export function checkedInput(
  input: EnrolmentInput,
  actor: Actor,
  { registry, ca, random }: EnrolmentParts,
  limits: EnrolmentLimits,
): Constraints & { readonly uses: number } {
  const { ttl, uses = 1, attributes = {}, groups = [] } = input
  const lifetime = input.lifetime ?? null
  within('ttl', ttl, limits.ttlMaximum, 'seconds')
  within('uses', uses, limits.usesMaximum, 'devices')
  const kinds = checkedKinds(input.kinds ?? ['x509'])
  if (lifetime !== null) {
    within('lifetime', lifetime, registry.limits.credentialLifetime, 'seconds')
    if (kinds.includes('x509')) ca.checkLifetime(lifetime)
  }
  const type = parseIdentifier(input.type, 'type')
  const device = input.device === undefined ? null : fixedDevice(parseDeviceId(input.device), type, registry)
  if (device && uses > 1) {
    throw new Failure('invalid-input', `uses: a token for the one device ${device.id} has one use; leave uses out`)
  }
  if (device === null || device.createdAt === null) {
    const id = device?.id ?? newDeviceId(type, registry, random)
    registry.prepareDevice({ id, type, attributes, groups }, actor)
  } else if (Object.keys(attributes).length + groups.length > 0) {
    throw new Failure('invalid-input', `${device.id} exists already; attributes and groups are for new devices`)
  }
  return { type, attributes, groups, device, uses, kinds, lifetime }
}

function checkedKinds(kinds: readonly EnrolmentKind[]): EnrolmentKind[] {
  const known = ENROLMENT_KINDS.filter(kind => kinds.includes(kind))
  if (known.length === kinds.length && known.length > 0) return known
  throw new Failure('invalid-input', `kinds: each of ${ENROLMENT_KINDS.join(', ')} at most once, and at least one`)
}

function fixedDevice(id: string, type: string, registry: Registry): FixedDevice {
  const existing = registry.device(id)
  if (!existing) return { id, createdAt: null }
  if (existing.type === type) return { id, createdAt: existing.createdAt }
  throw new Failure('invalid-input', `type: the device ${id} is of type ${existing.type}, not ${type}`)
}

function within(name: string, value: number, most: number, unit: string): void {
  if (Number.isSafeInteger(value) && value >= 1 && value <= most) return
  throw new Failure('invalid-input', `${name} ${value} is not possible: 1 to ${most} whole ${unit} are`)
}
