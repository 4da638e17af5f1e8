// The token endpoint (RFC 6749 4.4): a visible list of checks, each of which may end it.
import type { Access } from '../access/access.ts'
import type { Audit } from '../audit/audit.ts'
import type { Actor } from '../audit/events.ts'
import type { IssuerKey, IssuerKeys, TokenHeader } from '../auth/ports.ts'
import type { Trace } from '../auth/proof.ts'
import type { Changes } from '../model/change.ts'
import type { Clock, Random } from '../model/clock.ts'
import { asFailure, Failure } from '../model/failure.ts'
import type { Subject } from '../model/principal.ts'
import { scopesWithin } from '../policy/scope.ts'
import type { SecretCredential } from '../registry/records.ts'
import type { Registry } from '../registry/registry.ts'
import type { Store } from '../store/store.ts'
import type { Vault } from '../vault/vault.ts'
import { signAccessToken } from './access-token.ts'
import { authenticateClient, type ClientClaim, readClient } from './client-authentication.ts'
import { authorizationServerMetadata } from './metadata.ts'
import { type SigningKey, type SigningKeyLimits, type SigningKeyState, SigningKeys } from './signing-keys.ts'

export interface TokenLimits extends SigningKeyLimits {
  /** Seconds: what a token lives when its client says nothing else, and the bounds of what it may say. */
  readonly lifetime: number
  readonly minimumLifetime: number
  readonly maximumLifetime: number
  /** Scopes of one request, and their bytes. */
  readonly scopes: number
  readonly scopeBytes: number
  /** Seconds that verifiers may cache the JWKS. */
  readonly jwksMaxAge: number
}

export const TOKEN_LIMITS: TokenLimits = {
  lifetime: 900,
  minimumLifetime: 30,
  maximumLifetime: 86_400,
  scopes: 64,
  scopeBytes: 4_096,
  jwksMaxAge: 300,
  publishLead: 600,
  retireAfter: 86_400 + 300,
  keys: 8,
}

export interface TokenServerOptions {
  readonly store: Store
  readonly vault: Vault
  readonly registry: Registry
  readonly access: Pick<Access, 'compiled'>
  readonly audit: Audit
  readonly changes: Changes
  readonly clock: Clock
  readonly random: Random
  /** An https URL without a slash at its end: `iss`. */
  readonly issuer: string
  /** `aud` of the tokens: this broker. */
  readonly audience: string
  readonly limits?: Partial<TokenLimits>
}

export interface TokenRequest {
  /** The Authorization header as it came. */
  readonly authorization: string | null
  /** The form; whoever parsed it refused parameters that came twice (RFC 6749 3.2). */
  readonly form: ReadonlyMap<string, string>
  readonly address: string
}

/** RFC 6749 5.1; to be sent with `Cache-Control: no-store`. */
export interface TokenResponse {
  readonly access_token: string
  readonly token_type: 'Bearer'
  /** Seconds. */
  readonly expires_in: number
  readonly scope: string
}

export interface KeyView {
  readonly kid: string
  readonly state: SigningKeyState
  readonly createdAt: number
  readonly signsFrom: number
  readonly endsAt: number | null
}

export class TokenServer {
  readonly issuerKeys: IssuerKeys
  readonly limits: TokenLimits
  readonly #options: TokenServerOptions
  readonly #keys: SigningKeys

  private constructor(options: TokenServerOptions, limits: TokenLimits, keys: SigningKeys) {
    this.#options = options
    this.limits = limits
    this.#keys = keys
    this.issuerKeys = { ownIssuer: options.issuer, keyFor: (issuer, header) => this.#keyFor(issuer, header) }
  }

  static async open(options: TokenServerOptions): Promise<TokenServer> {
    const limits = { ...TOKEN_LIMITS, ...options.limits }
    return new TokenServer(options, limits, await SigningKeys.open({ ...options, limits }))
  }

  /** Throws a Failure; its row says which OAuth error that is. Both outcomes go into the audit trail. */
  async token(request: TokenRequest): Promise<TokenResponse> {
    const trace: Trace = { principal: null, credential: null, credentialKind: null }
    try {
      const claim = readClient(request.authorization, request.form)
      const credential = authenticateClient(claim, this.#options, trace)
      const subject = this.#standing(claim)
      checkGrant(request.form)
      const scopes = this.#scopes(request.form, subject)
      const response = await this.#issue(claim.id, scopes, credential)
      this.#record(request, trace, null)
      return response
    } catch (error) {
      this.#record(request, trace, asFailure(error))
      throw error
    }
  }

  /** RFC 7517 5: every key that signs, has signed, or will. */
  jwks(): { readonly keys: readonly object[] } {
    return { keys: this.#keys.shown.map(({ publicJwk }) => publicJwk) }
  }

  metadata(): Readonly<Record<string, unknown>> {
    return authorizationServerMetadata(this.#options.issuer)
  }

  keys(): KeyView[] {
    return this.#keys.shown.map(key => this.#view(key))
  }

  /** Throws `wrong-state` while an earlier successor waits. */
  async rotateKeys(actor: Actor): Promise<KeyView> {
    return this.#view(await this.#keys.rotate(actor))
  }

  /** A client or device that is registered and not suspended. */
  #standing({ id }: ClientClaim): Subject {
    const { registry } = this.#options
    const owner = registry.client(id) ?? registry.device(id)
    const subject = registry.subjectOf(id)
    if (!owner || !subject) throw new Failure('unknown-identity', `There is no client or device ${id}`)
    if (owner.status !== 'active') throw new Failure('owner-suspended', `${id} is suspended`)
    return subject
  }

  /** RFC 6749 3.3: what was asked, or all that is registered; never wider than the roles. */
  #scopes(form: ReadonlyMap<string, string>, subject: Subject): readonly string[] {
    const { registry, access } = this.#options
    const registered = registry.client(subject.id)?.scopes ?? null
    const asked = form.get('scope')
    if (asked === undefined || asked === '') {
      const all = registered ?? access.compiled.rolesOf(subject).map(role => `role:${role}`)
      const beyond = new Set(scopesWithin(access.compiled, subject, all, registered))
      return all.filter(scope => !beyond.has(scope))
    }
    if (Buffer.byteLength(asked) > this.limits.scopeBytes) {
      throw new Failure('invalid-scope', `scope has more than ${this.limits.scopeBytes} bytes`)
    }
    const requested = [...new Set(asked.split(' '))]
    if (requested.length > this.limits.scopes) {
      throw new Failure('invalid-scope', `more than ${this.limits.scopes} scopes were asked for`)
    }
    const beyond = scopesWithin(access.compiled, subject, requested, registered)
    if (beyond.length > 0) {
      throw new Failure(
        'invalid-scope',
        `${subject.id} may not have the scope ${JSON.stringify(beyond[0]?.slice(0, 80))}`,
      )
    }
    return requested
  }

  async #issue(client: string, scopes: readonly string[], credential: SecretCredential): Promise<TokenResponse> {
    const { registry, clock, random, issuer, audience } = this.#options
    const owner = registry.client(client) ?? registry.device(client)
    if (!owner) throw new Failure('unknown-identity', `There is no client or device ${client}`)
    const { lifetime, minimumLifetime, maximumLifetime } = this.limits
    const wanted = ('tokenLifetime' in owner ? owner.tokenLifetime : null) ?? lifetime
    const issuedAt = clock.now()
    const end = issuedAt + Math.min(Math.max(wanted, minimumLifetime), maximumLifetime) * 1000
    const expiresAt = Math.min(end, credential.expiresAt ?? end)
    const content = {
      issuer,
      audience,
      client,
      scopes,
      issuedAt,
      expiresAt,
      jti: random.bytes(16).toString('base64url'),
      origin: { credential: credential.id, credentialEpoch: credential.epoch, ownerEpoch: owner.epoch },
    }
    return {
      access_token: await signAccessToken(content, this.#keys.active),
      token_type: 'Bearer',
      expires_in: Math.floor((expiresAt - issuedAt) / 1000),
      scope: scopes.join(' '),
    }
  }

  #keyFor(issuer: string, { kid }: TokenHeader): IssuerKey | null {
    if (issuer !== this.#options.issuer || typeof kid !== 'string') return null
    const key = this.#keys.byKid(kid)
    return key ? { key: key.publicKey, algorithms: ['ES256'], audience: this.#options.audience } : null
  }

  #view(key: SigningKey): KeyView {
    const { kid, createdAt, signsFrom, endsAt } = key
    return { kid, state: this.#keys.stateOf(key), createdAt, signsFrom, endsAt }
  }

  #record({ address }: TokenRequest, trace: Trace, failure: Failure | null): void {
    this.#options.audit.record({
      type: 'authentication',
      result: failure ? 'refused' : 'accepted',
      failure: failure?.code ?? null,
      transport: 'https',
      address,
      clientId: null,
      ...trace,
    })
  }
}

/** RFC 6749 4.4.2. */
function checkGrant(form: ReadonlyMap<string, string>): void {
  const grant = form.get('grant_type')
  if (grant === undefined) throw new Failure('invalid-input', 'grant_type is missing; send client_credentials')
  if (grant !== 'client_credentials') throw new Failure('unsupported-grant')
}
