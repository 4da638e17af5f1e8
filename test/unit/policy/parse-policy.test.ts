// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is how a policy writes its variables
import { describe, expect, test } from 'vitest'
import { Failure } from '../../../src/model/failure.ts'
import { parsePolicy } from '../../../src/policy/parse-policy.ts'
import { TEST_TIME } from '../../../src/policy/parse-test.ts'
import { compile } from '../../../src/policy/policy.ts'

const EXAMPLE = `version: 1
roles:
  thermostat:
    permit:
      - { id: report, publish: "home/\${device.room}/temperature" }
      - { id: command, publish: "home/\${device.room}/ac/set", when: { qos: [0, 1], credential: [x509, psk] } }
      - { id: own, allow: ["device/\${device.id}/#", "device/\${device.id}"] }
    forbid:
      - { id: no-lock, publish: "home/+/lock" }
assign:
  - { type: thermostat, roles: [thermostat] }
tests:
  - { device: { type: thermostat, id: t1, room: kitchen }, publish: "home/attic/temperature", expect: deny }
`

function failureOf(text: string): Failure {
  try {
    compile([parsePolicy(text, 'p.yaml')], 1)
  } catch (error) {
    if (error instanceof Failure) return error
    throw error
  }
  throw new Error(`no error for:\n${text}`)
}

/** A policy of one role with one permit rule. */
const rule = (text: string): string => `version: 1\nroles:\n  r:\n    permit:\n      - ${text}\n`
const test1 = (text: string): string => `version: 1\ntests:\n  - ${text}\n`

describe('parsePolicy', () => {
  test('reads rules, conditions, assignments and tests with their places', () => {
    const document = parsePolicy(EXAMPLE, 'p.yaml')
    const [report, command, own, lock] = document.roles[0]?.rules ?? []
    expect(report).toMatchObject({ id: 'report', effect: 'permit', kind: 'publish', when: null })
    expect(report?.place).toEqual({ file: 'p.yaml', line: 5, column: 9 })
    expect(command?.when).toMatchObject({ qos: [0, 1], credential: ['x509', 'psk'], transport: null })
    expect(own?.patterns.map(pattern => pattern.text)).toEqual(['device/${device.id}/#', 'device/${device.id}'])
    expect(lock).toMatchObject({ effect: 'forbid', place: { line: 9 } })
    expect(document.assignments).toMatchObject([{ by: 'type', value: 'thermostat', roles: [{ name: 'thermostat' }] }])
    expect(document.tests).toMatchObject([
      { action: 'publish', target: 'home/attic/temperature', expect: 'deny', at: TEST_TIME, rule: null },
    ])
  })

  test('an empty list of roles is a policy that permits nothing', () => {
    expect(parsePolicy('version: 1\nroles:\n', 'p.yaml').roles).toEqual([])
  })

  test.each([
    // what is wrong, line, column, part of the message
    ['', 1, 1, 'begin it with "version: 1"'],
    ['# nothing\n', 1, 1, 'the policy is empty'],
    ['roles: {}\n', 1, 1, 'begin it with "version: 1"'],
    ['version: 2\n', 1, 10, 'write "version: 1"'],
    ['version: 1\nrolse: {}\n', 2, 1, 'unknown key "rolse"; the keys are version, roles, assign, tests'],
    ['version: 1\nversion: 1\n', 2, 1, 'has the key "version" twice'],
    ['version: 1\n---\nversion: 1\n', 3, 1, 'one document'],
    ['- version: 1\n', 1, 1, 'a policy must be a mapping'],
    ['version: 1\nroles: [a\n', 3, 1, 'not valid YAML'],
    ['version: 1\nroles:\n  "a b": {}\n', 3, 3, 'the name of a role "a b" is not valid'],
    ['version: 1\nroles:\n  r: { allow: [] }\n', 3, 8, 'unknown key "allow"; the keys are permit, forbid'],
    ['version: 1\nroles:\n  r:\n    permit: { id: a }\n', 4, 13, '"permit" of role r must be a list'],
    ['version: 1\nroles:\n  admin: {}\n', 3, 3, 'the role "admin" is built in'],
    [rule('{ publish: "a" }'), 5, 9, 'has no id'],
    [rule('{ id: "a b", publish: "a" }'), 5, 15, 'the id of a rule of role r "a b" is not valid'],
    [rule('{ id: 7, publish: "a" }'), 5, 15, 'put 7 in quotes'],
    [rule('{ id: a }'), 5, 9, 'exactly one of publish, subscribe, receive, allow, enrol, administer; it has none'],
    [rule('{ id: a, publish: "a", subscribe: "b" }'), 5, 9, 'it has publish, subscribe'],
    [
      rule('{ id: a, publish: "a" }\n      - { id: a, publish: "b" }'),
      6,
      9,
      'two rules with the id "a" (the first is on line 5)',
    ],
    [rule('{ id: a, publsh: "a" }'), 5, 18, 'unknown key "publsh"'],
    [rule('{ id: a, receive: "a" }'), 5, 27, '"receive" can only narrow them under "forbid"'],
    [rule('\n        id: a\n        publish: #\n'), 7, 18, 'in quotes: "#"'],
    [rule('\n        id: a\n        publish:\n'), 7, 17, 'in quotes: "#"'],
    [rule('\n        id: a\n        publish: [ "a", ~ ]\n'), 7, 25, 'in quotes: "#"'],
    [rule('\n        id: a\n        publish: home/ #/x\n'), 7, 18, 'write the whole pattern in quotes'],
    [rule('{ id: a, publish: {b: c} }'), 5, 27, 'read as a mapping; write it in quotes'],
    [rule('{ id: a, publish: ${device.id} }'), 5, 28, 'not valid YAML'],
    [rule('{ id: a, publish: *x }'), 5, 27, 'begins with * in quotes'],
    [rule('{ id: a, publish: [] }'), 5, 27, 'empty list'],
    [rule('{ id: a, publish: "" }'), 5, 27, 'is empty; write a topic filter'],
    [rule('{ id: a, publish: "a/#/b" }'), 5, 27, '# only in the last one'],
    [rule('{ id: a, publish: "a+/b" }'), 5, 27, '+ and # stand alone'],
    [rule('{ id: a, publish: "a\\0b" }'), 5, 27, 'not a topic filter'],
    [rule('{ id: a, subscribe: "$share/g/a" }'), 5, 29, 'write only the filter after the share name'],
    [rule('{ id: a, publish: "$SYS/x" }'), 5, 27, 'nobody publishes to topics that begin with $'],
    [rule('{ id: a, allow: "$SYS/#" }'), 5, 25, 'use "subscribe"'],
    [rule('{ id: a, publish: "a/x-${device.id}" }'), 5, 27, 'a variable is a whole level, written ${device.NAME}'],
    [rule('{ id: a, publish: "a/${client.id}" }'), 5, 27, 'a variable is a whole level'],
    [rule('{ id: a, publish: "a/${device.}" }'), 5, 27, 'a variable is a whole level'],
    [rule('{ id: a, publish: "${device.children}/${device.children}" }'), 5, 27, 'more than once'],
    [rule('{ id: a, administer: "devices" }'), 5, 30, 'such as "devices:write" or "devices:*"'],
    [rule('{ id: a, administer: "things:read" }'), 5, 30, 'the areas are devices, credentials'],
    [rule('{ id: a, administer: "devices:read:x" }'), 5, 30, 'is not an area and a verb'],
    [rule('{ id: a, enrol: "a/b" }'), 5, 25, 'the device type of "enrol" "a/b" is not valid'],
    [rule('{ id: a, publish: "a", when: { qos: 3 } }'), 5, 45, 'must be 0, 1 or 2'],
    [rule('{ id: a, publish: "a", when: { qos: [] } }'), 5, 45, 'empty list and would never hold'],
    [rule('{ id: a, publish: "a", when: { retain: 1 } }'), 5, 48, 'must be true or false'],
    [
      rule('{ id: a, subscribe: "a", when: { retain: true } }'),
      5,
      50,
      'retain means something for publish, receive rules only',
    ],
    [rule('{ id: a, enrol: "*", when: { qos: 1 } }'), 5, 43, 'qos means something for'],
    [rule('{ id: a, publish: "a", when: { credential: password } }'), 5, 52, 'must be one of x509, secret'],
    [rule('{ id: a, publish: "a", when: { transport: [tls] } }'), 5, 52, 'must be one of mqtt, mqtts'],
    [rule('{ id: a, publish: "a", when: { network: 10.0.0.1/8 } }'), 5, 49, 'bits beyond its prefix length'],
    [rule('{ id: a, publish: "a", when: { network: 10.0.0.0/33 } }'), 5, 49, 'it must be 0 to 32'],
    [rule('{ id: a, publish: "a", when: { network: home } }'), 5, 49, 'is not an IP network'],
    [rule('{ id: a, publish: "a", when: { time: { from: "8:00" } } }'), 5, 54, 'must be a time such as "08:00"'],
    [rule('{ id: a, publish: "a", when: { time: { from: "08:00", to: "08:00" } } }'), 5, 46, 'is empty'],
    [rule('{ id: a, publish: "a", when: { time: { days: [monday] } } }'), 5, 55, 'must be one of mon, tue'],
    [rule('{ id: a, publish: "a", when: { time: { zone: Europe/Berlin } } }'), 5, 54, 'an offset such as "+02:00"'],
    [rule('{ id: a, publish: "a", when: { weather: fine } }'), 5, 40, 'unknown key "weather"'],
    [
      'version: 1\nassign:\n  - { type: t, roles: [x] }\n',
      3,
      24,
      'the role "x" is assigned but not defined; the roles are admin',
    ],
    ['version: 1\nassign:\n  - { type: t, id: i, roles: [admin] }\n', 3, 5, 'exactly one of type, id, group'],
    ['version: 1\nassign:\n  - { type: t }\n', 3, 5, 'needs "roles"'],
    ['version: 1\nassign:\n  - { type: t, roles: [] }\n', 3, 23, 'is empty; name a role'],
    [test1('{ publish: a, expect: deny }'), 3, 5, 'needs "device" or "client"'],
    [test1('{ device: d, expect: deny }'), 3, 5, 'exactly one of publish, subscribe'],
    [test1('{ device: d, publish: a }'), 3, 5, 'needs "expect"'],
    [test1('{ device: d, publish: a, expect: maybe }'), 3, 38, 'must be one of allow, deny'],
    [test1('{ device: d, publish: "a/+", expect: deny }'), 3, 27, 'takes one topic, without + or #'],
    [test1('{ device: d, subscribe: "a+", expect: deny }'), 3, 29, 'is not a topic filter'],
    [test1('{ device: { id: d, room: "a/b" }, publish: a, expect: deny }'), 3, 30, 'must be one topic level'],
    [test1('{ device: { id: d, room: 7 }, publish: a, expect: deny }'), 3, 30, 'put 7 in quotes'],
    [test1('{ device: d, publish: a, with: { at: noon }, expect: deny }'), 3, 42, 'such as "2026-01-05T22:30:00Z"'],
    [test1('{ device: d, publish: a, with: { scopes: [all] }, expect: deny }'), 3, 47, 'is not a scope'],
  ])('refuses %j', (text, line, column, message) => {
    const failure = failureOf(text)
    expect(failure.message).toContain(message)
    expect(failure.code).toBe('invalid-policy')
    expect(failure.location).toEqual({ file: 'p.yaml', line, column })
  })

  test('a role defined in two files is refused with both places', () => {
    const one = parsePolicy('version: 1\nroles:\n  r: {}\n', 'one.yaml')
    const two = parsePolicy('version: 1\nroles:\n\n  r: {}\n', 'two.yaml')
    expect(() => compile([one, two], 1)).toThrow(
      expect.objectContaining({
        message: expect.stringContaining('first in one.yaml, line 3'),
        location: { file: 'two.yaml', line: 4, column: 3 },
      }),
    )
  })

  test('roles of one file may be assigned in another', () => {
    const one = parsePolicy('version: 1\nroles:\n  r: {}\n', 'one.yaml')
    const two = parsePolicy('version: 1\nassign:\n  - { id: d, roles: [r] }\n', 'two.yaml')
    expect(compile([two, one], 1).assignments).toHaveLength(1)
  })

  test('keys that every object has are ordinary names', () => {
    const document = parsePolicy('version: 1\nroles:\n  constructor: {}\n  toString: {}\n', 'p.yaml')
    expect(document.roles.map(role => role.name)).toEqual(['constructor', 'toString'])
    expect(failureOf('version: 1\n__proto__: {}\n').message).toContain('unknown key "__proto__"')
  })
})
