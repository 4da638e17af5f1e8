import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import { FAILURES } from '../../src/model/failure.ts'
import { failuresPage } from '../../tools/failures.mjs'

test('docs/failures.md is what the catalogue says', () => {
  const page = readFileSync(resolve(import.meta.dirname, '../../docs/failures.md'), 'utf8')
  expect(page === failuresPage(FAILURES), 'docs/failures.md is stale: write it anew with `npm run docs`').toBe(true)
})

test('a change of the catalogue changes the page', () => {
  const row = { ...FAILURES['not-found'], advice: 'Look again | elsewhere.' }
  const page = failuresPage({ 'not-found': row })
  expect(page).toContain('one of these 1 codes')
  expect(page).toContain('| <a id="not-found"></a>`not-found` | 5 | 0x87 | 4.04 | 404 | invalid_request |')
  expect(page).toContain('Look again \\| elsewhere.')
})
