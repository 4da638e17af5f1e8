import { afterEach, describe, expect, test } from 'vitest'
import { Scalar } from 'yaml'
import { z } from 'zod'
import { Failure } from '../../../src/model/failure.ts'
import { YAML_LIMITS } from '../../../src/model/yaml-bounds.ts'
import { YamlReader, type YamlValue } from '../../../src/model/yaml-reader.ts'
import { readBy } from '../../../src/model/yaml-schema.ts'

const documents = (text: string, limits = YAML_LIMITS): YamlValue[] =>
  new YamlReader('a.yaml', 'invalid-manifest').documents(text, limits)
const plain = (text: string, limits = YAML_LIMITS): unknown[] => documents(text, limits).map(value => value.plain())

/** What was refused, as `file:line:column: message`; the message itself never holds the place. */
function complaint(read: () => unknown): string {
  let thrown: unknown
  try {
    read()
  } catch (error) {
    thrown = error
  }
  if (!(thrown instanceof Failure)) throw thrown ?? new Error('nothing was refused')
  expect(thrown.code).toBe('invalid-manifest')
  expect(thrown.where).toMatch(/^a\.yaml:\d+:\d+$/)
  expect(thrown.message).not.toContain('a.yaml')
  return `${thrown.where}: ${thrown.message}`
}

describe('a text becomes plain values', () => {
  test.each<[string, unknown[]]>([
    ['', []],
    ['# nothing\n---\n---\n~\n', []],
    ['a: 1\nb: [x, true, ~, 1.5]\nc:\n', [{ a: 1, b: ['x', true, null, 1.5], c: null }]],
    ['a: 1\n---\nb: 2\n...\nc: 3\n', [{ a: 1 }, { b: 2 }, { c: 3 }]],
    ['a: &x { b: [1] }\nc: *x\n', [{ a: { b: [1] }, c: { b: [1] } }]],
    ['a: &x 1\nb: *x\nc: &x 2\nd: *x\n', [{ a: 1, b: 1, c: 2, d: 2 }]],
    ['&k a: 1\nb: *k\n', [{ a: 1, b: 'a' }]],
    ['<<: { a: 1 }\n', [{ '<<': { a: 1 } }]],
  ])('%j', (text, values) => expect(plain(text)).toEqual(values))

  test('and a name that every object has is a key like any other', () => {
    const [value] = plain('{ __proto__: { x: 1 }, constructor: 2 }')
    expect(Object.entries(value as object)).toEqual([
      ['__proto__', { x: 1 }],
      ['constructor', 2],
    ])
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
  })

  test('and an anchor of one document is none of the next', () => {
    expect(complaint(() => plain('a: &x 1\n---\nb: *x\n'))).toMatch(/^a\.yaml:3:4: this alias has no anchor/)
  })
})

describe('a key twice names both lines', () => {
  test.each([
    ['a: 1\nb: 2\na: 3\n', 'a.yaml:3:1: the document has the key "a" twice, first in line 1; keep one'],
    ['x:\n  - { a: 1,\n     "a": 3 }\n', 'a.yaml:3:6: x[0] has the key "a" twice, first in line 2; keep one'],
    ['x: { __proto__: 1, __proto__: 2 }\n', 'a.yaml:1:20: x has the key "__proto__" twice, first in line 1; keep one'],
  ])('%j', (text, said) => expect(complaint(() => plain(text))).toBe(said))
})

describe('bombs are refused with their place', () => {
  const power = (levels: number) =>
    ['a0: &a0 [x, x, x, x, x, x, x, x, x]']
      .concat(Array.from({ length: levels }, (_, i) => `a${i + 1}: &a${i + 1} [${Array(9).fill(`*a${i}`).join(', ')}]`))
      .join('\n')
  const chain = (links: number, brackets: number) =>
    ['a0: &a0 x']
      .concat(
        Array.from(
          { length: links },
          (_, i) => `a${i + 1}: &a${i + 1} ${'['.repeat(brackets)}*a${i}${']'.repeat(brackets)}`,
        ),
      )
      .join('\n')
  const steps = Array.from({ length: 40 }, (_, i) => `${' '.repeat(i)}a:`).join('\n')

  test.each<[string, string, string]>([
    ['a tower of 5 000 brackets', `a: ${'['.repeat(5000)}${']'.repeat(5000)}`, '1:36: collections are nested too'],
    ['5 000 braces', `a: ${'{ a: '.repeat(5000)}`, '1:164: collections are nested too deeply'],
    ['5 000 dashes', '- '.repeat(5000), '1:65: collections are nested too deeply'],
    ['1 000 steps', Array.from({ length: 1000 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'), '130:130: the line is'],
    ['40 steps', steps, '33:33: collections are nested too deeply'],
    ['aliases of aliases', power(8), '5:10: aliases repeat more than 10000 values up to here'],
    ['a chain of aliases, each deeper', chain(30, 10), '5:19: collections are nested too deeply'],
    ['101 aliases', `a: &a x\nb: [${'*a, '.repeat(101)}]`, '2:405: at most 100 aliases'],
    ['an alias inside of its anchor', 'a: &a [1, *a]', '1:11: this alias is inside of what it repeats'],
    ['4 097 documents', '--- x\n'.repeat(4097), '4097:1: at most 4096 documents'],
    ['4 097 ends of documents', 'x\n...\n'.repeat(4097), '8194:1: at most 4096 documents'],
    ['a megabyte and more', `# ${'x'.repeat(1 << 20)}`, '1:1: the file has 1048578 bytes'],
    ['no YAML', 'a:\n  - "b\n', '3:1: this is not valid YAML'],
    ['an unknown tag', 'a: !!python/object x', '1:4: this is not valid YAML'],
  ])('%s', (_, text, said) => expect(complaint(() => documents(text))).toContain(`a.yaml:${said}`))

  test('and each limit may be set', () => {
    const limits = { ...YAML_LIMITS, repeated: 2, documents: 1, depth: 2 }
    expect(plain('[&a x, *a, *a]', limits)).toEqual([['x', 'x', 'x']])
    expect(complaint(() => plain('[&a x, *a, *a, *a]', limits))).toContain('1:16: aliases repeat more than 2 values')
    expect(complaint(() => plain('--- 1\n--- 2\n', limits))).toContain('2:1: at most 1 documents')
    expect(plain('[[x]]', limits)).toEqual([[['x']]])
    expect(complaint(() => plain('a:\n  b:\n    c: 1\n', limits))).toContain('3:5: collections are nested too deeply')
  })
})

describe('work grows with the text, not with its square', () => {
  const value = Symbol('value')
  afterEach(() => {
    Reflect.deleteProperty(Scalar.prototype, 'value')
  })

  /** How often the value of a scalar is looked at: comparing each key with each other key does it twice a pair. */
  function looks(text: string): number {
    let count = 0
    // Scalars then keep their value under a symbol, because the constructor assigns to what the prototype answers.
    Object.defineProperty(Scalar.prototype, 'value', {
      configurable: true,
      get(this: Record<symbol, unknown>) {
        count++
        return this[value]
      },
      set(this: Record<symbol, unknown>, to: unknown) {
        this[value] = to
      },
    })
    plain(text)
    return count
  }

  test.each<[string, (key: number) => string]>([
    ['keys', key => `k${key}: 1\n`],
    ['keys of a flow mapping', key => `${key === 0 ? '{ ' : ''}k${key}: 1,${key % 100 === 99 ? '\n' : ''}`],
    ['entries of a list', key => `- k${key}\n`],
  ])('%s', (_, line) => {
    const text = (count: number) => {
      const lines = Array.from({ length: count }, (_, key) => line(key)).join('')
      return lines.startsWith('{') ? `${lines}}` : lines
    }
    const base = looks(text(100))
    expect(base).toBeGreaterThanOrEqual(100)
    expect(looks(text(40_000))).toBeLessThanOrEqual(base * 400)
  })

  test('40 000 distinct keys are all there', () => {
    const text = Array.from({ length: 40_000 }, (_, i) => `k${i}: ${i}\n`).join('')
    const [read] = plain(text)
    expect(Object.keys(read as object)).toHaveLength(40_000)
    expect(complaint(() => plain(`${text}k7: 1\n`))).toContain('a.yaml:40001:1: the document has the key "k7" twice')
  })
})

describe('a schema judges with the place', () => {
  const schema = z.strictObject({ list: z.array(z.strictObject({ n: z.int().max(9) })).default([]) })
  const judge = (text: string) => documents(text).map(value => readBy(schema, value))

  test.each([
    ['[]', '1:1: the document: '],
    ['lists: []\n', '1:1: lists: unknown key; look for a typing error'],
    ['list:\n  - n: 1\n  - n: 10\n', '3:8: list.1.n: '],
    ['list:\n  - n: 1\n  - n: 1\n    m: 2\n', '4:5: list.1.m: unknown key'],
    ['list:\n  - n: 1\n  - {}\n', '3:5: list.1.n: '],
    ['list: [{ n: x }, { n: y }]\n', '1:13: list.0.n: '],
    ['list: [&a { n: 10 }, *a]\n', '1:16: list.0.n: '],
  ])('%j', (text, said) => expect(complaint(() => judge(text))).toContain(`a.yaml:${said}`))

  test('and says how many errors there are', () => {
    expect(complaint(() => judge('list: [{ n: x }, { n: y }]\n'))).toMatch(/\(and 1 more\)$/)
    expect(judge('list: [{ n: 9 }]\n')).toEqual([{ list: [{ n: 9 }] }])
  })
})
