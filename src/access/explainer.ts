import type { Audit } from '../audit/audit.ts'
import type { DecisionCircumstances, DecisionEvent } from '../audit/events.ts'
import type { Clock } from '../model/clock.ts'
import type { Context, Request } from '../model/decision.ts'
import { Failure } from '../model/failure.ts'
import type { Subject } from '../model/principal.ts'
import { printable } from '../model/printable.ts'
import { type Explanation, explain } from '../policy/explain.ts'
import type { Policy } from '../policy/policy.ts'
import type { Registry } from '../registry/registry.ts'
import type { PolicyHistory } from './policy-history.ts'
import { compilePolicy } from './prepare-policy.ts'

/** Who asks for what. What is left out is assumed: a certificate over mqtts from this machine, now, without scopes. */
export interface ExplainQuery extends Request, Partial<Context> {
  /** Id of a device or client. */
  readonly owner: string
  readonly scopes?: readonly string[] | null
}

export interface OwnerExplanation extends Explanation {
  readonly subject: Subject
  readonly policyVersion: number
  /** What was assumed of the circumstances. */
  readonly context: Context
}

export interface DenialExplanation extends OwnerExplanation {
  readonly event: DecisionEvent
  /** False when the same question is answered otherwise by now: attributes or circumstances were others then. */
  readonly agrees: boolean
}

export interface ExplainerParts {
  readonly registry: Pick<Registry, 'subjectOf'>
  readonly audit: Pick<Audit, 'get'>
  readonly clock: Clock
  readonly history: PolicyHistory
}

export class Explainer {
  readonly #parts: ExplainerParts

  constructor(parts: ExplainerParts) {
    this.#parts = parts
  }

  /** Throws `not-found` when nobody has this id. */
  explain(policy: Policy, query: ExplainQuery): OwnerExplanation {
    const { owner, action, target, qos, retain, scopes = null } = query
    const subject = this.#parts.registry.subjectOf(owner)
    if (!subject) throw new Failure('not-found', `there is no device or client called ${printable(owner, 80)}`)
    const context: Context = {
      credential: query.credential === undefined ? 'x509' : query.credential,
      transport: query.transport ?? 'mqtts',
      address: query.address ?? '127.0.0.1',
      now: query.now ?? this.#parts.clock.now(),
    }
    const request: Request = {
      action,
      target,
      ...(qos === undefined ? {} : { qos }),
      ...(retain === undefined ? {} : { retain }),
    }
    return {
      ...explain(policy, subject, scopes, request, context),
      subject,
      policyVersion: policy.version,
      context,
    }
  }

  /** Throws `not-found` or `invalid-input` when the record is gone or no decision. */
  async explainDenial(auditId: number): Promise<DenialExplanation> {
    const record = await this.#parts.audit.get(auditId)
    if (!record) throw new Failure('not-found', `there is no audit record ${auditId}`)
    const { event } = record
    if (event.type !== 'decision') {
      throw new Failure('invalid-input', `audit record ${auditId} is no decision but a record of type ${event.type}`)
    }
    const number = event.policyVersion ?? (await this.#versionAt(record.at))
    const policy = compilePolicy(this.#parts.history.get(number).files, number)
    const { action, target, principal: owner, circumstances } = event
    const explanation = this.explain(policy, { owner, action, target, now: record.at, ...asked(circumstances) })
    return { ...explanation, event, agrees: explanation.decision.permit === event.permit }
  }

  /** The version that was in force at a time (ms since the epoch). */
  async #versionAt(time: number): Promise<number> {
    const versions = await this.#parts.history.list()
    return versions.findLast(({ at }) => at <= time)?.version ?? 0
  }
}

/** The circumstances of a recorded decision as a query has them. */
function asked(circumstances: DecisionCircumstances | null): Partial<ExplainQuery> {
  if (circumstances === null) return {}
  const { credential, transport, address, qos, retain, scopes } = circumstances
  return {
    credential,
    transport,
    address,
    ...(qos !== null && { qos }),
    ...(retain !== null && { retain }),
    scopes: scopes === null ? null : scopes.split(' ').filter(scope => scope !== ''),
  }
}
