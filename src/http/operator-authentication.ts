// RFC 6750: who calls, and whether they may. The principal comes from `auth`, but for the per-start operator key, which
// this process made itself and which no registry knows.
import { createHash, timingSafeEqual } from 'node:crypto'
import type { Access } from '../access/access.ts'
import type { Actor } from '../audit/events.ts'
import type { Authenticator } from '../auth/authenticator.ts'
import { Failure } from '../model/failure.ts'
import type { Principal } from '../model/principal.ts'
import type { Administer } from './api.ts'

/** Not a valid identifier, so that no registered client can be mistaken for it. */
export const LOCAL_OPERATOR = '@local'

export interface OperatorAuthenticationParts {
  readonly authenticator: Authenticator
  readonly access: Access
  readonly operatorKeyHash: Buffer | null
}

export class OperatorAuthentication {
  readonly #authenticator: Authenticator
  readonly #access: Access
  readonly #operatorKeyHash: Buffer | null

  constructor({ authenticator, access, operatorKeyHash }: OperatorAuthenticationParts) {
    this.#authenticator = authenticator
    this.#access = access
    this.#operatorKeyHash = operatorKeyHash
  }

  /**
   * The per-start operator key, API keys and access tokens. Throws the Failure of `auth`, which also writes the audit
   * event. The operator's own key comes before any limiter: nobody on this machine can lock the operator out.
   */
  async authenticate(token: string, address: string): Promise<Principal> {
    return this.#localOperator(token, address) ?? this.#authenticator.authenticateBearer(token, address)
  }

  /** A device by the client certificate of its connection; TLS alone has not judged it. Throws as `authenticate` does. */
  authenticateCertificate(certificates: readonly Buffer[], address: string): Promise<Principal> {
    return this.#authenticator.authenticate({
      transport: 'https',
      address,
      clientId: null,
      certificates,
      pskIdentity: null,
      username: null,
      password: null,
    })
  }

  #localOperator(token: string, address: string): Principal | null {
    if (this.#operatorKeyHash === null) return null
    const hash = createHash('sha256').update(token).digest()
    if (hash.length !== this.#operatorKeyHash.length || !timingSafeEqual(hash, this.#operatorKeyHash)) return null
    return {
      subject: {
        kind: 'operator',
        id: LOCAL_OPERATOR,
        type: null,
        groups: [],
        roles: ['admin'],
        attributes: new Map([['id', LOCAL_OPERATOR]]),
        children: [],
      },
      credential: null,
      expiresAt: null,
      scopes: null,
      issuer: null,
      jti: null,
      ownerEpoch: 0,
      credentialEpoch: 0,
      transport: 'https',
      address,
    }
  }

  /** Throws `policy-denied` or `scope-denied` unless the principal may administer this. */
  authorize(principal: Principal, target: Administer): void {
    const decision = this.#access.decide(principal, { action: 'administer', target })
    if (decision.permit) return
    const { id } = principal.subject
    if (decision.reason === 'scope')
      throw new Failure('scope-denied', `The token of ${id} does not reach ${target}; ask for one with this scope.`)
    const rule = decision.rule ? ` (rule ${decision.rule.id} of role ${decision.rule.role})` : ''
    throw new Failure('policy-denied', `${id} may not ${target}${rule}; use an operator whose role permits it.`)
  }

  may(principal: Principal, target: Administer): boolean {
    return this.#access.decide(principal, { action: 'administer', target }).permit
  }
}

/** The token of `Authorization: Bearer <token>` (RFC 6750 2.1); null without one. */
export function bearerToken(authorization: string | undefined): string | null {
  return /^Bearer +([A-Za-z0-9._~+/-]+=*) *$/i.exec(authorization ?? '')?.[1] ?? null
}

export function actorOf(principal: Principal): Actor {
  return { kind: principal.subject.kind, id: principal.subject.id, address: principal.address }
}

/** Who called a route that is not public: the door has seen to it. */
export function principalOf(request: { readonly principal: Principal | null }): Principal {
  if (request.principal === null)
    throw new Failure('internal', 'a route that needs a principal was reached without one')
  return request.principal
}
