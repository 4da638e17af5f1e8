// Every normative statement of MQTT 3.1.1 and 5 has a row in test/conformance, or a reason why it has none.
import { existsSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { EXEMPTIONS, type Standard, statements } from '../conformance/statements.ts'
import { TABLES } from '../conformance/tables.ts'

const rows = Object.values(TABLES).flat()

describe.each([
  ['MQTT 3.1.1', 'v311', 141],
  ['MQTT 5', 'v5', 251],
] as const)('%s', (_, standard: Standard, count) => {
  const all = statements(standard)
  const held = rows.flatMap(row => row[standard] ?? [])
  const exempt = EXEMPTIONS[standard].flatMap(({ numbers }) => numbers.split(' '))

  test('the list has every statement once', () => {
    expect(all).toHaveLength(count)
    expect(new Set(all).size).toBe(count)
  })

  test('each has a row or a reason', () => {
    const known = new Set([...held, ...exempt])
    expect(all.filter(number => !known.has(number))).toEqual([])
  })

  test('no row and no reason is for a statement that there is not, or that has one already', () => {
    const known = new Set(all)
    const named = [...held, ...exempt]
    expect(named.filter(number => !known.has(number))).toEqual([])
    expect(named.filter((number, i) => named.indexOf(number) < i)).toEqual([])
  })

  test('a test that holds a statement elsewhere is there', () => {
    for (const { test: file } of EXEMPTIONS[standard]) if (file !== undefined) expect(existsSync(file), file).toBe(true)
  })
})

test('every row names a statement', () => {
  expect(rows.filter(({ v311, v5 }) => v311 === undefined && v5 === undefined)).toEqual([])
})
