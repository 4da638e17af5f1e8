import { describe, expect, test } from 'vitest'
import { type Row, ratioOf, rowOf, verdictsOf } from '../../bench/mqtt-figures.ts'
import type { Measured } from '../../bench/mqtt-load-generator.ts'

const MEBIBYTE = 1 << 20

const measured = (some: Partial<Measured>): Measured => ({
  count: 1000,
  seconds: 2,
  cpuSeconds: 0.01,
  loadCpuSeconds: 1,
  p50: 1,
  p99: 3,
  lost: 0,
  bytes: 10 * MEBIBYTE,
  bytesPerConnection: null,
  frozen: null,
  ...some,
})

function row(key: Row['server'], ...rounds: readonly Partial<Measured>[]): Row {
  return rowOf({ contender: { key, about: key }, rounds: rounds.map(measured) })
}

describe('a row', () => {
  test('holds microseconds a message, messages a second and cores, by medians', () => {
    const { cpu, perSecond, loadCores, mebibytes, rounds } = row(
      'latchkey',
      {},
      { cpuSeconds: 0.03 },
      { cpuSeconds: 0.02 },
    )
    expect(cpu).toEqual({ median: 20, minimum: 10, maximum: 30 })
    expect(perSecond.median).toBe(500)
    expect({ loadCores, mebibytes, rounds }).toEqual({ loadCores: 0.5, mebibytes: 10, rounds: 3 })
  })

  test('adds up what was lost', () => {
    expect(row('latchkey', { lost: 2 }, { lost: 3 }).lost).toBe(5)
  })

  test('has bytes of a connection, and a frozen part, only where they were measured', () => {
    expect(row('latchkey', {})).toMatchObject({ bytesPerConnection: null, frozen: null })
    expect(row('latchkey', { bytesPerConnection: 5 }, { bytesPerConnection: 7 }).bytesPerConnection?.maximum).toBe(7)
  })

  test('compares each round with its own calm part', () => {
    const frozen = { calmPerSecond: 1000, calmSilence: 4, silence: 8, closed: false, peakBytes: 100 * MEBIBYTE }
    const { frozen: told } = row('latchkey', { frozen }, { frozen: { ...frozen, calmPerSecond: 500, closed: true } })
    expect(told).toMatchObject({ share: { minimum: 0.5, maximum: 1 }, closed: 1 })
    expect(told?.peakMebibytes.median).toBe(100)
    expect(told?.silence.median).toBe(8)
  })
})

describe('a ratio', () => {
  const rows = [
    row('latchkey', { cpuSeconds: 1 }),
    row('mosquitto', { cpuSeconds: 5 }),
    row('relay', { cpuSeconds: 0.5 }),
  ]

  test("is Mosquitto's CPU time to that of another server", () => {
    expect(ratioOf(rows)).toBe(5)
    expect(ratioOf(rows, 'relay')).toBe(10)
  })

  test.each(['latchkey', 'mosquitto'])('is none without %s', missing => {
    expect(ratioOf(rows.filter(({ server }) => server !== missing))).toBeNull()
  })
})

describe('a verdict', () => {
  const rows = [row('latchkey', { cpuSeconds: 0.01 }), row('mosquitto', { cpuSeconds: 0.05 })]

  test.each([
    [{ ratio: 5 }, true],
    [{ ratio: 5.1 }, false],
    [{ perSecond: 500 }, true],
    [{ perSecond: 501 }, false],
    [{ cpu: 10 }, true],
    [{ cpu: 9 }, false],
    [{ p99: 3 }, true],
    [{ p99: 2 }, false],
  ])('of %o is %s', (goal, isMet) => {
    expect(verdictsOf({ goal }, rows).map(verdict => verdict.isMet)).toEqual([isMet])
  })

  test('of a frozen subscriber looks at the share and at the memory', () => {
    const frozen = { calmPerSecond: 600, calmSilence: 4, silence: 8, closed: false, peakBytes: 300 * MEBIBYTE }
    const verdicts = verdictsOf({ goal: { share: 0.8, peak: 256 } }, [row('latchkey', { frozen })])
    expect(verdicts.map(({ of, isMet }) => [of, isMet])).toEqual([
      ['share', true],
      ['peak MiB', false],
    ])
  })

  test('is not given where nothing was measured', () => {
    expect(verdictsOf({ goal: { ratio: 5, bytes: 8192, share: 0.9 } }, [row('latchkey', {})])).toEqual([])
  })
})
