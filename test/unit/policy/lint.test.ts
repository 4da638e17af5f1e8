// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is how a policy writes its variables
import { expect, test } from 'vitest'
import { lint } from '../../../src/policy/lint.ts'
import { policyOf, policyWith } from './policies.ts'

const codes = (permit: string[], forbid: string[] = []): string[] =>
  lint(policyWith(permit, forbid))
    .filter(finding => finding.code !== 'no-tests')
    .map(finding => `${finding.code} ${finding.place?.line}`)

test.each<[string, string[], string[], string[]]>([
  ['nothing to find', ['{ id: a, publish: "a/+" }', '{ id: b, publish: "b/#" }'], ['{ id: f, publish: "b/x" }'], []],
  ['a permit that a forbid swallows', ['{ id: a, publish: "a/+" }'], ['{ id: f, publish: "a/#" }'], ['swallowed 5']],
  [
    'a variable swallowed by a wildcard',
    ['{ id: a, publish: "a/${device.id}" }'],
    ['{ id: f, allow: "a/+" }'],
    ['swallowed 5'],
  ],
  [
    'a forbid with a condition swallows nothing',
    ['{ id: a, publish: "a" }'],
    ['{ id: f, publish: "#", when: { qos: 2 } }'],
    [],
  ],
  ['half of an allow is left', ['{ id: a, allow: "a" }'], ['{ id: f, publish: "a" }'], []],
  ['a permit that another one contains', ['{ id: a, publish: "a/b" }', '{ id: b, allow: "a/#" }'], [], ['redundant 5']],
  [
    'two equal permits: the second is named',
    ['{ id: a, publish: "a" }', '{ id: b, publish: "a" }'],
    [],
    ['redundant 6'],
  ],
  ['# does not contain $SYS', ['{ id: a, subscribe: "#" }', '{ id: b, subscribe: "$SYS/up" }'], [], ['everything 5']],
  ['everything for a device type', ['{ id: a, subscribe: "#" }'], [], ['everything 5']],
  [
    'a forbid that meets no permit',
    ['{ id: a, publish: "a" }'],
    ['{ id: f, publish: "b" }'],
    ['forbid-without-permit 7'],
  ],
  ['receive meets subscribe', ['{ id: a, subscribe: "a/#" }'], ['{ id: f, receive: "a/b" }'], []],
  [
    'a forbid that a missing attribute opens',
    ['{ id: a, publish: "+/x" }'],
    ['{ id: f, publish: "${device.room}/x" }'],
    ['optional-variable 7'],
  ],
  ['no rules', [], [], ['empty-role 3']],
])('%s', (_, permit, forbid, expected) => {
  expect(codes(permit, forbid)).toEqual(expected)
})

test('roles that nobody gets, and operators by device type', () => {
  const policy = policyOf(`version: 1
roles:
  unused: { permit: [{ id: a, publish: "a" }] }
  used: { permit: [{ id: a, publish: "a" }] }
assign:
  - { type: lamp, roles: [admin] }
`)
  const found = lint(policy, { rolesInUse: new Set(['used']) }).map(({ code, severity, place }) => [
    code,
    severity,
    place?.line,
  ])
  expect(found).toEqual([
    ['unassigned', 'note', 3],
    ['operator-role', 'warning', 6],
    ['no-tests', 'note', undefined],
  ])
})

test('roles too large to compare are still judged rule by rule', () => {
  const many = Array.from({ length: 2_001 }, (_, i) => `"a/${i}"`).join(', ')
  expect(codes([`{ id: a, publish: [${many}] }`, '{ id: b, publish: "a/1" }', '{ id: c, publish: "#" }'])).toEqual([
    'everything 7',
  ])
})

test('types without a record are noted when somebody can tell', () => {
  const found = lint(policyWith(['{ id: a, publish: "a" }']), { isDeviceType: type => type !== 't' })
  expect(found.map(({ code, place }) => [code, place?.line])).toContainEqual(['unknown-type', 7])
})
