import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { latchkey } from './run-command.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'latchkey-policy-'))
  await mkdir(join(folder, 'types'))
  await writeFile(join(folder, 'types/kettle.yaml'), 'kind: device-type\nid: kettle\n')
})
afterEach(() => rm(folder, { recursive: true }))

const write = (name: string, text: string) => writeFile(join(folder, name), text)
const GOOD = `version: 1
roles:
  kettle:
    permit:
      - { id: report, publish: "home/\${device.room}/kettle" }
assign:
  - { type: kettle, roles: [kettle] }
tests:
  - { device: { type: kettle, id: k1, room: kitchen }, publish: "home/kitchen/kettle", expect: allow }
  - { device: { type: kettle, id: k1, room: kitchen }, publish: "home/attic/kettle", expect: deny }
`

test('check reads a folder, and leaves its manifests to apply', async () => {
  await write('policy.yaml', GOOD)
  const { exitCode, stdout, stderr } = await latchkey(['policy', 'check', folder])
  expect(stdout).toContain('1 policy file in order, 0 remarks')
  expect(stderr).toContain(`next: latchkey policy test ${folder}`)
  expect(exitCode).toBe(0)
})

test('check tells file, line and column of an error', async () => {
  await write('policy.yaml', GOOD.replace(/publish: "home.*kettle" }/, 'publish: home/#/x }'))
  const { exitCode, stderr } = await latchkey(['policy', 'check', folder])
  expect(exitCode).toBe(1)
  expect(stderr).toMatch(/policy\.yaml:5:\d+/)
  expect(stderr).toContain('(invalid-policy)')
})

test('check tells what looks unintended, and is content with it', async () => {
  await write('policy.yaml', GOOD.replace(/home.*kettle" }/, '#" }').replace(/tests:[\s\S]*/, ''))
  const { exitCode, stdout } = await latchkey(['policy', 'check', folder, '--json'])
  expect(exitCode).toBe(0)
  const { findings } = JSON.parse(stdout)
  expect(findings).toContainEqual(
    expect.objectContaining({
      severity: 'warning',
      code: 'everything',
      location: expect.objectContaining({ line: 5 }),
    }),
  )
})

test('test runs the tests inside the files', async () => {
  await write('policy.yaml', GOOD)
  const { exitCode, stdout } = await latchkey(['policy', 'test', folder])
  expect(stdout).toContain('2 passed, 0 failed')
  expect(exitCode).toBe(0)
})

test('a failed test is exit code 1, with its place and what came out', async () => {
  await write('policy.yaml', GOOD.replace('expect: deny', 'expect: allow'))
  const { exitCode, stdout } = await latchkey(['policy', 'test', folder])
  expect(exitCode).toBe(1)
  expect(stdout).toMatch(/FAILED {2}k1 publish home\/attic\/kettle: allow\n\s+\S*policy\.yaml:10/)
  expect(stdout).toContain('1 passed, 1 failed')
})

test.each([
  [[], /missing required argument 'files'/],
  [['gone.yaml'], /gone\.yaml does not exist/],
  [['--json', 'gone.yaml'], /does not exist/],
])('check %j is misuse', async (words, sentence) => {
  const { exitCode, stderr } = await latchkey(['policy', 'check', ...words])
  expect(exitCode).toBe(2)
  expect(stderr).toMatch(sentence)
})

test('a folder without policies is misuse', async () => {
  const { exitCode, stderr } = await latchkey(['policy', 'check', folder])
  expect(exitCode).toBe(2)
  expect(stderr).toContain('no policy file')
})

test('devices that a test names by id come from the manifests beside the policy', async () => {
  await write('policy.yaml', `${GOOD}  - { device: k7, publish: "home/hall/kettle", expect: allow }\n`)
  expect(await latchkey(['policy', 'test', folder])).toMatchObject({ exitCode: 1 })
  await write('k7.yaml', 'kind: device\nid: k7\ntype: kettle\nattributes: { room: hall }\n')
  expect(await latchkey(['policy', 'test', folder])).toMatchObject({ exitCode: 0 })
})

test('the example home passes its own tests', async () => {
  const devices = join(import.meta.dirname, '../../../devices')
  const { exitCode, stdout } = await latchkey(['policy', 'test', devices])
  expect(stdout).toMatch(/\d\d passed, 0 failed/)
  expect(exitCode).toBe(0)
})
