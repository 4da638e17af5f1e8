import { describe, expect, test } from 'vitest'
import { formatScope, parseScope, scopesWithin } from '../../../src/policy/scope.ts'
import { device, policyWith } from './policies.ts'

describe('parseScope', () => {
  test.each([
    ['publish:home/+/t', { kind: 'publish', filter: 'home/+/t' }],
    ['subscribe:#', { kind: 'subscribe', filter: '#' }],
    ['publish:my%20home/100%25', { kind: 'publish', filter: 'my home/100%' }],
    ['subscribe:%22a%5C%C3%A4', { kind: 'subscribe', filter: '"a\\ä' }],
    ['publish:a:b', { kind: 'publish', filter: 'a:b' }],
    ['role:thermostat', { kind: 'role', role: 'thermostat' }],
    ['devices:write', { kind: 'administer', area: 'devices', verb: 'write' }],
  ])('%s', (text, scope) => {
    expect(parseScope(text)).toEqual(scope)
    expect(formatScope(parseScope(text))).toBe(text)
  })

  test.each([
    '',
    'publish',
    'publish:',
    'publish:a/#/b',
    'publish:a+',
    'publish:a b',
    'publish:ä',
    'publish:"a"',
    'publish:a\\b',
    'publish:%zz',
    'publish:%00',
    'publish:%ff',
    'publish:a/%24{device.id}/$%7Bdevice.id%7D',
    'subscribe:$share/g/a',
    'role:',
    'role:a/b',
    'role:%2B',
    'devices:*',
    'devices:delete',
    'things:read',
    'DEVICES:read',
    `publish:${'a'.repeat(1024)}`,
  ])('%j is none', text => {
    expect(() => parseScope(text)).toThrow(expect.objectContaining({ code: 'invalid-scope' }))
  })
})

describe('scopesWithin', () => {
  const policy = policyWith(
    [
      '{ id: a, allow: ["home/+/t", "home/hall/#"] }',
      '{ id: c, publish: "night/#", when: { credential: psk } }',
      '{ id: d, administer: "devices:*" }',
    ],
    ['{ id: f, publish: "home/hall/lock" }', '{ id: g, subscribe: "home/hall/cam", when: { transport: ws } }'],
  )
  const wider = (requested: string[], registered: string[] | null = null): string[] =>
    scopesWithin(policy, device(), requested, registered)

  test('what the roles permit is within', () => {
    expect(wider(['publish:home/+/t', 'subscribe:home/hall/#', 'role:r', 'devices:read', 'publish:night/x'])).toEqual(
      [],
    )
  })

  test('what is wider, forbidden or malformed is told', () => {
    const requested = ['publish:#', 'publish:home/hall/#', 'role:admin', 'audit:read', 'nonsense', 'subscribe:$SYS/#']
    expect(wider(requested)).toEqual(requested)
  })

  test('registered scopes bound as well', () => {
    const registered = ['publish:home/attic/#', 'devices:read']
    expect(wider(['publish:home/attic/t', 'devices:read'], registered)).toEqual([])
    expect(wider(['publish:home/hall/t', 'role:r', 'devices:write'], registered)).toEqual([
      'publish:home/hall/t',
      'role:r',
      'devices:write',
    ])
    expect(wider(['publish:home/hall/t', 'role:r', 'devices:write'], ['role:r'])).toEqual([])
    expect(wider(['publish:home/hall/t'], [])).toEqual(['publish:home/hall/t'])
  })
})
