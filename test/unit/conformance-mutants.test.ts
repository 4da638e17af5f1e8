// Every conformance row has a fault of ours that it notices, or a reason why there can be none. That each row does notice
// is shown by `node tools/mutants.mjs`.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { rowsOf } from '../conformance/mutants/mutant.ts'
import { MUTANTS } from '../conformance/mutants/mutants.ts'
import { TABLES } from '../conformance/tables.ts'

const SOURCES = join(import.meta.dirname, '../../src')

const rows = Object.values(TABLES)
  .flat()
  .flatMap(({ v311, v5 }) => rowsOf({ file: '', from: '', to: '', ...(v311 && { v311 }), ...(v5 && { v5 }) }))
const mutated = MUTANTS.flatMap(rowsOf)

test('every row has a mutant', () => {
  expect(rows.filter(row => !mutated.includes(row))).toEqual([])
})

test('every mutant names rows that there are', () => {
  expect(mutated.filter(row => !rows.includes(row))).toEqual([])
  expect(MUTANTS.filter(mutant => rowsOf(mutant).length === 0)).toEqual([])
})

test.each(MUTANTS)('$file: $from', ({ file, from, to }) => {
  const text = readFileSync(join(SOURCES, file), 'utf8')
  expect(text.split(from)).toHaveLength(2)
  expect(text.replace(from, () => to)).not.toBe(text)
})
