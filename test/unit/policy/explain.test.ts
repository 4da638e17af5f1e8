// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is how a policy writes its variables
import { describe, expect, test } from 'vitest'
import { explain } from '../../../src/policy/explain.ts'
import { device, NOON, policyWith, publish, receive, subscribe } from './policies.ts'

const policy = policyWith(
  [
    '{ id: up, publish: "home/${device.room}/t" }',
    '{ id: night, publish: "home/+/t", when: { transport: coaps } }',
    '{ id: listen, subscribe: "home/+" }',
  ],
  ['{ id: lock, allow: "home/lock" }', '{ id: noise, receive: "home/noise" }'],
)

describe('explain', () => {
  test('tells every rule about the action and what became of it', () => {
    const { considered, decision, roles } = explain(policy, device(), null, publish('home/attic/t'), NOON)
    expect(decision.permit).toBe(false)
    expect(roles).toEqual(['r'])
    expect(considered.map(({ rule, outcome, condition }) => [rule.id, outcome, condition])).toEqual([
      ['up', 'no-value', null],
      ['night', 'condition', 'transport'],
      ['lock', 'no-match', null],
    ])
  })

  test('names the deciding rule with file and line', () => {
    const subject = device({ attributes: { room: 'hall' } })
    expect(explain(policy, subject, null, publish('home/hall/t'), NOON).summary).toBe(
      'd1 may publish home/hall/t: permitted by rule up of role r (policy.yaml:5).',
    )
    expect(explain(policy, subject, null, publish('home/lock'), NOON).summary).toBe(
      'd1 may not publish home/lock: forbidden by rule lock of role r (policy.yaml:9).',
    )
    expect(explain(policy, subject, null, receive('home/noise'), NOON).summary).toContain('forbidden by rule noise')
  })

  test('shows a topic that a subscription would reach without a permit', () => {
    const { considered, summary, uncovered } = explain(policy, device(), null, subscribe('home/#'), NOON)
    expect(considered.map(({ rule, outcome }) => [rule.id, outcome])).toEqual([
      ['listen', 'covers-part'],
      ['lock', 'applies'],
    ])
    expect(uncovered).toBe('home')
    expect(summary).toContain('forbidden by rule lock')
    expect(explain(policy, device(), null, subscribe('home/+/+'), NOON).summary).toBe(
      'd1 may not subscribe home/+/+: no rule permits it for every topic it reaches, for example home/*/* (* is any other level).',
    )
  })

  test('tells scopes, reserved topics and roles that nobody defined', () => {
    expect(explain(policy, device(), [], subscribe('home/x'), NOON).summary).toContain('scopes of the token')
    expect(explain(policy, device(), null, publish('$SYS/x'), NOON).summary).toContain('begin with $')
    expect(explain(policy, device({ roles: ['ghost'] }), null, publish('a'), NOON).unknownRoles).toEqual(['ghost'])
  })
})
