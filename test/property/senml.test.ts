import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readSenmlCbor, writeSenmlCbor } from '../../src/coap-wire/senml-cbor.ts'
import { readSenmlJson, writeSenmlJson } from '../../src/coap-wire/senml-json.ts'
import { resolvePack } from '../../src/coap-wire/senml-pack.ts'
import { SenmlError, type SenmlRecord } from '../../src/coap-wire/senml-record.ts'
import { generator } from '../fixtures/fuzz.ts'
import { bytes, spoiled } from './coap-generators.ts'

const SEED = 20_261_125
const NOW = 1_500_000_000

/** Without -0, which JSON does not tell from 0; below what would add up to infinity. */
const number = fc.double({ noNaN: true, min: -1e300, max: 1e300 }).map(n => n + 0)
const name = fc.stringMatching(/^[A-Za-z0-9][-A-Za-z0-9:./_]{0,20}$/)
const value = fc.oneof(number, fc.string({ unit: 'grapheme' }), fc.boolean(), bytes(40))
const record = fc.record(
  {
    name,
    value,
    baseName: name,
    baseTime: number,
    baseUnit: fc.string(),
    baseValue: number,
    baseSum: number,
    unit: fc.string(),
    time: number,
    updateTime: number,
    sum: number,
  },
  { requiredKeys: ['name', 'value'] },
) as fc.Arbitrary<SenmlRecord>
const version = fc.option(fc.integer({ min: 1, max: 10 }), { nil: undefined })
const pack = fc
  .tuple(fc.array(record, { minLength: 1, maxLength: 12 }), version)
  .map(([records, baseVersion]) =>
    baseVersion === undefined ? records : records.map((one, i) => (i === 0 ? { ...one, baseVersion } : one)),
  )

test('a pack is read as it was written, in both notations, and both resolve alike', () => {
  const returns = fc.property(pack, records => {
    const [inJson, inCbor] = [readSenmlJson(writeSenmlJson(records)), readSenmlCbor(writeSenmlCbor(records))]
    expect(inJson).toEqual(records)
    expect(inCbor).toEqual(records)
    const resolved = resolvePack(inJson, NOW)
    expect(resolvePack(inCbor, NOW)).toEqual(resolved)
    expect(resolved).toHaveLength(records.length)
  })
  fc.assert(returns, { seed: SEED, numRuns: 500 })
})

test('resolved records, absolute and in order, resolve to themselves', () => {
  const stays = fc.property(pack, records => {
    const once = resolvePack(records, NOW)
    const again: SenmlRecord[] = once.map(({ version: baseVersion, ...rest }) =>
      baseVersion === undefined ? rest : { ...rest, baseVersion },
    )
    fc.pre(once.every(({ time }) => time >= 2 ** 28))
    expect(resolvePack(again, 0)).toEqual(once)
  })
  fc.assert(stays, { seed: SEED, numRuns: 500 })
})

test('spoiled and random octets are refused as SenML, by no other error', () => {
  const random = generator(SEED)
  const corpus = fc
    .sample(pack, { seed: SEED, numRuns: 40 })
    .flatMap(records => [writeSenmlJson(records), writeSenmlCbor(records)])
  let refused = 0
  for (let round = 0; round < 10_000; round += 1) {
    const octets = spoiled(random, corpus)
    for (const read of [readSenmlJson, readSenmlCbor]) {
      try {
        for (const { time } of resolvePack(read(octets), NOW)) expect(time).not.toBeNaN()
      } catch (error) {
        expect(error).toBeInstanceOf(SenmlError)
        refused += 1
      }
    }
  }
  expect(refused).toBeGreaterThan(10_000)
})
