import { expect, test } from 'vitest'
import { runTests } from '../../../src/policy/run-tests.ts'
import { device, policyOf } from './policies.ts'

const POLICY = `version: 1
roles:
  lamp:
    permit:
      - { id: state, publish: "lamp/\${device.id}/state" }
      - { id: day, publish: "lamp/sun", when: { time: { from: "08:00", to: "18:00" }, network: 192.168.0.0/16, qos: 0 } }
      - { id: child, publish: "lamp/\${device.children}/state" }
    forbid:
      - { id: dark, publish: "lamp/l9/state" }
assign:
  - { type: lamp, roles: [lamp] }
tests:
`

test.each<[string, string | null]>([
  ['{ device: { type: lamp, id: l1 }, publish: "lamp/l1/state", expect: allow }', null],
  ['{ device: { type: lamp, id: l1 }, publish: "lamp/l1/state", expect: allow, rule: state }', null],
  [
    '{ device: { type: lamp, id: l1 }, publish: "lamp/l1/state", expect: allow, rule: day }',
    'decided by rule state of role lamp (policy.yaml:5) and not by rule day',
  ],
  [
    '{ device: { type: lamp, id: l1 }, publish: "lamp/l1/state", expect: deny }',
    'it was permitted by rule state of role lamp',
  ],
  ['{ device: { type: lamp, id: l9 }, publish: "lamp/l9/state", expect: allow }', 'it was denied by rule dark'],
  ['{ device: { type: lamp }, publish: "lamp/test/state", expect: allow }', null],
  ['{ device: { type: plug }, publish: "lamp/test/state", expect: deny }', null],
  ['{ device: { type: plug }, publish: "lamp/test/state", expect: allow }', 'it was denied by no-rule'],
  ['{ device: { type: lamp, id: g, children: [l2] }, publish: "lamp/l2/state", expect: allow, rule: child }', null],
  ['{ client: { id: c, roles: [lamp] }, publish: "lamp/c/state", expect: allow }', null],
  [
    '{ client: { id: c, roles: [lamp] }, publish: "lamp/c/state", with: { scopes: ["publish:x"] }, expect: deny }',
    null,
  ],
  ['{ device: { type: lamp }, publish: "lamp/sun", with: { address: 192.168.1.1 }, expect: allow }', null],
  ['{ device: { type: lamp }, publish: "lamp/sun", expect: deny }', null],
  ['{ device: { type: lamp }, publish: "lamp/sun", with: { address: 192.168.1.1, qos: 1 }, expect: deny }', null],
  [
    '{ device: { type: lamp }, publish: "lamp/sun", with: { address: 192.168.1.1, at: "2026-01-05T18:00Z" }, expect: deny }',
    null,
  ],
  ['{ device: known, publish: "lamp/known/state", expect: allow }', null],
  ['{ device: unknown, publish: "lamp/unknown/state", expect: deny }', 'no device or client is called unknown'],
])('%s', (text, problem) => {
  const lookup = (id: string) => (id === 'known' ? device({ id, type: 'lamp' }) : undefined)
  const [result] = runTests(policyOf(`${POLICY}  - ${text}\n`), lookup)
  expect(result).toMatchObject({ ok: problem === null, place: { file: 'policy.yaml', line: 13 } })
  if (problem === null) expect(result?.problem).toBeNull()
  else expect(result?.problem).toContain(problem)
})
