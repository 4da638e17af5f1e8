import fc from 'fast-check'
import { expect, test } from 'vitest'
import { canonicalJson } from '../../../src/audit/canonical-json.ts'

/** The plain definition: every name sorted, one by one. */
function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(sorted)
  const names = Object.keys(value).sort()
  return new Map(names.map(name => [name, sorted((value as Record<string, unknown>)[name])]))
}

function written(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(written).join(',')}]`
  if (!(value instanceof Map)) return JSON.stringify(value)
  return `{${[...value].map(([name, member]) => `${JSON.stringify(name)}:${written(member)}`).join(',')}}`
}

test('names are sorted by code units whatever order they came in, numbers among them', () => {
  const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 4 }), fc.constantFrom('10', '9', 'a', 'b', '"', 'é'))
  const leaf = fc.oneof(text, fc.integer(), fc.boolean(), fc.constant(null))
  const { value } = fc.letrec(tie => ({
    value: fc.oneof(
      { maxDepth: 3 },
      leaf,
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(text, tie('value'), { maxKeys: 5 }),
    ),
  }))
  fc.assert(
    fc.property(value, any => {
      expect(canonicalJson(any)).toBe(written(sorted(any)))
    }),
    { numRuns: 2_000 },
  )
})

test('members without a value are left out', () => {
  expect(canonicalJson({ a: 1, b: undefined, c: null })).toBe('{"a":1,"c":null}')
})
