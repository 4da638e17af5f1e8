// In-session renewal: the device that is connected by a credential gets the next one (ADR 0008).
import type { Actor } from '../audit/events.ts'
import type { Clock } from '../model/clock.ts'
import { Failure } from '../model/failure.ts'
import type { Principal } from '../model/principal.ts'
import { isSecure } from '../model/transport.ts'
import { plannedEnd } from '../registry/credentials.ts'
import { ENROLMENT_LIMITS, type EnrolmentLimits } from './enrolment-input.ts'
import { commitWith, type IssuedCredential, type Issuers } from './issue-credential.ts'
import { RenewalRate } from './renewal-rate.ts'

export interface RenewalParts extends Issuers {
  readonly clock: Clock
  /** Whether somebody is connected by this credential now. */
  isInUse(credential: string): boolean
  readonly limits?: Partial<EnrolmentLimits>
}

export interface RenewalRequest {
  /** PKCS #10: PEM, base64 or DER. For a certificate alone, and needed there. */
  readonly csr?: string | undefined
}

/** Kinds that are renewed by asking. */
export type RenewableKind = 'x509' | 'secret' | 'psk' | 'oscore'

export class Renewal {
  readonly #parts: RenewalParts
  readonly #limits: EnrolmentLimits
  readonly #rate: RenewalRate

  constructor(parts: RenewalParts) {
    this.#parts = parts
    this.#limits = { ...ENROLMENT_LIMITS, ...parts.limits }
    this.#rate = new RenewalRate(this.#limits, parts.clock)
  }

  /**
   * The next credential, as long-lived as the present one was made. That one works on until its end or the end of the
   * overlap, and so does the session. Failures: those of `renewableKind`, `throttled`, why the principal stands no
   * longer, `invalid-input`, `invalid-csr`, `quota-exceeded`, `conflict`, and `wrong-state` when the present one was
   * renewed and its successor is used.
   */
  async renew(principal: Principal, { csr }: RenewalRequest): Promise<IssuedCredential> {
    const { registry, ca } = this.#parts
    const kind = renewableKind(principal)
    const { subject, address } = principal
    this.#checkRate(subject.id)
    const why = registry.standing(principal)
    if (why !== null) throw new Failure(why)
    const present = registry.credential(principal.credential?.id ?? '')
    if (present?.kind !== kind || present.owner !== subject.id) throw new Failure('superseded')
    const actor: Actor = { kind: subject.kind, id: subject.id, address }
    const within = () => [registry.prepareSuccession(present.id, this.#succession, actor)]
    const next = { label: present.label, renews: present.id }
    if (present.kind === 'x509') {
      if (csr === undefined)
        throw new Failure('invalid-input', 'csr: a certificate is renewed with a request; send one.')
      const lifetime = ca.lifetimeOf(present)
      return ca.issue({ ...next, owner: subject.id, csr, right: 'self', lifetime }, actor, within)
    }
    if (csr !== undefined) throw new Failure('invalid-input', `csr: only for certificates, and this is a ${kind}.`)
    const end = plannedEnd(present)
    const lifetime = end === null ? null : (end - present.notBefore) / 1000
    if (present.kind === 'secret') {
      const input = { ...next, lifetime, audience: present.audience }
      return commitWith(subject.id, registry, within, parts => registry.prepareSecret(subject.id, input, actor, parts))
    }
    const input = { ...next, lifetime }
    if (present.kind === 'oscore')
      return commitWith(subject.id, registry, within, parts =>
        registry.prepareOscore(subject.id, { ...input, idContext: present.idContext ?? undefined }, actor, parts),
      )
    return commitWith(subject.id, registry, within, parts => registry.preparePsk(subject.id, input, actor, parts))
  }

  #checkRate(device: string): void {
    if (this.#rate.take(device)) return
    const { renewalBurst, renewalsPerMinute } = this.#limits
    throw new Failure(
      'throttled',
      `More than ${renewalBurst} renewals in a row (limits.enrolment.renewalBurst) or ${renewalsPerMinute} a minute (renewalsPerMinute); wait.`,
    )
  }

  get #succession() {
    const { registry, isInUse } = this.#parts
    return { overlap: Math.min(this.#limits.renewalOverlap, registry.limits.overlap), isInUse }
  }
}

/**
 * The kind of what this session would renew, in this order of checks: an encrypted channel, a device, a credential that
 * was itself shown. Throws `policy-denied`.
 */
export function renewableKind({ transport, subject, credential, issuer }: Principal): RenewableKind {
  // OSCORE protects its messages itself, over whatever they go.
  if (!isSecure(transport) && credential?.kind !== 'oscore')
    throw new Failure(
      'policy-denied',
      `Nothing is renewed over plaintext ${transport}; connect with TLS and ask again.`,
    )
  if (subject.kind !== 'device' || credential === null)
    throw new Failure('policy-denied', 'This session was not admitted by a credential of a device, so none is renewed.')
  const { kind } = credential
  // A token names the credential that it was given for, but who shows the token has not shown that one.
  if (issuer === null && (kind === 'x509' || kind === 'secret' || kind === 'psk' || kind === 'oscore')) return kind
  throw new Failure(
    'policy-denied',
    'A session that was admitted by a JWT renews nothing; sign the next JWT, or fetch one from the token endpoint, and connect with it.',
  )
}
