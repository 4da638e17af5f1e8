// What the audit trail must hold after a run.
import type { AuditRecord, Verification } from '../../src/client/client.ts'
import type { Check } from '../report.ts'

const SHOWN = 8

export function verificationCheck({ ok, records, reason }: Verification): Check {
  return {
    name: 'audit-verifies',
    ok: ok && records > 0,
    expected: 'the hash chain of the audit trail is whole, across the kill',
    observed: ok ? `${records} records` : `broken: ${reason ?? 'no reason given'}`,
    evidence: 'GET /v1/audit/verify',
  }
}

/** `decisions`: events of the type `decision`. */
export function denialsCheck(intruder: string, room: string, decisions: readonly AuditRecord[]): Check {
  const denied = decisions.filter(({ event }) => event.permit === false && event.principal === intruder)
  const holds = (action: string) =>
    denied.some(({ event }) => event.action === action && String(event.target).startsWith(`home/${room}/`))
  return {
    name: 'audit-holds-denials',
    ok: holds('publish') && holds('subscribe'),
    expected: `what the policy denied ${intruder}: to publish and to subscribe in home/${room}/`,
    observed: denied.length === 0 ? 'no denial' : `${denied.length} denials`,
    evidence: denied
      .slice(0, SHOWN)
      .map(({ id, event }) => `#${id} ${event.action} ${event.target}: ${event.rule ?? event.reason}`)
      .join('; '),
  }
}

const EXPECTED_FAILURES = ['identities-differ', 'token-expired', 'credential-revoked', 'no-evidence']

/** `authentications`: events of the type `authentication`. */
export function refusalsCheck(authentications: readonly AuditRecord[]): Check {
  const refused = authentications.filter(({ event }) => event.result === 'refused')
  const failures = new Set(refused.map(({ event }) => String(event.failure)))
  const missing = EXPECTED_FAILURES.filter(failure => !failures.has(failure))
  return {
    name: 'audit-holds-refusals',
    ok: missing.length === 0,
    expected: `who was not let in, and why: ${EXPECTED_FAILURES.join(', ')}`,
    observed: missing.length === 0 ? [...failures].join(', ') : `missing: ${missing.join(', ')}`,
    evidence: refused
      .slice(0, SHOWN)
      .map(({ id, event }) => `#${id} ${event.clientId ?? event.principal ?? 'somebody'}: ${event.failure}`)
      .join('; '),
  }
}
