// One-time enrolment tokens, and renewal by the certificate one has.
import type { Audit } from '../audit/audit.ts'
import type { Actor } from '../audit/events.ts'
import type { CertificateAuthority, IssuedCertificate } from '../ca/certificate-authority.ts'
import type { Clock, Random } from '../model/clock.ts'
import type { SecretAudience } from '../model/credential.ts'
import { FAILURES, Failure } from '../model/failure.ts'
import { parseIdentifier } from '../model/identifier.ts'
import type { Principal } from '../model/principal.ts'
import { printable } from '../model/printable.ts'
import type { PreparedPart } from '../registry/draft.ts'
import type { Registry } from '../registry/registry.ts'
import { Conflict, type Store } from '../store/store.ts'
import type { Authorisation, EnrolmentKind } from './authorisation.ts'
import { type Enrolled, type EnrolmentRequest, enrol } from './enrol.ts'
import { checkedInput, ENROLMENT_LIMITS, type EnrolmentInput, type EnrolmentLimits } from './enrolment-input.ts'
import {
  decodeEnrolment,
  ENROLMENT_PREFIX,
  type Enrolment,
  type EnrolmentRecord,
  enrolmentView,
  findEnrolment,
  type StoredEnrolment,
  statusOf,
  writeEnrolment,
} from './enrolment-record.ts'
import { KeptTokens } from './kept-tokens.ts'

/** Keeps and compares secrets without knowing them. The vault is one. */
export interface TokenVault {
  hashSecret(secret: string): { readonly pepper: string; readonly mac: string }
  /** null: an unknown token; the same work, then false. */
  verifySecret(secret: string, stored: { readonly pepper: string; readonly mac: string } | null): boolean
}

/** Makes and reads `lk_enrolment_...`. The vault's secret format is one. */
export interface TokenFormat {
  newSecret(audience: 'enrolment', random: Random): { readonly text: string; readonly keyId: string }
  parseSecret(text: string): { readonly audience: SecretAudience; readonly keyId: string } | null
}

export interface EnrolmentDeskOptions {
  readonly store: Store
  readonly vault: TokenVault
  readonly secretFormat: TokenFormat
  readonly registry: Registry
  readonly ca: CertificateAuthority
  readonly audit: Audit
  readonly clock: Clock
  readonly random: Random
  readonly limits?: Partial<EnrolmentLimits>
}

export interface IssuedToken {
  readonly id: string
  /** Shown once; only its MAC is kept. */
  readonly token: string
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
}

export type Redemption<K extends EnrolmentKind = EnrolmentKind> = EnrolmentRequest<K> & { readonly token: string }

export class EnrolmentDesk {
  readonly #options: EnrolmentDeskOptions
  readonly #limits: EnrolmentLimits
  readonly #kept: KeptTokens

  constructor(options: EnrolmentDeskOptions) {
    this.#options = options
    this.#limits = { ...ENROLMENT_LIMITS, ...options.limits }
    this.#kept = new KeptTokens(options.store)
  }

  /** Failures: `invalid-input`, `invalid-identifier`, `quota-exceeded`. */
  async create(input: EnrolmentInput, actor: Actor): Promise<IssuedToken> {
    const { vault, secretFormat, clock, random, audit } = this.#options
    await this.#kept.checkRoom(this.#limits.tokens)
    const constraints = checkedInput(input, actor, this.#options, this.#limits)
    for (let attempt = 0; attempt < this.#limits.attempts; attempt++) {
      const { text, keyId } = secretFormat.newSecret('enrolment', random)
      const now = clock.now()
      const record: EnrolmentRecord = {
        ...constraints,
        id: keyId,
        devices: [],
        createdAt: now,
        createdBy: actor.id,
        expiresAt: now + input.ttl * 1000,
        revokedAt: null,
        ...vault.hashSecret(text),
      }
      const { type, uses, expiresAt } = record
      const kinds = record.kinds.join(' ')
      const event = {
        what: 'enrolment.created',
        detail: { type, uses, expiresAt, device: input.device ?? null, kinds },
      }
      try {
        await audit.commit(
          [writeEnrolment(record, 0, this.#limits.retention)],
          [{ type: 'change', ...event, target: keyId, actor }],
        )
        return { id: keyId, token: text, expiresAt }
      } catch (error) {
        if (!(error instanceof Conflict)) throw error
      }
    }
    throw new Failure('conflict', 'No free identifier was found for the enrolment token; try again.')
  }

  /** In the order of their identifiers, without anything secret. */
  async list(
    page: { readonly after?: string | undefined; readonly limit?: number | undefined } = {},
  ): Promise<Enrolment[]> {
    const { store, clock } = this.#options
    const limit = Math.min(page.limit ?? this.#limits.pageSize, this.#limits.pageSize)
    const after = page.after === undefined ? {} : { after: ENROLMENT_PREFIX + page.after }
    await store.flush()
    const found: Enrolment[] = []
    for await (const { value } of store.list(ENROLMENT_PREFIX, { ...after, limit })) {
      found.push(enrolmentView(decodeEnrolment(value), clock.now()))
    }
    return found
  }

  /** Failures: `not-found`, `wrong-state` when nothing is left to revoke. */
  async revoke(id: string, actor: Actor): Promise<Enrolment> {
    const { store, clock, audit } = this.#options
    for (let attempt = 0; attempt < this.#limits.attempts; attempt++) {
      const found = findEnrolment(store, parseIdentifier(id, 'enrolment'))
      if (!found)
        throw new Failure('not-found', `There is no enrolment ${printable(id, 80)}; list those that are kept.`)
      const status = statusOf(found.record, clock.now())
      if (status !== 'open') throw new Failure('wrong-state', `The enrolment ${id} is ${status} already.`)
      const revoked = { ...found.record, revokedAt: clock.now() }
      try {
        await audit.commit(
          [writeEnrolment(revoked, found.revision, this.#limits.retention)],
          [{ type: 'change', what: 'enrolment.revoked', target: id, actor, detail: { type: revoked.type } }],
        )
        return enrolmentView(revoked, clock.now())
      } catch (error) {
        if (!(error instanceof Conflict)) throw error
      }
    }
    throw new Failure('conflict', `The enrolment ${id} is being changed by others; try again.`)
  }

  /**
   * A device and its credential for a token. Strangers learn only `enrolment-spent`, whatever is wrong with the token;
   * who has a good one also gets the failures of `enrol`, and the token stays good then.
   */
  redeem(redemption: Redemption<'x509'>): Promise<Enrolled<'x509'>>
  redeem(redemption: Redemption<'secret'>): Promise<Enrolled<'secret'>>
  redeem(redemption: Redemption<'psk'>): Promise<Enrolled<'psk'>>
  redeem(redemption: Redemption<'jwt-key'>): Promise<Enrolled<'jwt-key'>>
  redeem(redemption: Redemption<'oscore'>): Promise<Enrolled<'oscore'>>
  redeem(redemption: Redemption): Promise<Enrolled>
  async redeem({ token, ...request }: Redemption): Promise<Enrolled> {
    let id: string | null = null
    try {
      const found = this.#authenticate(token)
      id = found.record.id
      this.#mustBeOpen(found)
      return await enrol(this.#authorisation(found.record), request, this.#options)
    } catch (error) {
      if (error instanceof Failure && error.code === 'enrolment-spent') this.#refused(request.address, id)
      throw error
    }
  }

  /**
   * The next certificate for a device that came with a valid one: for its own id, as long-lived as the present one.
   * Both work until the old one ends. Failures: why the principal stands no longer, `policy-denied`, and those of `CertificateAuthority.issue`.
   */
  async renew(principal: Principal, { csr }: { readonly csr: string | Buffer }): Promise<IssuedCertificate> {
    const { registry, ca } = this.#options
    const { subject, address } = principal
    const why = registry.standing(principal)
    if (why !== null) throw new Failure(why)
    const present = registry.credential(principal.credential?.id ?? '')
    if (present?.kind !== 'x509' || present.owner !== subject.id) {
      throw new Failure('policy-denied', `${subject.id} did not come with a certificate, and only that renews one.`)
    }
    return ca.issue(
      { owner: subject.id, csr, label: present.label, right: 'self', lifetime: ca.lifetimeOf(present) },
      { kind: subject.kind, id: subject.id, address },
    )
  }

  /** Whoever has the token knows it exists; for everybody else an unknown one takes as long as a wrong one. */
  #authenticate(token: string): StoredEnrolment {
    const { store, vault, secretFormat } = this.#options
    const parsed = secretFormat.parseSecret(token)
    const found = parsed?.audience === 'enrolment' ? findEnrolment(store, parsed.keyId) : undefined
    const right = vault.verifySecret(token.slice(0, MAXIMUM_TOKEN), found?.record ?? null)
    if (!found || !right) throw new Failure('enrolment-spent')
    return found
  }

  #mustBeOpen({ record }: StoredEnrolment): void {
    const status = statusOf(record, this.#options.clock.now())
    if (status !== 'open') {
      throw new Failure(
        'enrolment-spent',
        `The enrolment ${record.id} is ${status}. ${FAILURES['enrolment-spent'].advice}`,
      )
    }
  }

  #authorisation({ id, type, attributes, groups, device, kinds, lifetime }: EnrolmentRecord): Authorisation {
    return {
      constraints: { type, attributes, groups, device, kinds, lifetime },
      label: `enrolment ${id}`,
      spend: (actor): PreparedPart => {
        const found = findEnrolment(this.#options.store, id)
        if (!found) throw new Failure('enrolment-spent')
        this.#mustBeOpen(found)
        const devices = [...found.record.devices, actor.id]
        const left = found.record.uses - devices.length
        return {
          operations: [writeEnrolment({ ...found.record, devices }, found.revision, this.#limits.retention)],
          events: [
            {
              type: 'change',
              what: 'enrolment.redeemed',
              target: id,
              actor,
              detail: { type, device: actor.id, left },
            },
          ],
          changes: [],
        }
      },
    }
  }

  #refused(address: string, enrolment: string | null): void {
    this.#options.audit.record({
      type: 'authentication',
      result: 'refused',
      failure: 'enrolment-spent',
      transport: 'https',
      address,
      clientId: null,
      principal: null,
      credential: enrolment,
      credentialKind: 'secret',
    })
  }
}

/** Characters; longer texts are no tokens, and hashing them would be work for strangers. */
const MAXIMUM_TOKEN = 256
