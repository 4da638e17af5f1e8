// What the tests of this room share: a policy from text, a subject, a context.
import type { Context, Request } from '../../../src/model/decision.ts'
import type { Subject } from '../../../src/model/principal.ts'
import { parsePolicy } from '../../../src/policy/parse-policy.ts'
import { compile, type Policy } from '../../../src/policy/policy.ts'

export function policyOf(text: string, file = 'policy.yaml'): Policy {
  return compile([parsePolicy(text, file)], 1)
}

/** A policy with one role `r`, held by everybody of type `t`. */
export function policyWith(permit: readonly string[], forbid: readonly string[] = []): Policy {
  const list = (name: string, rules: readonly string[]): string =>
    rules.length === 0 ? '' : `    ${name}:\n${rules.map(rule => `      - ${rule}\n`).join('')}`
  const body = list('permit', permit) + list('forbid', forbid)
  return policyOf(`version: 1\nroles:\n  r:${body ? `\n${body}` : ' {}\n'}assign:\n  - { type: t, roles: [r] }\n`)
}

export function device(fields: Partial<Omit<Subject, 'attributes'>> & { attributes?: Record<string, string> } = {}) {
  const { attributes, ...rest } = fields
  const subject = { kind: 'device', id: 'd1', type: 't', groups: [], roles: [], children: [], ...rest } as const
  const values = new Map([...Object.entries(attributes ?? {}), ['id', subject.id] as const])
  if (subject.type !== null) values.set('type', subject.type)
  return { ...subject, attributes: values } satisfies Subject
}

/** Monday 2026-01-05, noon UTC, a certificate over mqtts from the local network. */
export const NOON: Context = {
  credential: 'x509',
  transport: 'mqtts',
  address: '192.168.1.20',
  now: Date.UTC(2026, 0, 5, 12),
}

export const publish = (target: string, more: Partial<Request> = {}): Request => ({
  action: 'publish',
  target,
  ...more,
})
export const subscribe = (target: string, qos?: 0 | 1 | 2): Request => ({
  action: 'subscribe',
  target,
  ...(qos === undefined ? {} : { qos }),
})
export const receive = (target: string): Request => ({ action: 'receive', target })
