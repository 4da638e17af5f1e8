import { expect, test } from 'vitest'
import type { Call, CommandRow, Outcome } from '../../../src/cli/command.ts'
import { COMMANDS, NOUNS } from '../../../src/cli/commands.ts'
import { Misuse } from '../../../src/cli/misuse.ts'
import { runProgram } from '../../../src/cli/program.ts'
import { ApiError } from '../../../src/client/client.ts'
import { Failure } from '../../../src/model/failure.ts'
import { fakeTerminal } from './fake-terminal.ts'

const ALL = [
  ...COMMANDS.map(row => ({ path: [], row })),
  ...NOUNS.flatMap(n => n.commands.map(row => ({ path: [n.noun], row }))),
]
const named = ALL.map(({ path, row }) => ({ title: [...path, row.name.split(' ')[0]].join(' '), row }))

/** Runs a command line against the real table, or against one command of the test's own. */
async function latchkey(line: string, own?: Partial<CommandRow>) {
  const terminal = fakeTerminal()
  const row: CommandRow = { name: 'try', summary: 'try', reach: 'none', examples: [], run: async () => done, ...own }
  const shell = { terminal, version: '9.9.9', commands: own ? [row] : COMMANDS, nouns: own ? [] : NOUNS }
  const exitCode = await runProgram(line.split(' ').filter(Boolean), shell)
  return { exitCode, stdout: terminal.stdout.join('\n'), stderr: terminal.stderr.join('\n') }
}
const done: Outcome = { json: { a: 1 }, text: 'text', next: ['go on'], warnings: ['mind'] }

test('the stable surface is there', () => {
  expect([...COMMANDS.map(row => row.name.split(' ')[0]), ...NOUNS.map(row => row.noun)].sort()).toEqual([
    'apply',
    'audit',
    'ca',
    'client',
    'credential',
    'demo',
    'device',
    'doctor',
    'enrolment',
    'init',
    'policy',
    'serve',
    'token',
  ])
})

test.each(named)('$title: --help shows examples that are commands, and --json', async ({ title, row }) => {
  const { exitCode, stdout } = await latchkey(`${title} --help`)
  expect(exitCode).toBe(0)
  expect(stdout).toContain('--json')
  expect(row.examples.length).toBeGreaterThan(0)
  for (const [line, does] of row.examples) {
    expect(stdout).toContain(`  ${line}\n      ${does}`)
    expect(line).toContain(`latchkey ${title}`)
  }
})

/** The words of an example as the shell would hand them over; only those that are one plain command. */
const plain = named.flatMap(({ title, row }) =>
  row.examples.filter(([line]) => line.startsWith('latchkey ')).map(([line]) => ({ title, line })),
)

test.each(plain)('the example `$line` names options that exist', async ({ title, line }) => {
  const row = named.find(each => each.title === title)?.row
  const { stdout } = await latchkey(`${title} --help`)
  expect(row).toBeDefined()
  for (const option of line.match(/ --[a-z0-9-]+/g) ?? []) expect(stdout).toContain(option)
})

test.each([
  ['devcie list', /unknown command 'devcie'\n\(Did you mean device\?\)/],
  ['device lst', /\(Did you mean list\?\)/],
  ['device list --jsn', /unknown option '--jsn'\n\(Did you mean --json\?\)/],
  ['device show', /missing required argument 'id'/],
  ['device show a b', /too many arguments/],
  ['device', /Usage: latchkey device/],
  ['', /Usage: latchkey/],
])('`latchkey %s` is misuse and says what would be right', async (line, sentence) => {
  const { exitCode, stdout, stderr } = await latchkey(line)
  expect(exitCode).toBe(2)
  expect(stdout).toBe('')
  expect(stderr).toMatch(sentence)
})

test('--version', async () => {
  expect(await latchkey('--version')).toMatchObject({ exitCode: 0, stdout: '9.9.9' })
})

test('for people: the text, warnings and what to do next, the last two on stderr', async () => {
  expect(await latchkey('try', {})).toEqual({ exitCode: 0, stdout: 'text', stderr: 'warning: mind\nnext: go on' })
})

test('for scripts: one line of JSON; warnings stay on stderr', async () => {
  expect(await latchkey('try --json', {})).toEqual({ exitCode: 0, stdout: '{"a":1}', stderr: 'warning: mind' })
})

test('a finding is exit code 1 with its answer on stdout', async () => {
  expect(await latchkey('try --json', { run: async () => ({ json: [], text: '', exitCode: 1 }) })).toMatchObject({
    exitCode: 1,
    stdout: '[]',
  })
})

const location = { file: 'a.yaml', line: 3, column: 5 }
test.each<[string, Error, number, string]>([
  ['misuse', new Misuse('--ttl x: write a duration'), 2, 'latchkey: --ttl x: write a duration'],
  [
    'a refusal of the broker',
    new ApiError({ code: 'not-found', status: 404, detail: 'No device t9.', advice: 'List them.', requestId: 'r1' }),
    1,
    'latchkey: No device t9.\n  List them.\n  (not-found, request r1)',
  ],
  [
    'a failure with a place',
    new Failure('invalid-policy', 'unknown key', { location }),
    1,
    'latchkey: a.yaml:3:5: unknown key\n  Correct the file at the place named; the policy in force stays.\n  (invalid-policy)',
  ],
  [
    'a message that names another place of the same line',
    new Failure('invalid-policy', 'said already in a.yaml:3:51', { location }),
    1,
    'latchkey: a.yaml:3:5: said already in a.yaml:3:51',
  ],
  [
    'a failure that knows the file only',
    new Failure('invalid-configuration', 'it does not exist', { location: { file: 'a.yaml' } }),
    1,
    'latchkey: a.yaml: it does not exist',
  ],
  [
    'a refusal of the broker with a place',
    new ApiError({ code: 'invalid-policy', status: 400, detail: 'unknown key', location }),
    1,
    'latchkey: a.yaml:3:5: unknown key',
  ],
  [
    'a token that the broker does not know: it says no more than that, the hint does',
    new ApiError({ code: 'unauthenticated', status: 401, detail: 'Not authorized.' }),
    1,
    'latchkey: Not authorized.\n  The token or secret is wrong, spent, expired or revoked; on the broker `latchkey audit list`',
  ],
  ['what nobody foresaw', new TypeError('x is not a function'), 1, '(internal)'],
  ['control characters', new Failure('not-found', 'no \u001b[31mdevice'), 1, 'no \\u001b[31mdevice'],
])('%s', async (_, error, exitCode, text) => {
  const told = await latchkey('try', { run: () => Promise.reject(error) })
  expect(told).toMatchObject({ exitCode, stdout: '' })
  expect(told.stderr).toContain(text)
})

test('with --json an error is one object on stderr', async () => {
  const error = new ApiError({
    code: 'not-found',
    status: 404,
    detail: 'No device t9.',
    advice: 'List them.',
    requestId: 'r1',
  })
  const { exitCode, stdout, stderr } = await latchkey('try --json', { run: () => Promise.reject(error) })
  expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' })
  expect(JSON.parse(stderr)).toEqual({
    error: { code: 'not-found', message: 'No device t9.', advice: 'List them.', location: null, requestId: 'r1' },
  })
})

test('arguments and options reach the command', async () => {
  const calls: Call[] = []
  const run = async (call: Call) => {
    calls.push(call)
    return { json: undefined, text: '' }
  }
  const options = [{ flags: '--group <name>', text: 'group', repeat: true } as const]
  await latchkey('try a b --group x --group y --json', { name: 'try <files...>', options, run })
  expect(calls[0]?.words).toEqual(['a', 'b'])
  expect(calls[0]?.options.list('group')).toEqual(['x', 'y'])
  expect(calls[0]?.json).toBe(true)
})
