import type { Audit } from '../audit/audit.ts'
import type { Actor } from '../audit/events.ts'
import type { Changes } from '../model/change.ts'
import type { Clock, Random } from '../model/clock.ts'
import { Failure, type FailureCode } from '../model/failure.ts'
import type { Principal, Subject } from '../model/principal.ts'
import { Conflict, type Store } from '../store/store.ts'
import { decodeScramKeys, type ScramKeys } from '../vault/scram-keys.ts'
import type { Vault } from '../vault/vault.ts'
import * as clients from './clients.ts'
import * as credentials from './credentials.ts'
import { type DeniedToken, denyToken, isTokenDenied } from './denied-tokens.ts'
import { putDeviceType } from './device-types.ts'
import * as devices from './devices.ts'
import { combine, Draft, type PreparedPart } from './draft.ts'
import * as issuing from './issuing.ts'
import { DEFAULT_REGISTRY_LIMITS, type RegistryLimits } from './limits.ts'
import * as listings from './listings.ts'
import { Lookups } from './lookups.ts'
import { type IssuedOscore, issueOscore, type OscoreSecrets, rotateOscore, secretsIn } from './oscore-issuing.ts'
import type { Circumstances } from './owners.ts'
import type * as records from './records.ts'
import { type SuccessionInput, succeed } from './succession.ts'

export interface RegistryOptions {
  readonly store: Store
  readonly vault: Vault
  readonly audit: Audit
  readonly changes: Changes
  readonly clock: Clock
  readonly random: Random
  readonly limits?: Partial<RegistryLimits> | undefined
}

/**
 * Devices, clients and their credentials. Lookups are synchronous. Every change is one atomic batch with its audit
 * events; when its promise resolves it is durable and everybody who follows `changes` has acted on it.
 * Changes throw `not-found`, `already-exists`, `conflict`, `invalid-input`, `invalid-identifier`, `wrong-state` or
 * `quota-exceeded`; then nothing was changed.
 */
export class Registry {
  readonly limits: RegistryLimits
  readonly #options: RegistryOptions
  readonly #lookups: Lookups

  constructor(options: RegistryOptions) {
    this.#options = options
    this.#lookups = new Lookups(options.store)
    this.limits = { ...DEFAULT_REGISTRY_LIMITS, ...options.limits }
  }

  // --- devices

  device(id: string): records.DeviceRecord | undefined {
    return this.#lookups.device(id)
  }

  /** In the order of their ids. */
  devices(page: records.DevicePage = {}): Promise<records.DeviceRecord[]> {
    return listings.devices(this.#options.store, page, this.limits)
  }

  createDevice(input: records.DeviceInput, actor: Actor): Promise<records.DeviceRecord> {
    return this.#change(actor, (draft, by) => devices.createDevice(draft, input, by))
  }

  /** Resolves with the record as it is then; a patch that changes nothing is no event. */
  updateDevice(id: string, patch: records.DevicePatch, actor: Actor): Promise<records.DeviceRecord> {
    return this.#change(actor, (draft, by) => devices.updateDevice(draft, id, patch, by).record)
  }

  suspendDevice(id: string, actor: Actor): Promise<records.DeviceRecord> {
    return this.#change(actor, (draft, by) => devices.suspendDevice(draft, id, by))
  }

  resumeDevice(id: string, actor: Actor): Promise<records.DeviceRecord> {
    return this.#change(actor, (draft, by) => devices.resumeDevice(draft, id, by))
  }

  /** Revokes all its credentials and lets its children go, in the same batch. */
  removeDevice(id: string, actor: Actor): Promise<records.DeviceRecord> {
    return this.#change(actor, (draft, by) => devices.removeDevice(draft, id, by))
  }

  deviceType(id: string): records.DeviceTypeRecord | undefined {
    return this.#lookups.deviceType(id)
  }

  deviceTypes(): Promise<records.DeviceTypeRecord[]> {
    return listings.deviceTypes(this.#options.store)
  }

  putDeviceType(input: records.DeviceTypeInput, actor: Actor): Promise<records.DeviceTypeRecord> {
    return this.#change(actor, (draft, by) => putDeviceType(draft, input, by).record)
  }

  // --- clients

  client(id: string): records.ClientRecord | undefined {
    return this.#lookups.client(id)
  }

  /** In the order of their ids. */
  clients(page: records.Page = {}): Promise<records.ClientRecord[]> {
    return listings.clients(this.#options.store, page, this.limits)
  }

  createClient(input: records.ClientInput, actor: Actor): Promise<records.ClientRecord> {
    return this.#change(actor, (draft, by) => clients.createClient(draft, input, by))
  }

  updateClient(id: string, patch: records.ClientPatch, actor: Actor): Promise<records.ClientRecord> {
    return this.#change(actor, (draft, by) => clients.updateClient(draft, id, patch, by).record)
  }

  suspendClient(id: string, actor: Actor): Promise<records.ClientRecord> {
    return this.#change(actor, (draft, by) => clients.suspendClient(draft, id, by))
  }

  resumeClient(id: string, actor: Actor): Promise<records.ClientRecord> {
    return this.#change(actor, (draft, by) => clients.resumeClient(draft, id, by))
  }

  /** Revokes all its credentials in the same batch. */
  removeClient(id: string, actor: Actor): Promise<records.ClientRecord> {
    return this.#change(actor, (draft, by) => clients.removeClient(draft, id, by))
  }

  // --- credentials

  credential(id: string): records.CredentialRecord | undefined {
    return this.#lookups.credential(id)
  }

  /** All that are still readable, revoked and expired ones among them. */
  credentialsOf(owner: string): Promise<records.CredentialRecord[]> {
    return listings.credentialsOf(this.#options.store, owner)
  }

  credentials(page: records.Page = {}): Promise<records.CredentialRecord[]> {
    return listings.credentials(this.#options.store, page, this.limits)
  }

  /** SHA-256 of the certificate in lower-case hex. Like its sisters it also finds what is revoked or expired. */
  credentialByFingerprint(fingerprint: string): records.CredentialRecord | undefined {
    return this.#lookups.byFingerprint(fingerprint)
  }

  credentialByKeyId(keyId: string): records.CredentialRecord | undefined {
    return this.#lookups.byKeyId(keyId)
  }

  credentialByPskIdentity(identity: string): records.CredentialRecord | undefined {
    return this.#lookups.byPskIdentity(identity)
  }

  /** The OSCORE context whose device has this sender id (hex). */
  credentialByOscoreId(senderId: string): records.OscoreCredential | undefined {
    return this.#lookups.byOscoreId(senderId)
  }

  scramCredential(username: string): records.ScramCredential | undefined {
    return this.#lookups.byScramUsername(username)
  }

  /** Without `kid`: the owner's only usable key; undefined when there are several. */
  jwtKey(owner: string, kid: string | undefined): records.JwtKeyCredential | undefined {
    return this.#lookups.jwtKey(owner, kid, this.#options.clock.now())
  }

  issueSecret(owner: string, input: records.SecretInput, actor: Actor): Promise<issuing.IssuedSecret> {
    return this.#change(actor, (draft, by) => issuing.issueSecret(draft, owner, input, by, this.#options))
  }

  /** One for each owner: its predecessor must have ended. */
  issueScram(owner: string, input: records.ScramInput, actor: Actor): Promise<issuing.IssuedScram> {
    return this.#change(actor, (draft, by) => issuing.issueScram(draft, owner, input, by, this.#options))
  }

  issuePsk(owner: string, input: records.PskInput, actor: Actor): Promise<issuing.IssuedPsk> {
    return this.#change(actor, (draft, by) => issuing.issuePsk(draft, owner, input, by, this.#options))
  }

  issueOscore(owner: string, input: records.OscoreInput, actor: Actor): Promise<IssuedOscore> {
    return this.#change(actor, (draft, by) => issueOscore(draft, owner, input, by, this.#options))
  }

  addJwtKey(
    owner: string,
    input: records.JwtKeyInput,
    actor: Actor,
  ): Promise<{ readonly credential: records.JwtKeyCredential }> {
    return this.#change(actor, (draft, by) => ({
      credential: issuing.addJwtKey(draft, owner, input, by, this.#options),
    }))
  }

  rotateSecret(id: string, input: records.RotationInput, actor: Actor): Promise<issuing.IssuedSecret> {
    return this.#change(actor, (draft, by) => issuing.rotateSecret(draft, id, input, by, this.#options))
  }

  rotatePsk(id: string, input: records.PskRotationInput, actor: Actor): Promise<issuing.IssuedPsk> {
    return this.#change(actor, (draft, by) => issuing.rotatePsk(draft, id, input, by, this.#options))
  }

  rotateOscore(id: string, input: records.OscoreRotationInput, actor: Actor): Promise<IssuedOscore> {
    return this.#change(actor, (draft, by) => rotateOscore(draft, id, input, by, this.#options))
  }

  revokeCredential(id: string, { reason }: { reason: string }, actor: Actor): Promise<records.CredentialRecord> {
    return this.#change(actor, (draft, by) => credentials.revokeCredential(draft, id, reason, by))
  }

  /** The key of a PSK credential, whatever its state. */
  pskKey(credential: records.PskCredential): Buffer {
    return this.#options.vault.unseal(Buffer.from(credential.sealed, 'base64'), issuing.sealContext(credential))
  }

  /** What the keys of an OSCORE context are derived from, whatever its state. */
  oscoreSecrets(credential: records.OscoreCredential): OscoreSecrets {
    const { vault } = this.#options
    return secretsIn(vault.unseal(Buffer.from(credential.sealed, 'base64'), issuing.sealContext(credential)))
  }

  /** What a SCRAM password is checked by, whatever its state. */
  scramKeys(credential: records.ScramCredential): ScramKeys {
    const { vault } = this.#options
    return decodeScramKeys(vault.unseal(Buffer.from(credential.sealed, 'base64'), issuing.sealContext(credential)))
  }

  // --- parts of somebody else's batch. `within`: parts that go before this one into the same batch.

  prepareDevice(input: records.DeviceInput, actor: Actor, within: readonly PreparedPart[] = []) {
    return this.#prepare(actor, within, (draft, by) => ({ device: devices.createDevice(draft, input, by) }))
  }

  /** With `fingerprint: null` the credential is pending until `prepareActivation`. */
  prepareCertificate(
    owner: string,
    input: records.CertificateInput,
    actor: Actor,
    within: readonly PreparedPart[] = [],
  ) {
    return this.#prepare(actor, within, (draft, by) => ({
      credential: issuing.addCertificate(draft, owner, input, by, this.#options),
    }))
  }

  prepareActivation(id: string, fingerprint: string, actor: Actor, within: readonly PreparedPart[] = []) {
    return this.#prepare(actor, within, (draft, by) => ({
      credential: issuing.activateCertificate(draft, id, fingerprint, by),
    }))
  }

  prepareSecret(owner: string, input: records.SecretInput, actor: Actor, within: readonly PreparedPart[] = []) {
    return this.#prepare(actor, within, (draft, by) => issuing.issueSecret(draft, owner, input, by, this.#options))
  }

  /** Under the owner's id, or `<id>.2`, `<id>.3`... while that name still leads to a key. */
  preparePsk(
    owner: string,
    input: Omit<records.PskInput, 'identity'>,
    actor: Actor,
    within: readonly PreparedPart[] = [],
  ) {
    return this.#prepare(actor, within, (draft, by) => issuing.issueFurtherPsk(draft, owner, input, by, this.#options))
  }

  prepareOscore(owner: string, input: records.OscoreInput, actor: Actor, within: readonly PreparedPart[] = []) {
    return this.#prepare(actor, within, (draft, by) => issueOscore(draft, owner, input, by, this.#options))
  }

  prepareJwtKey(owner: string, input: records.JwtKeyInput, actor: Actor, within: readonly PreparedPart[] = []) {
    return this.#prepare(actor, within, (draft, by) => ({
      credential: issuing.addJwtKey(draft, owner, input, by, this.#options),
    }))
  }

  /** Goes before the part that makes the successor of credential `id`, with `renews: id`. */
  prepareSuccession(id: string, input: SuccessionInput, actor: Actor) {
    return this.#prepare(actor, [], (draft, by) => ({ old: succeed(draft, id, input, by) }))
  }

  /** Several prepared parts as one batch, then their changes. `conflict` when something they rest on has changed. */
  async commitAll(parts: readonly PreparedPart[]): Promise<void> {
    try {
      await this.#commit(combine(parts))
    } catch (error) {
      if (!(error instanceof Conflict)) throw error
      throw new Failure('conflict', `${error.message} since this was prepared: read it again and repeat`, {
        cause: error,
      })
    }
  }

  /** For planning outside of this class (manifests): a draft over this registry's store. */
  draft(): Draft {
    return new Draft(this.#options.store)
  }

  circumstances(actor: Actor): Circumstances {
    return { actor, now: this.#options.clock.now(), limits: this.limits }
  }

  // --- who may go on

  async denyToken(token: DeniedToken, actor: Actor): Promise<void> {
    await this.#change(actor, (draft, by) => denyToken(draft, token, by))
  }

  isTokenDenied(issuer: string, jti: string): boolean {
    return isTokenDenied(this.#options.store, issuer, jti)
  }

  /** Why this principal may go on no longer; null when all that it was admitted by still holds. */
  standing(principal: Principal): FailureCode | null {
    return this.#lookups.standing(principal, this.#options.clock.now())
  }

  /** When this principal ends by itself (ms since the epoch), by what its credential says now; null: never. */
  endOf(principal: Principal): number | null {
    return this.#lookups.endOf(principal)
  }

  subjectOf(owner: string): Subject | undefined {
    return this.#lookups.subjectOf(owner)
  }

  /** A draft is made and committed within one turn; only another writer of the same store can come between. */
  async #change<T>(actor: Actor, make: (draft: Draft, by: Circumstances) => T): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const draft = new Draft(this.#options.store)
      const result = make(draft, this.circumstances(actor))
      if (draft.isEmpty) return result
      try {
        await this.#commit(draft.part())
        return result
      } catch (error) {
        if (!(error instanceof Conflict)) throw error
        if (attempt < this.limits.attempts) continue
        throw new Failure('conflict', `${error.message} ${attempt} times while it was being changed: repeat it later`, {
          cause: error,
        })
      }
    }
  }

  #prepare<T extends object>(
    actor: Actor,
    within: readonly PreparedPart[],
    make: (draft: Draft, by: Circumstances) => T,
  ): T & PreparedPart {
    const draft = new Draft(this.#options.store, within)
    const made = make(draft, this.circumstances(actor))
    return { ...made, ...draft.part() }
  }

  async #commit({ operations, events, changes }: PreparedPart): Promise<void> {
    await this.#options.audit.commit(operations, events)
    for (const change of changes) this.#options.changes.publish(change)
  }
}
