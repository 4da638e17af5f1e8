// Enhanced authentication (MQTT 5, 4.12) as the door sees it: what the peer says goes in, the next challenge or a
// principal comes out.
import type { Evidence } from '../model/evidence.ts'
import { Failure } from '../model/failure.ts'
import type { Principal } from '../model/principal.ts'
import type { Claim } from './claims.ts'
import type { ScramConversation } from './verify-scram.ts'

/** `data` is Authentication Data; null leaves the property out. */
export type ExchangeStep =
  | { readonly state: 'continue'; readonly data: Buffer | null }
  | { readonly state: 'done'; readonly data: Buffer | null; readonly principal: Principal }

/** An enhanced authentication under way. After a step that is done, or that throws, there is none. */
export interface Exchange {
  step(data: Buffer | null): Promise<ExchangeStep>
}

/** The Authentication Data is a JWT (RFC 7519), as a password could be. No challenge: one step does it. */
export const JWT_METHOD = 'JWT'

export function tokenExchange(evidence: Evidence, prove: (evidence: Evidence) => Promise<Principal>): Exchange {
  return {
    step: async token => ({ state: 'done', data: null, principal: await prove({ ...evidence, token }) }),
  }
}

/** `begin` answers client-first; `prove` judges client-final. The exchange is over with its second step (RFC 5802 5). */
export function scramExchange(
  begin: (first: Buffer | null) => ScramConversation,
  prove: (claim: Claim) => Promise<Principal>,
): Exchange {
  let conversation: ScramConversation | null = null
  return {
    async step(data) {
      if (conversation === null) {
        conversation = begin(data)
        return { state: 'continue', data: conversation.challenge }
      }
      const { reference } = conversation
      const principal = await prove({ kind: 'scram', conversation, answer: data, reference })
      return { state: 'done', data: conversation.signature, principal }
    },
  }
}

/** Throws `identities-differ` when a re-authentication shows somebody else than whose session it is. */
export function checkSameSubject({ subject: { kind, id } }: Principal, before: Principal): void {
  if (kind === before.subject.kind && id === before.subject.id) return
  throw new Failure('identities-differ', `The session is that of ${before.subject.id}; ${id} cannot renew it`)
}
