import type { Actor } from '../audit/events.ts'
import { Failure } from '../model/failure.ts'
import type { Registry } from '../registry/registry.ts'

/**
 * By what right a certificate is asked for. `operator`: the policy has permitted the actor to manage credentials.
 * `self`: the owner itself asks for its next one. `enrolment`: an enrolment's authorisation stands in the same batch.
 */
export type IssueRight = 'operator' | 'self' | 'enrolment'

export interface IssueOrder {
  /** Device or client. */
  readonly owner: string
  /** PKCS #10: PEM, base64 or DER. */
  readonly csr: string | Buffer
  /** Seconds; default: the device profile's. */
  readonly lifetime?: number | undefined
  readonly label?: string | undefined
  /** The credential in whose place the owner asks for this one. */
  readonly renews?: string | undefined
  /** Default `operator`. */
  readonly right?: IssueRight | undefined
}

/** The first phase of issuing. Throws `policy-denied`, `not-found` or `wrong-state` before anything costs time. */
export function authorise(
  { owner, right = 'operator' }: Omit<IssueOrder, 'csr'>,
  actor: Actor,
  registry: Registry,
): void {
  if (right === 'operator' && (actor.kind === 'device' || actor.kind === 'anonymous')) {
    throw new Failure('policy-denied', `A ${actor.kind} does not issue certificates for ${owner}; an operator does.`)
  }
  if (right === 'self' && actor.id !== owner) {
    throw new Failure('policy-denied', `${actor.id} may renew its own certificate only, not that of ${owner}.`)
  }
  const holder = registry.device(owner) ?? registry.client(owner)
  if (!holder) {
    if (right === 'enrolment') return
    throw new Failure('not-found', `There is no device or client ${owner}; create it first.`)
  }
  if (holder.status !== 'active') {
    throw new Failure('wrong-state', `${owner} is suspended and gets no certificate; resume it first.`)
  }
}
