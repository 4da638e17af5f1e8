import { expect, test } from 'vitest'
import { parsePolicy } from '../../../src/policy/parse-policy.ts'

// Each of these ends the process, or takes minutes, in a YAML parser without bounds.
test.each([
  ['sequences on one line', '- '.repeat(300_000), 'nested too deeply'],
  ['flow sequences', '['.repeat(900_000), 'nested too deeply'],
  ['flow mappings', '{a: '.repeat(200_000), 'nested too deeply'],
  ['compact mappings', 'a: '.repeat(200_000), 'nested too deeply'],
  ['explicit keys', '? '.repeat(300_000), 'nested too deeply'],
  ['deep indentation', Array.from({ length: 1_000 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'), 'nested too deeply'],
  ['more bytes than are read', `version: 1 #${'x'.repeat(1_048_576)}`, 'at most 1048576 are read'],
  ['two-byte characters', `version: 1 #${'ä'.repeat(524_288)}`, 'at most 1048576 are read'],
  ['many aliases', `version: 1\nroles: [&a x, ${'*a, '.repeat(101)}]`, 'at most 100 aliases'],
  ['many tags', `version: 1\nroles: ${'!a '.repeat(30_000)}`, 'not valid YAML'],
  ['many anchors', `version: 1\nroles: ${'&a '.repeat(30_000)}`, 'not valid YAML'],
  ['many keys', `version: 1\n${Array.from({ length: 20_000 }, (_, i) => `k${i}: 1\n`).join('')}`, 'unknown key "k0"'],
  ['many tests', `version: 1\ntests:\n${'  - x\n'.repeat(5_001)}`, 'may hold 5000 tests and this one has 5001'],
  [
    'many patterns',
    `version: 1\nroles: { r: { permit: [{ id: a, publish: [${'a,'.repeat(50_001)}] }] } }`,
    'may hold 50000',
  ],
])('refused in a moment: %s', (_, text, message) => {
  expect(() => parsePolicy(text, 'bomb.yaml')).toThrow(
    expect.objectContaining({ code: 'invalid-policy', message: expect.stringContaining(message) }),
  )
})

test('aliases within the bound are followed', () => {
  const text = `version: 1
roles:
  r:
    permit:
      - { id: a, publish: "a", when: &local { network: 10.0.0.0/8 } }
      - { id: b, publish: "b", when: *local }
`
  expect(parsePolicy(text, 'p.yaml').roles[0]?.rules[1]?.when?.network).toHaveLength(1)
})

test('an alias inside of its own anchor ends in an error, not in a loop', () => {
  expect(() => parsePolicy('version: 1\nroles: &r\n  a:\n    permit: *r\n', 'p.yaml')).toThrow('would never end')
})
