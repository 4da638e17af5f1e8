import { expect, test } from 'vitest'
import { cellOf, counted, record, table } from '../../../src/cli/present.ts'
import { painter } from '../../../src/cli/terminal.ts'

const plain = painter(false, {})

test('a table is aligned under its titles', () => {
  const columns = [
    { title: 'id', value: (row: { id: string }) => row.id },
    { title: 'groups', value: () => ['a', 'b'] },
  ]
  expect(table([{ id: 'kettle-1' }, { id: 't1' }], columns, plain, 'none')).toBe(
    'ID        GROUPS\nkettle-1  a, b\nt1        a, b',
  )
  expect(table([], columns, plain, 'none')).toBe('none')
})

test('a record leaves out what is undefined', () => {
  expect(record({ id: 't1', parent: null, label: undefined }, plain)).toBe('id      t1\nparent  -')
})

test.each([
  [null, '-'],
  ['', '-'],
  [[], '-'],
  [{}, '-'],
  [{ room: 'kitchen', floor: 2 }, 'room=kitchen floor=2'],
  ['2026-11-23T11:58:06.123Z', '2026-11-23 11:58:06Z'],
  ['\u001b[2J\u202etxt', '\\u001b[2J\\u202etxt'],
  [true, 'true'],
])('%j reads %s', (value, text) => {
  expect(cellOf(value)).toBe(text)
})

test('names that an attacker chose cannot steer the terminal', () => {
  expect(record({ '\u001b[31m': '\r\nok' }, plain)).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/)
  expect(cellOf({ '\u001b[31m': 'x' })).toBe('\\u001b[31m=x')
})

test('colours only on terminals, and not where nobody wants them', () => {
  const red = (terminal: boolean, environment: Record<string, string>) => painter(terminal, environment)('red', 'x')
  expect(red(true, {})).toBe('\u001b[31mx\u001b[39m')
  expect(red(false, {})).toBe('x')
  expect(red(true, { NO_COLOR: '1' })).toBe('x')
  expect(red(true, { NO_COLOR: '' })).toBe('\u001b[31mx\u001b[39m')
  expect(red(true, { TERM: 'dumb' })).toBe('x')
})

test('counted things', () => {
  expect([counted(0, 'device'), counted(1, 'device'), counted(2, 'policy', 'policies')]).toEqual([
    '0 devices',
    '1 device',
    '2 policies',
  ])
})
