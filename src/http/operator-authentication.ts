// RFC 6750: who calls, and whether they may. The principal comes from `auth`.
import type { Access } from '../access/access.ts'
import type { Actor } from '../audit/events.ts'
import type { Authenticator } from '../auth/authenticator.ts'
import { Failure } from '../model/failure.ts'
import type { Principal } from '../model/principal.ts'
import type { Administer } from './api.ts'

export interface OperatorAuthenticationParts {
  readonly authenticator: Authenticator
  readonly access: Access
}

export class OperatorAuthentication {
  readonly #authenticator: Authenticator
  readonly #access: Access

  constructor({ authenticator, access }: OperatorAuthenticationParts) {
    this.#authenticator = authenticator
    this.#access = access
  }

  /** The per-start operator key, API keys and access tokens. Throws the Failure of `auth`, which also tells the trail. */
  authenticate(token: string, address: string): Promise<Principal> {
    return this.#authenticator.authenticateBearer(token, address)
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
