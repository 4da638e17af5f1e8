// The one door. What is here, and nothing else, makes a Principal.
import type { Audit } from '../audit/audit.ts'
import type { Clock, Random } from '../model/clock.ts'
import type { Evidence } from '../model/evidence.ts'
import { asFailure, Failure, type FailureCode } from '../model/failure.ts'
import { isIdentifier } from '../model/identifier.ts'
import type { Meter } from '../model/meter.ts'
import type { Principal, Subject } from '../model/principal.ts'
import { printable } from '../model/printable.ts'
import type { Transport } from '../model/transport.ts'
import type { Registry } from '../registry/registry.ts'
import type { Vault } from '../vault/vault.ts'
import { AttemptLimiter } from './attempt-limiter.ts'
import { type Claim, claimsOf } from './claims.ts'
import { admitsClientId, assignClientId, checkClientId } from './client-identifier.ts'
import { checkSameSubject, type Exchange, JWT_METHOD, scramExchange, tokenExchange } from './exchange.ts'
import { AUTHENTICATION_LIMITS, type AuthenticationLimits } from './limits.ts'
import { LOCAL_OPERATOR, LOCAL_OPERATOR_SUBJECT, showsOperatorKey } from './operator-key.ts'
import type { IssuerKeys, TrustedAuthorities, UnknownCertificate } from './ports.ts'
import { type Proof, proofBy, type Trace } from './proof.ts'
import { mayResume, type ProvedBefore } from './resumption.ts'
import { believedSubject } from './unproved.ts'
import { TokenVerifier } from './verify-jwt.ts'
import { type OscoreContextOf, oscoreContextOf, verifyOscore } from './verify-oscore.ts'
import { pskKeyOf, verifyPsk } from './verify-psk.ts'
import { SCRAM_METHOD, type ScramConversation, ScramServer } from './verify-scram.ts'
import { verifySecret } from './verify-secret.ts'
import { VerifiedSignatures, verifyCertificate } from './verify-x509.ts'

export interface AuthenticatorParts {
  readonly registry: Registry
  readonly vault: Vault
  readonly audit: Audit
  readonly clock: Clock
  readonly random: Random
  readonly meter: Meter
  readonly limits?: Partial<AuthenticationLimits>
  readonly issuerKeys: IssuerKeys
  readonly trust: TrustedAuthorities
  readonly unknownCertificate?: UnknownCertificate
  /** What `aud` of tokens that devices sign must hold. */
  readonly audience: string
  /** Who shows nothing at all gets this role, on these transports; null: nobody does. */
  readonly anonymous: { readonly role: string; readonly transports: readonly Transport[] } | null
  /** Of the per-start operator key (`operatorKeyHash`); null or absent: there is none. */
  readonly operatorKeyHash?: Buffer | null
  /** Why nobody may come in just now (the clock is behind, say); null: they may. */
  readonly refuseAll?: () => FailureCode | null
  /** `off-for-tests` believes whatever is claimed, so that a test of an attack is seen to fail. */
  readonly enforcement?: 'on' | 'off-for-tests'
}

export class Authenticator {
  readonly #parts: AuthenticatorParts
  readonly #limits: AuthenticationLimits
  readonly #limiter: AttemptLimiter
  readonly #tokens: TokenVerifier
  readonly #signatures: VerifiedSignatures
  readonly #scram: ScramServer
  /** Where the operator key has come from. Its acts are audited one by one; `audit follow` must not follow itself. */
  readonly #operatorAddresses = new Set<string>()

  constructor(parts: AuthenticatorParts) {
    this.#parts = parts
    this.#limits = { ...AUTHENTICATION_LIMITS, ...parts.limits }
    this.#limiter = new AttemptLimiter(this.#limits, parts.clock)
    this.#tokens = new TokenVerifier({ ...parts, limits: this.#limits })
    this.#signatures = new VerifiedSignatures(this.#limits.keyCacheEntries)
    this.#scram = new ScramServer(parts)
  }

  /** Evidence becomes a Principal, or a Failure is thrown; either way the audit trail is told. */
  authenticate(evidence: Evidence): Promise<Principal> {
    return this.#authenticate(evidence, {})
  }

  async #authenticate(evidence: Evidence, asked: Asked): Promise<Principal> {
    const trace = emptyTrace()
    let principal: Principal
    try {
      principal = await this.#admit(evidence, asked, trace)
    } catch (error) {
      throw this.#refused(evidence, trace, asFailure(error))
    }
    const { subject, credential } = principal
    // Of several credentials the one that speaks, not the one that was verified last.
    const proved = credential && { principal: subject.id, credential: credential.id, credentialKind: credential.kind }
    this.#record(evidence, proved ?? trace, null)
    return principal
  }

  /** The HTTP API: the operator key, an `lk_api_` secret or an access token as bearer (RFC 6750). */
  authenticateBearer(token: string, address: string): Promise<Principal> {
    return this.authenticate({
      transport: 'https',
      address,
      clientId: null,
      certificates: [],
      pskIdentity: null,
      username: null,
      password: Buffer.from(token),
    })
  }

  /** The key of a TLS-PSK identity; null alike for whatever is unknown, revoked or expired. */
  pskKey(identity: string): Buffer | null {
    return pskKeyOf(identity, this.#parts.registry, this.#parts.clock)
  }

  /** Whether a DTLS session may be taken up again by what proved it before. It still comes through the door. */
  mayResume(proved: ProvedBefore): boolean {
    const { registry, clock, enforcement } = this.#parts
    return enforcement === 'off-for-tests' || mayResume(proved, registry, clock)
  }

  /** What an OSCORE request is read with; null alike for whatever is unknown, revoked or expired. */
  oscoreContext(kid: Buffer, kidContext: Buffer | null): OscoreContextOf | null {
    return oscoreContextOf(kid, kidContext, this.#parts.registry, this.#parts.clock)
  }

  /** Whether the keys of this context will never be used again, whatever the clock says. */
  isOscoreOver(credential: string): boolean {
    const record = this.#parts.registry.credential(credential)
    return record === undefined || record.status === 'revoked'
  }

  admitsClientId(principal: Principal, clientId: string): boolean {
    if (this.#parts.enforcement === 'off-for-tests') return true
    return admitsClientId(principal, clientId, this.#parts.registry, this.#limits.clientIdBytes)
  }

  /** For an empty MQTT client identifier. */
  assignClientId(principal: Principal, random: Random): string {
    return assignClientId(principal, this.#parts.registry, random)
  }

  /**
   * Enhanced authentication (MQTT 5, 4.12); its last step resolves as `authenticate` does. `before`: re-authentication
   * (4.12.1) of this principal, that ends in nobody else. Throws `authentication-method` for methods that are not served.
   */
  begin(evidence: Evidence, method: string, before: Principal | null = null): Exchange {
    const more = before === null ? {} : { before }
    if (method === JWT_METHOD) return tokenExchange(evidence, shown => this.#authenticate(shown, more))
    if (method === SCRAM_METHOD) {
      const first = (data: Buffer | null) => this.#challenge(evidence, data)
      return scramExchange(first, shown => this.#authenticate(evidence, { ...more, shown }))
    }
    const failure = new Failure('authentication-method', `The method ${printable(method, 40)} is not served`)
    throw this.#refused(evidence, emptyTrace(), failure)
  }

  /** The first half of SCRAM: nothing is proved yet, but who may not try any more gets no challenge either. */
  #challenge(evidence: Evidence, first: Buffer | null): ScramConversation {
    const { address } = evidence
    try {
      const closed = this.#parts.refuseAll?.() ?? null
      if (closed !== null) throw new Failure(closed)
      const conversation = this.#begun(address, first)
      this.#limiter.check(address, [conversation.reference])
      return conversation
    } catch (error) {
      throw this.#refused(evidence, { ...emptyTrace(), credentialKind: 'scram' }, asFailure(error))
    }
  }

  #begun(address: string, first: Buffer | null): ScramConversation {
    try {
      return this.#scram.begin(first, this.#limits.scramBytes)
    } catch (error) {
      this.#limiter.check(address, [])
      this.#limiter.failed(address, [])
      throw error
    }
  }

  /** The checks, in their order; each may end it. */
  async #admit(evidence: Evidence, { before, shown }: Asked, trace: Trace): Promise<Principal> {
    const { operatorKeyHash: ownKey = null } = this.#parts
    // Before everything else: nobody can lock the operator of this machine out, nor can a clock that is behind.
    if (ownKey !== null && showsOperatorKey(evidence, ownKey)) {
      trace.principal = LOCAL_OPERATOR
      return unregistered(LOCAL_OPERATOR_SUBJECT, evidence)
    }
    const closed = this.#parts.refuseAll?.() ?? null
    if (closed !== null) throw new Failure(closed)
    if (this.#parts.enforcement === 'off-for-tests') return this.#believe(evidence, trace)
    const claims = [...this.#claims(evidence), ...(shown ? [shown] : [])]
    const references = claims.flatMap(({ reference }) => (reference === null ? [] : [reference]))
    this.#limiter.check(evidence.address, references)
    try {
      const principal = await this.#prove(evidence, claims, trace)
      if (before) checkSameSubject(principal, before)
      this.#limiter.succeeded(evidence.address, references)
      return principal
    } catch (error) {
      this.#limiter.failed(evidence.address, references)
      throw error
    }
  }

  /** Reading costs little, but what cannot be read is a failure too. */
  #claims(evidence: Evidence): readonly Claim[] {
    try {
      return claimsOf(evidence, this.#limits.tokenBytes)
    } catch (error) {
      this.#limiter.check(evidence.address, [])
      this.#limiter.failed(evidence.address, [])
      throw error
    }
  }

  async #prove(evidence: Evidence, claims: readonly Claim[], trace: Trace): Promise<Principal> {
    if (claims.length === 0) return this.#anonymous(evidence)
    const proofs: Proof[] = []
    for (const claim of claims) proofs.push(await this.#verify(claim, evidence, trace))
    checkAgreement(proofs, evidence)
    const principal = this.#principal(proofs, evidence)
    const lost = this.#parts.registry.standing(principal)
    if (lost !== null) throw new Failure(lost, `${principal.subject.id} was proved, but does not stand: ${lost}`)
    if (evidence.clientId !== null && evidence.clientId !== '')
      checkClientId(principal, evidence.clientId, this.#parts.registry, this.#limits.clientIdBytes)
    return principal
  }

  async #verify(claim: Claim, evidence: Evidence, trace: Trace): Promise<Proof> {
    const { registry, vault, trust, clock, unknownCertificate = null } = this.#parts
    switch (claim.kind) {
      case 'x509': {
        const { chainLength } = this.#limits
        const how = { registry, trust, clock, chainLength, signatures: this.#signatures, unknownCertificate }
        return proofBy(await verifyCertificate(claim.certificate, how, trace))
      }
      case 'psk':
        return proofBy(verifyPsk(claim.identity, registry, clock, trace))
      case 'oscore':
        return proofBy(verifyOscore(claim.credential, registry, clock, trace))
      case 'jwt':
        return this.#tokens.verify(claim.token, evidence.certificates[0] ?? null, trace)
      case 'secret':
        return proofBy(verifySecret(claim.text, audienceOf(evidence), { registry, vault, clock }, trace))
      case 'scram':
        return proofBy(claim.conversation.verify(claim.answer, trace))
      case 'unknown':
        vault.verifySecret(String(evidence.password), null)
        throw new Failure('bad-secret', 'The password is neither a JWT nor a secret of ours')
    }
  }

  /** What the channel proved speaks first; a token beside it narrows and ends it; it hangs on everything that was proved. */
  #principal(proofs: readonly Proof[], { transport, address }: Evidence): Principal {
    const [proof, ...others] = proofs
    const subject = proof && this.#parts.registry.subjectOf(proof.owner)
    const owner = proof && (this.#parts.registry.device(proof.owner) ?? this.#parts.registry.client(proof.owner))
    if (!proof || !subject || !owner) throw new Failure('unknown-identity')
    const token = proofs.find(({ issuer }) => issuer !== null)
    const besides = others.map(({ credential, credentialEpoch }) => ({ ...credential, epoch: credentialEpoch }))
    const ends = proofs.flatMap(({ expiresAt }) => (expiresAt === null ? [] : [expiresAt]))
    return {
      subject,
      credential: proof.credential,
      expiresAt: ends.length === 0 ? null : Math.min(...ends),
      scopes: token?.scopes ?? null,
      issuer: token?.issuer ?? null,
      jti: token?.jti ?? null,
      // An access token speaks of the epoch it was given in.
      ownerEpoch: token?.ownerEpoch ?? owner.epoch,
      credentialEpoch: proof.credentialEpoch,
      ...(besides.length > 0 && { besides }),
      transport,
      address,
    }
  }

  #anonymous(evidence: Evidence): Principal {
    const { anonymous, registry } = this.#parts
    if (anonymous === null || !anonymous.transports.includes(evidence.transport) || evidence.username) {
      throw new Failure('no-evidence')
    }
    const principal = unregistered(anonymousSubject(anonymous.role), evidence)
    if (evidence.clientId !== null && evidence.clientId !== '')
      checkClientId(principal, evidence.clientId, registry, this.#limits.clientIdBytes)
    return principal
  }

  #believe(evidence: Evidence, trace: Trace): Principal {
    const subject = believedSubject(evidence, this.#parts.registry)
    trace.principal = subject.id
    const owner = this.#parts.registry.device(subject.id) ?? this.#parts.registry.client(subject.id)
    return { ...unregistered(subject, evidence), ownerEpoch: owner?.epoch ?? 0 }
  }

  #refused(evidence: Evidence, trace: Trace, failure: Failure): Failure {
    this.#record(evidence, trace, failure.code)
    return failure
  }

  #record({ transport, address, clientId }: Evidence, trace: Trace, failure: FailureCode | null): void {
    const result = failure === null ? 'accepted' : 'refused'
    this.#parts.meter.count('latchkey_authentications_total', { result, reason: failure ?? 'none', transport })
    if (trace.principal === LOCAL_OPERATOR && failure === null) {
      if (this.#operatorAddresses.has(address)) return
      this.#operatorAddresses.add(address)
    }
    const { principal, credential, credentialKind } = trace
    const type = 'authentication'
    const event = {
      address,
      clientId,
      credential,
      credentialKind,
      failure,
      principal,
      result,
      transport,
      type,
    } as const
    this.#parts.audit.record(event) // in the order in which the trail writes it
  }
}

/** `before`: whose session it is already, and who must be proved again. `shown`: what a method adds to the evidence. */
interface Asked {
  readonly before?: Principal
  readonly shown?: Claim
}

const emptyTrace = (): Trace => ({ principal: null, credential: null, credentialKind: null })

/** Everything that was proved, and the username where there is one, must name the same device or client. */
function checkAgreement(proofs: readonly Proof[], { username }: Evidence): void {
  const owners = new Set(proofs.map(({ owner }) => owner))
  if (username !== null && username !== '') owners.add(username)
  if (owners.size > 1) {
    const named = [...owners].map(owner => (isIdentifier(owner) ? owner : printable(owner, 40))).join(', ')
    throw new Failure('identities-differ', `The evidence names ${named}; all of it must name the same`)
  }
}

const audienceOf = ({ transport }: Evidence) => (transport === 'https' ? 'api' : 'mqtt')

const anonymousSubject = (role: string): Subject => ({
  kind: 'anonymous',
  id: 'anonymous',
  type: null,
  groups: [],
  roles: [role],
  attributes: new Map(),
  children: [],
})

/** Somebody who hangs on no credential. */
const unregistered = (subject: Subject, { transport, address }: Evidence): Principal => ({
  subject,
  credential: null,
  expiresAt: null,
  scopes: null,
  issuer: null,
  jti: null,
  ownerEpoch: 0,
  credentialEpoch: 0,
  transport,
  address,
})
