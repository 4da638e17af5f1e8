// The one use case behind every way in: under an authorisation, a device with its first credential comes to be, or nothing does.
import type { Actor } from '../audit/events.ts'
import type { CertificateAuthority } from '../ca/certificate-authority.ts'
import { commonNamesOf, readRequest } from '../ca/request.ts'
import type { Random } from '../model/clock.ts'
import { Failure } from '../model/failure.ts'
import { parseDeviceId } from '../model/identifier.ts'
import type { DeviceRecord } from '../registry/records.ts'
import type { Registry } from '../registry/registry.ts'
import type { Authorisation, Constraints, EnrolmentKind } from './authorisation.ts'
import { type CredentialRequest, type IssuedCredential, issueCredential, kindOf } from './issue-credential.ts'
import { newDeviceId } from './new-device-id.ts'

export type EnrolmentRequest<K extends EnrolmentKind = EnrolmentKind> = CredentialRequest<K> & {
  /** The id that the device would like to have. */
  readonly device?: string | undefined
  /** Where it asks from. */
  readonly address: string
}

export type Enrolled<K extends EnrolmentKind = EnrolmentKind> = IssuedCredential<K> & { readonly device: DeviceRecord }

export interface EnrolmentParts {
  readonly registry: Registry
  readonly ca: CertificateAuthority
  readonly random: Random
}

/**
 * Signs first, then makes everything true in one batch: permission spent, device, credential (ADR 0007).
 * Failures: what the authorisation throws, `invalid-csr`, `invalid-identifier`, `invalid-input`, `policy-denied`,
 * `already-exists`, `wrong-state`, `quota-exceeded`, `conflict`. None of them spends the permission.
 */
export async function enrol(
  authorisation: Authorisation,
  request: EnrolmentRequest,
  { registry, ca, random }: EnrolmentParts,
): Promise<Enrolled> {
  const { constraints, label } = authorisation
  const { type, attributes, groups, lifetime } = constraints
  mustAllow(constraints, kindOf(request))
  const id = chooseId(constraints, request, registry, random)
  const actor: Actor = { kind: 'device', id, address: request.address }
  const exists = mustExist(constraints)
  if (exists) sameDevice(constraints, registry)
  const within = () => {
    const spent = authorisation.spend(actor)
    if (exists) {
      sameDevice(constraints, registry)
      return [spent]
    }
    return [spent, registry.prepareDevice({ id, type, attributes, groups }, actor, [spent])]
  }
  const issued = await issueCredential({ owner: id, label, lifetime }, request, actor, within, { registry, ca })
  const device = registry.device(id)
  if (!device) throw new Failure('conflict', `${id} was removed in the moment it was enrolled; enrol it again.`)
  return { ...issued, device }
}

function mustAllow({ kinds }: Constraints, kind: EnrolmentKind): void {
  if (kinds.includes(kind)) return
  throw new Failure('policy-denied', `This enrolment gives ${kinds.join(' or ')} and not ${kind}; ask for that.`)
}

/** The fixed id, else the one asked for, else the request's common name, else one that nobody has. */
function chooseId(constraints: Constraints, request: EnrolmentRequest, registry: Registry, random: Random): string {
  const asked = request.device ?? nameIn(request)
  const fixed = constraints.device
  if (fixed) {
    if (asked === null || asked === fixed.id) return fixed.id
    throw new Failure('policy-denied', `This enrolment is for ${fixed.id} alone; ask for that one.`)
  }
  if (asked === null) return newDeviceId(constraints.type, registry, random)
  const id = parseDeviceId(asked)
  if (registry.subjectOf(id)) {
    throw new Failure(
      'already-exists',
      `${id} exists already, and this enrolment makes a new device; choose another id.`,
    )
  }
  return id
}

function nameIn(request: CredentialRequest): string | null {
  return 'csr' in request ? (commonNamesOf(readRequest(request.csr))[0] ?? null) : null
}

const mustExist = ({ device }: Constraints): boolean => device !== null && device.createdAt !== null

/** An authorisation for a device that was there ends with that device: one of the same name made later is another. */
function sameDevice({ device, type }: Constraints, registry: Registry): void {
  const record = registry.device(device?.id ?? '')
  if (record?.createdAt === device?.createdAt && record?.type === type) return
  throw new Failure('wrong-state', `The device ${device?.id} that this enrolment was made for is no longer there.`)
}
