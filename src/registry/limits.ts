import { Failure } from '../model/failure.ts'

/** How much the registry takes. A Failure names the limit that stopped it. */
export interface RegistryLimits {
  readonly devices: number
  readonly clients: number
  readonly deviceTypes: number
  /** Neither revoked nor expired. */
  readonly credentialsPerOwner: number
  readonly attributes: number
  readonly groups: number
  readonly roles: number
  readonly scopes: number
  /** Devices behind one gateway. */
  readonly children: number
  /** Characters of a label, description, subject or revocation reason. */
  readonly text: number
  /** Seconds: the longest life of a credential that has an end. */
  readonly credentialLifetime: number
  /** Seconds: how long a rotated credential may still work. */
  readonly overlap: number
  /** Seconds: the longest life of a client's access tokens. */
  readonly tokenLifetime: number
  /** Seconds that a credential stays readable after its end (never before its certificate has expired: CRLs need it). */
  readonly history: number
  /** Seconds that a denied token stays denied after it expired, for verifiers whose clocks are behind. */
  readonly clockSkew: number
  /** Records in one page of a listing. */
  readonly pageSize: number
  /** How often a change is tried when somebody else changes the same records. */
  readonly attempts: number
  /** RSA key size of a `jwt-key`, bits. */
  readonly rsaBits: number
  /** Documents applied at once. */
  readonly manifests: number
}

const DAY = 86_400

export const DEFAULT_REGISTRY_LIMITS: RegistryLimits = {
  devices: 1_000_000,
  clients: 10_000,
  deviceTypes: 1_000,
  credentialsPerOwner: 16,
  attributes: 32,
  groups: 32,
  roles: 32,
  scopes: 64,
  children: 4_096,
  text: 256,
  credentialLifetime: 3_650 * DAY,
  overlap: 30 * DAY,
  tokenLifetime: DAY,
  history: 30 * DAY,
  clockSkew: 60,
  pageSize: 1_000,
  attempts: 8,
  rsaBits: 8_192,
  manifests: 10_000,
}

/** Throws `quota-exceeded` when `count` is more than the limit allows. */
export function withinLimit(limits: RegistryLimits, name: keyof RegistryLimits, count: number, what: string): void {
  if (count <= limits[name]) return
  throw new Failure(
    'quota-exceeded',
    `${what} would make ${count}, but the registry limit ${name} is ${limits[name]}: remove what is not used, or raise the limit`,
  )
}
