import type { CredentialKind } from './credential.ts'
import type { Transport } from './transport.ts'

export type PrincipalKind = 'device' | 'service' | 'operator' | 'anonymous'

/** What the policy knows of somebody who acts. */
export interface Subject {
  readonly kind: PrincipalKind
  readonly id: string
  /** Device type; null for everybody else. */
  readonly type: string | null
  readonly groups: readonly string[]
  /** Roles given by the registry itself; the policy's `assign` may add more. */
  readonly roles: readonly string[]
  /** `${device.NAME}`: values that cannot hold `/ + #` or NUL. Holds `id` and `type` too. */
  readonly attributes: ReadonlyMap<string, string>
  /** Devices behind this gateway. */
  readonly children: readonly string[]
}

/** A credential that was proved, as it was then. */
export interface ProvedCredential {
  readonly id: string
  readonly kind: CredentialKind
  readonly epoch: number
}

/** Who speaks, by which credential, until when. Made by `auth/authenticate` alone. */
export interface Principal {
  readonly subject: Subject
  /** null for `anonymous` and for the operator's per-start key. */
  readonly credential: { readonly id: string; readonly kind: CredentialKind } | null
  /** Milliseconds since the epoch; null when nothing ends it by itself. */
  readonly expiresAt: number | null
  /** Token scopes; null when nothing narrows the roles. */
  readonly scopes: readonly string[] | null
  /** Of a JWT: its issuer and identifier, so that either can be denied. */
  readonly issuer: string | null
  readonly jti: string | null
  /** Epochs of owner and credential when they were checked; a later epoch voids this principal. */
  readonly ownerEpoch: number
  readonly credentialEpoch: number
  /** What else was proved beside `credential` and agreed with it: who shows two credentials falls with either. */
  readonly besides?: readonly ProvedCredential[]
  readonly transport: Transport
  readonly address: string
}
