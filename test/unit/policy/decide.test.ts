// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is how a policy writes its variables
import { describe, expect, test } from 'vitest'
import type { Context, Decision, Request } from '../../../src/model/decision.ts'
import type { Subject } from '../../../src/model/principal.ts'
import { bind } from '../../../src/policy/bind.ts'
import { decide } from '../../../src/policy/decide.ts'
import { compile, type Policy } from '../../../src/policy/policy.ts'
import { device, NOON, policyOf, policyWith, publish, receive, subscribe } from './policies.ts'

/** Asks the specification and the rule index; they must agree. */
function ask(
  policy: Policy,
  subject: Subject,
  request: Request,
  context: Context = NOON,
  scopes: string[] | null = null,
): Decision {
  const decision = decide(policy, subject, scopes, request, context)
  expect(bind(policy, subject, scopes).decide(request, context)).toEqual(decision)
  return decision
}

const permits = (policy: Policy, request: Request, context: Context = NOON): boolean =>
  ask(policy, device(), request, context).permit

describe('permit and forbid', () => {
  test('nothing is permitted by default', () => {
    const decision = ask(compile([], 0), device(), publish('a'))
    expect(decision).toEqual({ permit: false, rule: null, maxQos: 0, until: null, reason: 'no-rule' })
  })

  test('the rule that decided is named with its place', () => {
    const policy = policyWith(['{ id: up, publish: "home/+/t" }'], ['{ id: no, publish: "home/attic/#" }'])
    const rule = { role: 'r', policyVersion: 1, file: 'policy.yaml' }
    expect(ask(policy, device(), publish('home/kitchen/t')).rule).toEqual({ ...rule, id: 'up', line: 5 })
    expect(ask(policy, device(), publish('home/attic/t'))).toMatchObject({
      permit: false,
      reason: 'rule',
      rule: { ...rule, id: 'no', line: 7 },
    })
  })

  test('a forbid of one role wins over a permit of another, whatever their order', () => {
    const policy = policyOf(`version: 1
roles:
  strict: { forbid: [{ id: f, allow: "a/#" }] }
  open: { permit: [{ id: p, allow: "#" }] }
`)
    for (const roles of [
      ['strict', 'open'],
      ['open', 'strict'],
    ]) {
      expect(ask(policy, device({ roles }), publish('a/b')).permit).toBe(false)
      expect(ask(policy, device({ roles }), publish('b')).permit).toBe(true)
    }
  })

  test('roles come from the registry and from assign by type, id and group; a stranger gets no assigned role', () => {
    const role = (name: string): string => `  ${name}: { permit: [{ id: ${name}, publish: "${name}" }] }\n`
    const policy = policyOf(`version: 1
roles:
${['own', 'typed', 'named', 'grouped'].map(role).join('')}assign:
  - { type: t, roles: [typed] }
  - { id: d1, roles: [named] }
  - { group: g, roles: [grouped, typed] }
`)
    const all = device({ roles: ['own'], groups: ['g'] })
    expect(policy.rolesOf(all)).toEqual(['own', 'typed', 'named', 'grouped'])
    expect(policy.rolesOf(device({ id: 'd2', type: null }))).toEqual([])
    expect(policy.rolesOf({ ...all, kind: 'anonymous' })).toEqual(['own'])
  })

  test('a role that no file defines permits nothing', () => {
    expect(ask(compile([], 0), device({ roles: ['ghost'] }), publish('a')).reason).toBe('no-rule')
  })
})

describe('variables', () => {
  test('stand for the attributes of who acts', () => {
    const policy = policyWith([
      '{ id: a, publish: "home/${device.room}/t" }',
      '{ id: b, allow: "device/${device.id}/#" }',
    ])
    const kitchen = device({ attributes: { room: 'kitchen' } })
    expect(ask(policy, kitchen, publish('home/kitchen/t')).permit).toBe(true)
    expect(ask(policy, kitchen, publish('home/attic/t')).permit).toBe(false)
    expect(ask(policy, kitchen, publish('device/d1/x')).permit).toBe(true)
    expect(ask(policy, kitchen, publish('device/d2/x')).permit).toBe(false)
  })

  test('a rule whose variable has no value never matches', () => {
    const policy = policyWith(['{ id: a, allow: "home/${device.room}/#" }'])
    for (const target of ['home//x', 'home/undefined/x', 'home/${device.room}/x']) {
      expect(permits(policy, publish(target))).toBe(false)
    }
  })

  test.each(['+', '#', 'a/b', '$SYS', '', 'a\0'])('a value that is %j never matches', room => {
    const policy = policyWith(['{ id: a, allow: "home/${device.room}" }', '{ id: b, subscribe: "${device.room}/#" }'])
    const subject = device({ attributes: { room } })
    expect(ask(policy, subject, publish('home/x')).permit).toBe(false)
    expect(ask(policy, subject, publish(`home/${room}`)).permit).toBe(false)
    expect(ask(policy, subject, subscribe('home/+')).permit).toBe(false)
    expect(ask(policy, subject, subscribe('$SYS/#')).permit).toBe(false)
  })

  test('${device.children} stands for any device behind the gateway, and for no other', () => {
    const policy = policyWith(['{ id: a, allow: "device/${device.children}/#" }'])
    const gateway = device({ children: ['c1', 'c2'] })
    expect(ask(policy, gateway, publish('device/c1/x')).permit).toBe(true)
    expect(ask(policy, gateway, subscribe('device/c2/#')).permit).toBe(true)
    expect(ask(policy, gateway, publish('device/c3/x')).permit).toBe(false)
    expect(ask(policy, gateway, publish('device/d1/x')).permit).toBe(false)
    expect(ask(policy, gateway, subscribe('device/+/x')).permit).toBe(false)
    expect(permits(policy, publish('device/c1/x'))).toBe(false)
  })
})

describe('subscriptions', () => {
  test('every topic of the filter must be permitted', () => {
    const policy = policyWith(['{ id: a, subscribe: ["home/+/t", "home/hall/#"] }'])
    for (const filter of ['home/+/t', 'home/attic/t', 'home/hall/#', 'home/hall', 'home/hall/+/x', 'home/hall/+']) {
      expect(permits(policy, subscribe(filter)), filter).toBe(true)
    }
    for (const filter of ['#', '+', 'home/#', 'home/+', 'home/+/+', '+/attic/t', 'home/+/t/#', '$SYS/#']) {
      expect(permits(policy, subscribe(filter)), filter).toBe(false)
    }
  })

  test('several permits together may cover a filter', () => {
    const policy = policyWith([
      '{ id: a, subscribe: "a" }',
      '{ id: b, subscribe: "a/+" }',
      '{ id: c, subscribe: "a/+/#" }',
    ])
    expect(permits(policy, subscribe('a/#'))).toBe(true)
    expect(
      permits(policyWith(['{ id: a, subscribe: "a" }', '{ id: c, subscribe: "a/+/+/#" }']), subscribe('a/#')),
    ).toBe(false)
  })

  test('none of its topics may be forbidden', () => {
    const policy = policyWith(['{ id: a, subscribe: "#" }'], ['{ id: f, subscribe: "home/+/lock" }'])
    expect(permits(policy, subscribe('garden/#'))).toBe(true)
    for (const filter of ['#', 'home/#', '+/+/lock', 'home/hall/lock', 'home/hall/+', 'home/+/#']) {
      expect(permits(policy, subscribe(filter)), filter).toBe(false)
    }
  })

  test('a shared subscription is judged as its filter', () => {
    const policy = policyWith(['{ id: a, subscribe: "home/#" }'])
    expect(permits(policy, subscribe('$share/g/home/#'))).toBe(true)
    expect(permits(policy, subscribe('$share/g/#'))).toBe(false)
    expect(permits(policy, subscribe('$share/g/$share/h/home/#'))).toBe(false)
    expect(permits(policy, subscribe('$share/home/#'))).toBe(false)
  })

  test.each(['', 'a/#/b', 'a+', '$share/g', '$share/+/a', 'a\0'])('%j is no filter and is refused', filter => {
    expect(permits(policyWith(['{ id: a, allow: "#" }']), subscribe(filter))).toBe(false)
  })

  test('`when.qos` lowers a subscription to the highest QoS that it leaves', () => {
    const policy = policyWith([
      '{ id: a, subscribe: "a", when: { qos: [0, 1] } }',
      '{ id: b, subscribe: "b", when: { qos: [1, 2] } }',
    ])
    expect(ask(policy, device(), subscribe('a', 2))).toMatchObject({ permit: true, maxQos: 1 })
    expect(ask(policy, device(), subscribe('a', 0))).toMatchObject({ permit: true, maxQos: 0 })
    expect(ask(policy, device(), subscribe('a'))).toMatchObject({ permit: true, maxQos: 1 })
    expect(ask(policy, device(), subscribe('b', 2))).toMatchObject({ permit: true, maxQos: 2 })
    expect(ask(policy, device(), subscribe('b', 0))).toMatchObject({ permit: false, maxQos: 0 })
  })

  test('a filter that two permits cover together gets the QoS that both leave', () => {
    const policy = policyWith(['{ id: a, subscribe: "a" }', '{ id: b, subscribe: "a/+/#", when: { qos: 0 } }'])
    expect(ask(policy, device(), subscribe('a/#', 2))).toMatchObject({ permit: true, maxQos: 0 })
    expect(ask(policy, device(), subscribe('a', 2))).toMatchObject({ permit: true, maxQos: 2 })
  })

  test('a forbid on a QoS lowers too', () => {
    const policy = policyWith(['{ id: a, subscribe: "a" }'], ['{ id: f, subscribe: "a", when: { qos: [1, 2] } }'])
    expect(ask(policy, device(), subscribe('a', 2))).toMatchObject({ permit: true, maxQos: 0 })
  })
})

describe('deliveries', () => {
  const policy = policyWith(
    ['{ id: a, subscribe: "home/#" }', '{ id: b, publish: "out" }'],
    ['{ id: n, receive: "home/+/noise" }', '{ id: l, subscribe: "home/attic/lock" }'],
  )

  test('a permitted subscription permits its deliveries', () => {
    expect(permits(policy, subscribe('home/kitchen/#'))).toBe(true)
    expect(permits(policy, receive('home/kitchen/t'))).toBe(true)
    expect(permits(policy, receive('out'))).toBe(false)
  })

  test('a receive rule narrows them without refusing the subscription', () => {
    expect(ask(policy, device(), receive('home/kitchen/noise'))).toMatchObject({ permit: false, rule: { id: 'n' } })
  })

  test('what may not be subscribed is not delivered', () => {
    expect(ask(policy, device(), receive('home/attic/lock'))).toMatchObject({ permit: false, rule: { id: 'l' } })
  })

  test('a QoS condition on the subscription does not stop a delivery at another QoS', () => {
    const only = policyWith(['{ id: a, subscribe: "a", when: { qos: [1] } }'])
    expect(ask(only, device(), { ...receive('a'), qos: 0 })).toMatchObject({ permit: true, maxQos: 1 })
  })
})

describe('topics that begin with $', () => {
  const all = policyWith(['{ id: a, allow: "#" }', '{ id: b, allow: "+/+/#" }'])

  test.each(['$SYS/x', '$share/g/a', '$latchkey/enrol', '$'])('nobody publishes to %s', topic => {
    expect(ask(all, device(), publish(topic))).toMatchObject({ permit: false, reason: 'reserved', rule: null })
  })

  test('# and a leading + never reach them', () => {
    for (const filter of ['$SYS/#', '$SYS/a/b', '$SYS']) expect(permits(all, subscribe(filter)), filter).toBe(false)
    expect(permits(all, subscribe('#'))).toBe(true)
    expect(permits(all, subscribe('+/a'))).toBe(true)
    expect(permits(all, receive('$SYS/a/b'))).toBe(false)
  })

  test('reading them takes a permit that names them', () => {
    const policy = policyWith(['{ id: s, subscribe: "$SYS/broker/#" }'])
    expect(permits(policy, subscribe('$SYS/broker/+'))).toBe(true)
    expect(permits(policy, receive('$SYS/broker/up'))).toBe(true)
    expect(permits(policy, subscribe('$SYS/#'))).toBe(false)
  })

  test('a forbid of # does not reach them either', () => {
    const policy = policyWith(['{ id: s, subscribe: "$SYS/#" }'], ['{ id: f, subscribe: "#" }'])
    expect(permits(policy, subscribe('$SYS/#'))).toBe(true)
  })
})

describe('conditions', () => {
  test('all of a permit must hold', () => {
    const policy = policyWith([
      '{ id: a, publish: "a", when: { qos: [0, 1], retain: false, credential: x509, transport: [mqtts, wss], network: 192.168.0.0/16 } }',
    ])
    expect(permits(policy, publish('a', { qos: 1, retain: false }))).toBe(true)
    expect(permits(policy, publish('a', { qos: 2, retain: false }))).toBe(false)
    expect(permits(policy, publish('a', { qos: 1, retain: true }))).toBe(false)
    const elsewhere: Partial<Context>[] = [
      { credential: 'secret' },
      { credential: null },
      { transport: 'ws' },
      { address: '10.0.0.1' },
      { address: 'unknown' },
    ]
    for (const other of elsewhere) {
      expect(permits(policy, publish('a', { qos: 1, retain: false }), { ...NOON, ...other })).toBe(false)
    }
  })

  test('a forbid whose condition does not hold forbids nothing', () => {
    const policy = policyWith(['{ id: a, allow: "#" }'], ['{ id: f, allow: "lock", when: { transport: [mqtt, ws] } }'])
    expect(permits(policy, publish('lock'))).toBe(true)
    expect(permits(policy, subscribe('#'))).toBe(true)
    expect(permits(policy, publish('lock'), { ...NOON, transport: 'ws' })).toBe(false)
    expect(permits(policy, subscribe('#'), { ...NOON, transport: 'ws' })).toBe(false)
  })

  test('an address that is none closes a forbid as well as a permit', () => {
    const policy = policyWith(
      ['{ id: a, publish: "#" }'],
      ['{ id: f, publish: "lock", when: { network: 203.0.113.0/24 } }'],
    )
    expect(permits(policy, publish('lock'))).toBe(true)
    expect(permits(policy, publish('lock'), { ...NOON, address: '' })).toBe(false)
  })

  test('what a request leaves unsaid closes a forbid as well as a permit', () => {
    const policy = policyWith(
      ['{ id: a, publish: "a", when: { qos: 0 } }', '{ id: b, allow: "b" }'],
      ['{ id: f, publish: "b", when: { retain: true } }', '{ id: r, receive: "b", when: { qos: 2 } }'],
    )
    expect([permits(policy, publish('a', { qos: 0 })), permits(policy, publish('a'))]).toEqual([true, false])
    expect([permits(policy, publish('b', { retain: false })), permits(policy, publish('b'))]).toEqual([true, false])
    expect([permits(policy, { ...receive('b'), qos: 1 }), permits(policy, receive('b'))]).toEqual([true, false])
  })

  test('a time window says when the answer will change', () => {
    const policy = policyWith([
      '{ id: a, allow: "a", when: { time: { from: "08:00", to: "18:00" } } }',
      '{ id: b, publish: "b" }',
    ])
    const evening = NOON.now + 6 * 3_600_000
    expect(ask(policy, device(), publish('a'))).toMatchObject({ permit: true, until: evening })
    expect(ask(policy, device(), publish('a'), { ...NOON, now: evening })).toMatchObject({
      permit: false,
      until: evening + 14 * 3_600_000,
    })
    expect(ask(policy, device(), subscribe('a')).until).toBe(evening)
    expect(ask(policy, device(), publish('b')).until).toBeNull()
  })
})

describe('enrol and administer', () => {
  const policy = policyWith(
    ['{ id: e, enrol: [lamp, plug] }', '{ id: d, administer: ["devices:*", "audit:read"] }'],
    ['{ id: n, administer: "devices:write", when: { credential: secret } }'],
  )
  const may = (action: 'enrol' | 'administer', target: string, context = NOON): boolean =>
    ask(policy, device(), { action, target }, context).permit

  test('names decide', () => {
    expect([may('enrol', 'lamp'), may('enrol', 'lock'), may('enrol', '*')]).toEqual([true, false, false])
    expect([may('administer', 'devices:write'), may('administer', 'devices:read')]).toEqual([true, true])
    expect([may('administer', 'audit:read'), may('administer', 'audit:write')]).toEqual([true, false])
    expect([may('administer', 'devices'), may('administer', 'devices:read:x'), may('administer', '')]).toEqual([
      false,
      false,
      false,
    ])
  })

  test('forbid wins here too', () => {
    expect(may('administer', 'devices:write', { ...NOON, credential: 'secret' })).toBe(false)
    expect(may('administer', 'devices:read', { ...NOON, credential: 'secret' })).toBe(true)
  })

  test('the operator roles are built in and know no topics', () => {
    const operator = (role: string): Subject => ({ ...device({ type: null, roles: [role] }), kind: 'operator' })
    const can = (role: string, target: string): boolean =>
      ask(compile([], 0), operator(role), { action: 'administer', target }).permit
    expect(['devices:write', 'keys:write', 'audit:read'].every(target => can('admin', target))).toBe(true)
    expect([can('enroller', 'enrolments:write'), can('enroller', 'devices:read')]).toEqual([true, true])
    expect([can('enroller', 'credentials:write'), can('enroller', 'devices:write')]).toEqual([false, false])
    expect([can('auditor', 'audit:read'), can('auditor', 'messages:read')]).toEqual([true, false])
    expect([can('auditor', 'devices:write'), can('auditor', 'policies:write')]).toEqual([false, false])
    expect(ask(compile([], 0), operator('admin'), publish('a')).permit).toBe(false)
    expect(ask(compile([], 0), operator('admin'), subscribe('#')).permit).toBe(false)
  })
})

describe('scopes', () => {
  const policy = policyWith(
    ['{ id: a, allow: "home/#" }', '{ id: d, administer: "devices:*" }'],
    ['{ id: f, publish: "home/lock" }'],
  )
  const answer = (scopes: string[], request: Request): string => {
    const { permit, reason } = ask(policy, device(), request, NOON, scopes)
    return permit ? 'permit' : reason
  }

  test('only narrow', () => {
    expect(answer(['publish:home/#'], publish('home/x'))).toBe('permit')
    expect(answer(['publish:home/a'], publish('home/x'))).toBe('scope')
    expect(answer(['subscribe:home/#'], publish('home/x'))).toBe('scope')
    expect(answer(['publish:#'], publish('garden/x'))).toBe('no-rule')
    expect(answer(['publish:#'], publish('home/lock'))).toBe('rule')
    expect(answer([], publish('home/x'))).toBe('scope')
    expect(answer(['nonsense', 'publish:a/#/b'], publish('home/x'))).toBe('scope')
  })

  test('a subscription must lie within the scopes altogether', () => {
    expect(answer(['subscribe:home/+', 'subscribe:home/+/+/#', 'subscribe:home'], subscribe('home/#'))).toBe('permit')
    expect(answer(['subscribe:home/+', 'subscribe:home'], subscribe('home/#'))).toBe('scope')
    expect(answer(['subscribe:#'], subscribe('#'))).toBe('no-rule')
  })

  test('deliveries too', () => {
    expect(answer(['subscribe:home/a'], receive('home/a'))).toBe('permit')
    expect(answer(['subscribe:home/a'], receive('home/b'))).toBe('scope')
  })

  test('a role as a scope leaves what that role permits, and every forbid', () => {
    expect(answer(['role:r'], publish('home/x'))).toBe('permit')
    expect(answer(['role:other'], publish('home/x'))).toBe('scope')
    expect(answer(['role:r'], publish('home/lock'))).toBe('rule')
  })

  test('rights to administer', () => {
    expect(answer(['devices:read'], { action: 'administer', target: 'devices:read' })).toBe('permit')
    expect(answer(['devices:read'], { action: 'administer', target: 'devices:write' })).toBe('scope')
    expect(answer(['audit:read'], { action: 'administer', target: 'audit:read' })).toBe('no-rule')
  })
})
