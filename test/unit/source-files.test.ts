import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join, resolve, sep } from 'node:path'
import { describe, expect, test } from 'vitest'

const ROOT = resolve(import.meta.dirname, '../..')
const MAX_LINES = 400
const VAGUE = /(^|[/.-])(utils?|helpers?|common|misc|shared|stuff)([/.-]|$)/i

const files = (folder: string) =>
  (existsSync(join(ROOT, folder)) ? readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }) : [])
    .map(path => join(folder, path).split(sep).join('/'))
    .filter(path => /\.(ts|mjs|mts)$/.test(path))

const product = [...files('src'), ...files('simulator'), ...files('tools')]
const all = [...product, ...files('test')]

/** The rules of one file, told as sentences; none when it keeps to them. */
function broken(path: string, text: string): string[] {
  const found: string[] = []
  const lines = text.split('\n').length - 1
  const isProduct = !path.startsWith('test/')
  if (isProduct && lines > MAX_LINES) found.push(`has ${lines} lines: split it, ${MAX_LINES} is the limit`)
  if (VAGUE.test(path)) found.push('has a name that says nothing: name it after what it holds')
  if (/^index\./.test(basename(path))) found.push('is a barrel: import from the file that holds it')
  if (!/^[a-z0-9]+(-[a-z0-9]+)*(\.(test|d|config))*\.(ts|mjs|mts)$/.test(basename(path)))
    found.push('is not named in-kebab-case')
  if (/^export default /m.test(text) && isProduct) found.push('has a default export: give it a name')
  if (/^export \* from/m.test(text)) found.push('re-exports everything of another file: import from that file')
  if (/@ts-(ignore|nocheck)/.test(text)) found.push('silences the compiler')
  if (/\b(TO{1}DO|FIX{1}ME)\b/.test(text)) found.push('leaves work behind: do it, or open an issue')
  if (/\b(it|test|describe)\.(skip|only|todo)\(/.test(text)) found.push('skips tests or runs only some')
  return found
}

describe('source files', () => {
  test.each(all)('%s', path => {
    expect(broken(path, readFileSync(join(ROOT, path), 'utf8'))).toEqual([])
  })
})

describe('each rule can fail', () => {
  test.each([
    ['src/bus/router.ts', 'x\n'.repeat(401), /401 lines/],
    ['src/bus/utils.ts', '', /says nothing/],
    ['src/helpers/router.ts', '', /says nothing/],
    ['src/bus/topic-util.ts', '', /says nothing/],
    ['src/bus/index.ts', '', /barrel/],
    ['src/bus/messageRouter.ts', '', /kebab/],
    ['src/bus/router.ts', `export ${'default'} 1`, /default export/],
    ['src/bus/router.ts', `export ${'*'} from './trie.ts'`, /re-exports/],
    ['src/bus/router.ts', `// ${'TO'}${'DO'}: later`, /leaves work/],
    ['test/unit/bus/router.test.ts', `test.${'skip'}('x')`, /skips/],
  ])('%s', (path, text, sentence) => {
    expect(broken(path, text).join()).toMatch(sentence)
  })

  test('a file that keeps to them is silent', () => {
    expect(broken('src/bus/router.ts', 'export const a = 1\n')).toEqual([])
  })
})
