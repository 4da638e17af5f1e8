import { CREDENTIAL_KINDS } from '../model/credential.ts'
import { ACTIONS } from '../model/decision.ts'
import { isAttributeValue, isIdentifier } from '../model/identifier.ts'
import type { PrincipalKind, Subject } from '../model/principal.ts'
import { printable } from '../model/printable.ts'
import { isTopicName, parseFilter } from '../model/topic.ts'
import { TRANSPORTS } from '../model/transport.ts'
import type { YamlValue } from '../model/yaml-reader.ts'
import type { PolicyTest, TestActor } from './document.ts'
import { parseQos } from './parse-conditions.ts'
import { parseName } from './parse-rule.ts'
import { parseScope } from './scope.ts'

/** A Monday at noon: what a test means when it does not say. */
export const TEST_TIME = Date.UTC(2026, 0, 5, 12)

const KEYS = ['device', 'client', ...ACTIONS, 'expect', 'rule', 'with'] as const
const CONTEXT_KEYS = ['qos', 'retain', 'credential', 'transport', 'address', 'at', 'scopes'] as const

export function parseTest(value: YamlValue): PolicyTest {
  const found = value.mapping('a test', KEYS)
  const actions = ACTIONS.filter(action => found.has(action))
  const action = actions[0]
  if (action === undefined || actions.length > 1) {
    return value.fail(`a test must have exactly one of ${ACTIONS.join(', ')}; it has ${actions.join(', ') || 'none'}`)
  }
  const targetValue = found.get(action) ?? value
  const target = targetValue.string(`"${action}" of a test`)
  if ((action === 'publish' || action === 'receive') && !isTopicName(target)) {
    targetValue.fail(
      `"${printable(target, 120)}" is not a topic name; a test of ${action} takes one topic, without + or #`,
    )
  }
  if (action === 'subscribe' && !parseFilter(target)) {
    targetValue.fail(
      `"${printable(target, 120)}" is not a topic filter; + and # stand alone in a level, # only in the last`,
    )
  }
  const expectValue = found.get('expect') ?? value.fail('a test needs "expect": allow or deny')
  const rule = found.get('rule')
  return {
    actor: parseActor(found.get('device'), found.get('client'), value),
    action,
    target,
    ...parseContext(found.get('with')),
    expect: expectValue.oneOf('"expect" of a test', ['allow', 'deny'] as const),
    rule: rule ? parseName(rule, '"rule" of a test') : null,
    place: value.location,
  }
}

function parseContext(value: YamlValue | undefined) {
  const found = value?.mapping('"with" of a test', CONTEXT_KEYS) ?? new Map<(typeof CONTEXT_KEYS)[number], YamlValue>()
  const qos = found.get('qos')
  const at = found.get('at')
  const credential = found.get('credential')
  return {
    qos: qos ? parseQos(qos, 'with.qos of a test') : null,
    retain: found.get('retain')?.boolean('with.retain of a test') ?? false,
    credential: credential?.isNull
      ? null
      : (credential?.oneOf('with.credential of a test', CREDENTIAL_KINDS) ?? ('x509' as const)),
    transport: found.get('transport')?.oneOf('with.transport of a test', TRANSPORTS) ?? ('mqtts' as const),
    address: found.get('address')?.string('with.address of a test') ?? '127.0.0.1',
    at: at ? parseMoment(at) : TEST_TIME,
    scopes: found.get('scopes')?.list().map(parseTestScope) ?? null,
  }
}

function parseMoment(value: YamlValue): number {
  const text = value.string('with.at of a test')
  const moment = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?Z$/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(moment)) value.fail('with.at of a test must be a time in UTC such as "2026-01-05T22:30:00Z"')
  return moment
}

function parseTestScope(value: YamlValue): string {
  const text = value.string('with.scopes of a test')
  try {
    parseScope(text)
  } catch (error) {
    value.fail(error instanceof Error ? error.message : 'with.scopes of a test holds a malformed scope')
  }
  return text
}

function parseActor(device: YamlValue | undefined, client: YamlValue | undefined, test: YamlValue): TestActor {
  const value = device ?? client
  if (!value || (device && client))
    return test.fail('a test needs "device" or "client": who acts, by id or described in place')
  const kind = device ? 'device' : 'service'
  if (!value.isMapping) return { registered: parseName(value, `the ${kind} of a test`) }
  return { inline: parseSubject(value, kind) }
}

function parseSubject(value: YamlValue, kind: PrincipalKind): Subject {
  const what = `the ${kind} of a test`
  const names = (key: string, at: YamlValue): string[] => at.list().map(item => parseName(item, `${key} of ${what}`))
  let id = 'test'
  let type: string | null = null
  const lists = { groups: [] as string[], roles: [] as string[], children: [] as string[] }
  const attributes = new Map<string, string>()
  for (const { key, at, value: field } of value.entries(what)) {
    if (key === 'id') id = parseName(field, `the id of ${what}`)
    else if (key === 'type' && kind === 'device') type = parseName(field, `the type of ${what}`)
    else if (key === 'groups' || key === 'roles' || key === 'children') lists[key] = names(key, field)
    else attributes.set(parseAttributeName(key, at, what), parseAttribute(field, key, what))
  }
  attributes.set('id', id)
  if (type !== null) attributes.set('type', type)
  return { kind, id, type, attributes, ...lists }
}

function parseAttributeName(key: string, at: YamlValue, what: string): string {
  if (isIdentifier(key)) return key
  return at.fail(`${what} has the attribute "${printable(key, 80)}"; use letters, digits, . _ : or -`)
}

function parseAttribute(value: YamlValue, key: string, what: string): string {
  const text = value.string(`the attribute ${key} of ${what}`)
  if (isAttributeValue(text)) return text
  return value.fail(`the attribute ${key} of ${what} must be one topic level: 1 to 128 characters without / + # $`)
}
