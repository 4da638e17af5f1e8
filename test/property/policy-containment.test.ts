import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Subject } from '../../src/model/principal.ts'
import { matches } from '../../src/model/topic.ts'
import { bind } from '../../src/policy/bind.ts'
import { contains, intersects } from '../../src/policy/containment.ts'
import { parsePolicy } from '../../src/policy/parse-policy.ts'
import { compile } from '../../src/policy/policy.ts'
import { filterOf } from './policy-generators.ts'

const SEED = 20_260_106
const LETTERS = ['a', 'b', 'c']
/** What a topic's levels may be: the rules' letters, one that no rule has, and a reserved one. */
const ALPHABET = [...LETTERS, 'fresh', '$s']
/** One level more than the longest filter below, so that `#` is seen to reach further than every rule. */
const LONGEST = 5

/** All topics up to a length over the alphabet. */
function universe(length: number): string[] {
  if (length === 1) return [...ALPHABET]
  const shorter = universe(length - 1)
  const longest = shorter.filter(topic => topic.split('/').length === length - 1)
  return [...shorter, ...longest.flatMap(topic => ALPHABET.map(level => `${topic}/${level}`))]
}

const TOPICS = universe(LONGEST)
const filter = filterOf([...LETTERS, '$s'], 3)

/** All filters up to two levels, and `#` behind them. */
const SMALL = [...LETTERS.slice(0, 2), '+', '$s']
const SMALL_FILTERS = [
  '#',
  ...SMALL,
  ...SMALL.map(a => `${a}/#`),
  ...SMALL.flatMap(a => SMALL.flatMap(b => [`${a}/${b}`, `${a}/${b}/#`])),
]

test('the universe is what it says', () => {
  expect(TOPICS).toHaveLength(5 + 5 ** 2 + 5 ** 3 + 5 ** 4 + 5 ** 5)
  expect(SMALL_FILTERS).toHaveLength(1 + 4 + 4 + 32)
})

test('containment agrees with brute force: every pair of small filters', () => {
  const small = universe(4)
  const reach = new Map(SMALL_FILTERS.map(f => [f, new Set(small.filter(topic => matches(f, topic)))]))
  let contained = 0
  for (const [permit, permitted] of reach) {
    for (const [asked, reached] of reach) {
      const expected = [...reached].every(topic => permitted.has(topic))
      if (expected) contained++
      expect(contains([permit], asked), `${permit} contains ${asked}`).toBe(expected)
      const common = [...reached].some(topic => permitted.has(topic))
      expect(intersects(permit, asked), `${permit} meets ${asked}`).toBe(common)
    }
  }
  expect(contained).toBeGreaterThan(SMALL_FILTERS.length)
})

test('containment agrees with brute force: several permits together', () => {
  let contained = 0
  const agrees = fc.property(fc.array(filter, { maxLength: 6 }), filter, (permits, asked) => {
    const reached = TOPICS.filter(topic => matches(asked, topic))
    const expected = reached.every(topic => permits.some(permit => matches(permit, topic)))
    if (expected) contained++
    expect(contains(permits, asked)).toBe(expected)
  })
  fc.assert(agrees, { seed: SEED, numRuns: 3_000 })
  console.info(`seed ${SEED}: ${contained} of 3000 filters contained`)
  expect(contained).toBeGreaterThan(250)
})

test('permits that cover a filter only together are found', () => {
  // `a/#` in pieces, each of which alone is too small; without any one of them it is not covered.
  const pieces = ['a', 'a/+', 'a/+/+', 'a/+/+/+/#']
  expect(contains(pieces, 'a/#')).toBe(true)
  for (const missing of pieces)
    expect(
      contains(
        pieces.filter(piece => piece !== missing),
        'a/#',
      ),
      missing,
    ).toBe(false)
})

test('intersection agrees with brute force', () => {
  let met = 0
  const agrees = fc.property(filter, filter, (one, other) => {
    const expected = TOPICS.some(topic => matches(one, topic) && matches(other, topic))
    if (expected) met++
    expect(intersects(one, other)).toBe(expected)
  })
  fc.assert(agrees, { seed: SEED, numRuns: 3_000 })
  console.info(`seed ${SEED}: ${met} of 3000 pairs meet`)
  expect(met).toBeGreaterThan(300)
  expect(met).toBeLessThan(2_700)
})

test('a subscription is permitted exactly if every topic it reaches may be delivered', () => {
  const who: Subject = {
    kind: 'device',
    id: 'd',
    type: null,
    groups: [],
    roles: ['r'],
    attributes: new Map([['id', 'd']]),
    children: [],
  }
  const where = { credential: null, transport: 'mqtts', address: '10.0.0.1', now: 0 } as const
  const topics = universe(4)
  const short = filterOf([...LETTERS, '$s'], 2)
  let permitted = 0
  const rules = (filters: readonly string[]) => filters.map((subscribe, i) => ({ id: `${i}`, subscribe }))
  const exact = fc.property(
    fc.array(short, { maxLength: 6 }),
    fc.array(short, { maxLength: 2 }),
    fc.array(short, { minLength: 4, maxLength: 4 }),
    (permit, forbid, asked) => {
      const forbids = rules(forbid).map(rule => ({ ...rule, id: `f${rule.id}` }))
      const text = JSON.stringify({ version: 1, roles: { r: { permit: rules(permit), forbid: forbids } } })
      const bound = bind(compile([parsePolicy(text, 'generated.yaml')], 1), who, null)
      for (const target of asked) {
        const reached = topics.filter(topic => matches(target, topic))
        const deliverable = reached.every(topic => bound.decide({ action: 'receive', target: topic }, where).permit)
        if (deliverable) permitted++
        expect(bound.decide({ action: 'subscribe', target }, where).permit).toBe(deliverable)
      }
    },
  )
  fc.assert(exact, { seed: SEED, numRuns: 400 })
  console.info(`seed ${SEED}: ${permitted} of 1600 subscriptions permitted`)
  expect(permitted).toBeGreaterThan(100)
})
