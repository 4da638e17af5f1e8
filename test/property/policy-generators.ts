// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is how a policy writes its variables
// Policies, subjects, requests and contexts out of an alphabet so small that everything meets everything.
import fc from 'fast-check'
import type { Context, Request } from '../../src/model/decision.ts'
import type { Subject } from '../../src/model/principal.ts'
import { isTopicFilter } from '../../src/model/topic.ts'

const LETTERS = ['a', 'b', 'c'] as const
const VARIABLES = ['${device.id}', '${device.room}', '${device.missing}'] as const
const CHILDREN = '${device.children}'

/** Levels that topics are made of: rules' letters, one that no rule has, the empty level, a reserved one. */
export const TOPIC_LEVELS = [...LETTERS, 'z', '', '$s'] as const

const join = (levels: readonly string[]): string => levels.join('/')

/** Up to `max` levels; `#` may end it. */
export function filterOf(levels: readonly string[], max: number): fc.Arbitrary<string> {
  return fc
    .tuple(fc.array(fc.constantFrom(...levels, '+'), { maxLength: max }), fc.boolean())
    .map(([stem, open]) => join(open ? [...stem, '#'] : stem))
    .filter(isTopicFilter)
}

export function topicOf(max: number): fc.Arbitrary<string> {
  return fc
    .array(fc.constantFrom(...TOPIC_LEVELS), { minLength: 1, maxLength: max })
    .map(join)
    .filter(isTopicFilter)
}

const pattern = filterOf([...LETTERS, '$s', '', ...VARIABLES, CHILDREN], 4).filter(
  text => text.split(CHILDREN).length <= 2 && !text.startsWith('$share'),
)

const listOf = <T>(values: readonly T[]): fc.Arbitrary<T[]> => fc.subarray([...values], { minLength: 1 })

const rarely = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary })

const conditions = (kind: string): fc.Arbitrary<object | undefined> =>
  fc.option(
    fc.record({
      qos: kind === 'enrol' || kind === 'administer' ? fc.constant(undefined) : rarely(listOf([0, 1, 2])),
      retain: kind === 'publish' || kind === 'receive' ? rarely(fc.boolean()) : fc.constant(undefined),
      credential: rarely(listOf(['x509', 'psk', 'secret'])),
      transport: rarely(listOf(['mqtt', 'mqtts', 'wss'])),
      network: rarely(listOf(['10.0.0.0/8', '192.168.0.0/16', 'fd00::/8'])),
      time: rarely(
        fc.constantFrom(
          { from: '08:00', to: '18:00' },
          { from: '22:00', to: '06:00', days: ['sun', 'mon'] },
          { days: ['mon'], zone: '+02:00' },
        ),
      ),
    }),
    { nil: undefined, freq: 2 },
  )

const NAMES = {
  enrol: ['*', 'lamp', 'plug'],
  administer: ['*:*', 'devices:*', 'devices:read', '*:write', 'audit:read'],
} as const

function ruleOf(effect: 'permit' | 'forbid'): fc.Arbitrary<object> {
  const kinds = ['publish', 'subscribe', 'allow', ...(effect === 'forbid' ? ['receive'] : [])]
  const topics = fc.constantFrom(...kinds).chain(kind =>
    fc.record({
      [kind]: fc.array(
        pattern.filter(text => effect === 'forbid' || kind === 'subscribe' || !text.startsWith('$s')),
        { minLength: 1, maxLength: 3 },
      ),
      when: conditions(kind),
    }),
  )
  const names = fc
    .constantFrom('enrol' as const, 'administer' as const)
    .chain(kind => fc.record({ [kind]: listOf(NAMES[kind]), when: conditions(kind) }))
  return fc.oneof({ weight: 9, arbitrary: topics }, { weight: 1, arbitrary: names })
}

const numbered = (rules: readonly object[], prefix: string) =>
  rules.map((rule, i) => ({ id: `${prefix}${i}`, ...rule }))

const role = fc
  .tuple(fc.array(ruleOf('permit'), { maxLength: 5 }), fc.array(ruleOf('forbid'), { maxLength: 2 }))
  .map(([permit, forbid]) => ({ permit: numbered(permit, 'p'), forbid: numbered(forbid, 'f') }))

/** The text of a policy file: JSON is YAML too. */
export const policyText: fc.Arbitrary<string> = fc
  .record({
    one: role,
    two: role,
    assign: fc.subarray([
      { type: 'lamp', roles: ['two'] },
      { id: 'a', roles: ['one'] },
      { group: 'g', roles: ['one', 'two'] },
    ]),
  })
  .map(({ one, two, assign }) => JSON.stringify({ version: 1, roles: { one, two }, assign }))

export const subject: fc.Arbitrary<Subject> = fc
  .record({
    id: fc.constantFrom<string>('a', 'd'),
    type: fc.constantFrom('lamp', 'plug', null),
    room: fc.constantFrom(undefined, 'b', 'c', '+', 'a/b'),
    groups: fc.subarray(['g']),
    roles: fc.subarray(['one', 'two', 'admin', 'ghost']),
    children: fc.subarray(['a', 'c', '#']),
  })
  .map(({ id, type, room, groups, roles, children }) => {
    const attributes = new Map<string, string>([['id', id]])
    if (room !== undefined) attributes.set('room', room)
    return { kind: 'device', id, type, groups, roles, attributes, children }
  })

export const scopes: fc.Arbitrary<string[] | null> = fc.option(
  fc.array(
    fc.oneof(
      filterOf([...LETTERS, '$s'], 3).map(filter => `publish:${filter}`),
      filterOf([...LETTERS, '$s'], 3).map(filter => `subscribe:${filter}`),
      fc.constantFrom('role:one', 'role:two', 'role:admin', 'devices:read', 'publish:#', 'subscribe:#', 'nonsense'),
    ),
    { maxLength: 4 },
  ),
  { freq: 5 },
)

export const context: fc.Arbitrary<Context> = fc.record({
  credential: fc.constantFrom('x509', 'psk', 'secret', null),
  transport: fc.constantFrom('mqtt', 'mqtts', 'wss'),
  address: fc.constantFrom('10.1.2.3', '192.168.7.7', 'fd00::1', '::ffff:10.0.0.1', '203.0.113.9', 'nowhere'),
  now: fc.integer({ min: 0, max: 7 * 24 * 60 }).map(minute => Date.UTC(2026, 0, 4) + minute * 60_000),
})

const NAMED_TARGETS = [
  '*',
  'lamp',
  'plug',
  'lock',
  'devices:read',
  'devices:write',
  'audit:read',
  'keys:write',
  'x',
  '',
]
/** With and without what a request may leave unsaid. */
const DETAILS: readonly Partial<Request>[] = [
  {},
  ...([0, 1, 2] as const).flatMap(qos => [
    { qos, retain: false },
    { qos, retain: true },
  ]),
]

/** Every way to ask about these targets, and some targets that are none. */
export function requestsAbout(topics: readonly string[], filters: readonly string[]): Request[] {
  const shared = filters.map(filter => `$share/g/${filter}`)
  const odd = ['a/#/b', '', '$share', '$share/g/a', '$share/+/a']
  return [
    ...[...topics, 'a/+', ...odd].flatMap(target => [
      ...DETAILS.map((detail): Request => ({ action: 'publish', target, ...detail })),
      ...DETAILS.map((detail): Request => ({ action: 'receive', target, ...detail })),
    ]),
    ...[...topics, ...filters, ...shared, ...odd].flatMap((target): Request[] => [
      { action: 'subscribe', target },
      ...([0, 1, 2] as const).map(qos => ({ action: 'subscribe' as const, target, qos })),
    ]),
    ...NAMED_TARGETS.flatMap((target): Request[] => [
      { action: 'enrol', target },
      { action: 'administer', target },
    ]),
  ]
}
