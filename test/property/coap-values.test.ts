import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readLinks, writeLinks } from '../../src/coap-wire/link-format.ts'
import { isCritical, OPTION_RULES, recogniseOptions, uintOf, uintValue } from '../../src/coap-wire/options.ts'
import { decodeTopicMessage, encodeTopicMessage } from '../../src/coap-wire/topic-message.ts'
import { generator } from '../fixtures/fuzz.ts'
import { bytes, options, spoiled } from './coap-generators.ts'

const SEED = 20_261_124
const RUNS = 3_000

test('a uint is read as it was written', () => {
  const returns = fc.property(fc.integer({ min: 0, max: 0xffffffff }), fc.nat(3), (n, zeros) => {
    expect(uintOf(uintValue(n))).toBe(n)
    expect(uintValue(n)[0]).not.toBe(0)
    if (n < 0x1000000) expect(uintOf(Buffer.concat([Buffer.alloc(zeros), uintValue(n)]))).toBe(n)
  })
  fc.assert(returns, { seed: SEED, numRuns: RUNS })
})

test('options are recognised as a slow, obvious reader recognises them', () => {
  const understood = fc.uniqueArray(fc.constantFrom(...OPTION_RULES.keys()))
  let refusals = 0
  const agrees = fc.property(options, understood, (list, numbers) => {
    const isRecognised = list.map(({ number, value }, i) => {
      const rule = OPTION_RULES.get(number)
      if (rule === undefined || !numbers.includes(number)) return false
      if (value.length < rule.minimum || value.length > rule.maximum) return false
      return rule.repeatable || !list.slice(0, i).some(earlier => earlier.number === number)
    })
    const refused = list.find(({ number }, i) => !isRecognised[i] && isCritical(number))?.number ?? null
    if (refused !== null) refusals++
    const recognised = recogniseOptions(list, new Set(numbers))
    expect(recognised).toEqual({ options: list.filter((_, i) => isRecognised[i]), refused })
  })
  fc.assert(agrees, { seed: SEED, numRuns: RUNS })
  expect(refusals).toBeGreaterThan(RUNS / 10)
})

test('topic messages are read as they were written, and random bytes never throw', () => {
  const format = fc.option(fc.integer({ min: 0, max: 0xffff }))
  const returns = fc.property(fc.string({ unit: 'grapheme' }), format, bytes(300), (topic, contentFormat, payload) => {
    const written = encodeTopicMessage(topic, contentFormat, payload)
    expect(decodeTopicMessage(written)).toEqual({ topic, contentFormat, payload })
  })
  fc.assert(returns, { seed: SEED, numRuns: 1_000 })
  const random = generator(SEED)
  const corpus = [
    encodeTopicMessage('home/kitchen', 50, Buffer.from('{}')),
    encodeTopicMessage('a', null, Buffer.alloc(30)),
  ]
  for (let i = 0; i < 5_000; i++) {
    const read = decodeTopicMessage(spoiled(random, corpus))
    if (read !== null)
      expect(decodeTopicMessage(encodeTopicMessage(read.topic, read.contentFormat, read.payload))).toEqual(read)
  }
})

test('links are read as they were written', () => {
  const name = fc.stringMatching(/^[a-z][a-z0-9.-]{0,8}$/)
  const attribute = fc.tuple(name, fc.oneof(fc.string({ unit: 'binary-ascii' }), fc.constant(true as const)))
  const link = fc.record({
    target: fc.webPath(),
    attributes: fc.array(attribute, { maxLength: 4 }).map(list => new Map(list)),
  })
  const returns = fc.property(fc.array(link, { maxLength: 4 }), links => {
    expect(readLinks(writeLinks(links))).toEqual(links)
  })
  fc.assert(returns, { seed: SEED, numRuns: 1_000 })
})
