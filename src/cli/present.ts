// Tables and records for people. Everything from the broker is made printable: an attacker may have chosen it.
import { printable } from '../model/printable.ts'
import type { Paint } from './terminal.ts'

const CELL_CHARACTERS = 400
/** What an empty cell shows. */
export const NOTHING = '-'

export interface Column<T> {
  readonly title: string
  readonly value: (row: T) => unknown
}

/** Aligned columns under their titles; a sentence when there is nothing. */
export function table<T>(rows: readonly T[], columns: readonly Column<T>[], paint: Paint, empty: string): string {
  if (rows.length === 0) return empty
  const cells = rows.map(row => columns.map(column => cellOf(column.value(row))))
  const widths = columns.map(({ title }, i) => Math.max(title.length, ...cells.map(row => (row[i] ?? '').length)))
  const line = (row: readonly string[]) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd()
  return [paint('bold', line(columns.map(({ title }) => title.toUpperCase()))), ...cells.map(line)].join('\n')
}

/** One `name  value` line each; what is undefined is left out. */
export function record(fields: Readonly<Record<string, unknown>>, paint: Paint): string {
  const shown = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]): [string, unknown] => [printable(name), value])
  const width = Math.max(...shown.map(([name]) => name.length))
  return shown.map(([name, value]) => `${paint('bold', name.padEnd(width))}  ${cellOf(value)}`).join('\n')
}

export function cellOf(value: unknown): string {
  if (value === null || value === undefined || value === '') return NOTHING
  if (typeof value === 'string') return printable(TIME.test(value) ? timeOf(value) : value, CELL_CHARACTERS)
  if (Array.isArray(value)) return value.length === 0 ? NOTHING : value.map(cellOf).join(', ')
  if (typeof value !== 'object') return String(value)
  const pairs = Object.entries(value).map(([name, member]) => `${printable(name)}=${cellOf(member)}`)
  return pairs.length === 0 ? NOTHING : pairs.join(' ')
}

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/

/** `2026-11-23 11:58:06Z` */
export const timeOf = (timestamp: string): string => timestamp.replace('T', ' ').replace(/\.\d+Z$/, 'Z')

/** `1 device`, `2 devices`. */
export const counted = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`
