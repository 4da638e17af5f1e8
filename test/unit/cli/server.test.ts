import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Misuse } from '../../../src/cli/misuse.ts'
import { Options } from '../../../src/cli/options.ts'
import { findServer, readOperatorFile } from '../../../src/cli/server.ts'

let data: string
const operator = { url: 'https://localhost:1', token: 'lk_api_start', ca: 'PEM', pid: process.pid }
/** No process has it: the largest number that Linux gives out is 2^22. */
const NOBODY = 2 ** 22 + 1

beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), 'latchkey-cli-'))
})
afterEach(() => rm(data, { recursive: true }))

const writeOperator = (content: unknown) =>
  writeFile(join(data, 'operator.json'), typeof content === 'string' ? content : JSON.stringify(content))

const find = (values: Record<string, string>, environment: Record<string, string> = {}, withToken = true) =>
  findServer(new Options(values), { environment }, { withToken })

test('a running broker is found by its data directory', async () => {
  await writeOperator(operator)
  expect(await find({ data })).toMatchObject({ url: operator.url, token: operator.token, ca: 'PEM' })
  expect(await find({}, { LATCHKEY_DATA: data })).toMatchObject({ url: operator.url })
})

test('flags win over the environment, the environment over the data directory', async () => {
  await writeOperator(operator)
  const environment = { LATCHKEY_URL: 'https://b:1', LATCHKEY_TOKEN: 'from-environment', LATCHKEY_DATA: data }
  expect(await find({ url: 'https://a:1', token: 'from-flag' }, environment)).toMatchObject({
    url: 'https://a:1',
    token: 'from-flag',
  })
  expect(await find({}, environment)).toMatchObject({ url: 'https://b:1', token: 'from-environment' })
  expect(await find({ data, token: 'other' })).toMatchObject({ url: operator.url, token: 'other' })
})

test('a public call takes no token along', async () => {
  await writeOperator(operator)
  expect(await find({ data }, { LATCHKEY_TOKEN: 'x' }, false)).toMatchObject({ url: operator.url, token: undefined })
  expect(await find({ url: 'https://a:1' }, {}, false)).toEqual({ url: 'https://a:1', token: undefined, ca: undefined })
})

test('the root certificate comes from a file', async () => {
  await writeFile(join(data, 'ca.crt'), 'ROOT')
  expect(await find({ url: 'https://a:1', ca: join(data, 'ca.crt') }, {}, false)).toMatchObject({ ca: 'ROOT' })
  await expect(find({ url: 'https://a:1', ca: join(data, 'gone') }, {}, false)).rejects.toThrow(
    /--ca .* cannot be read/,
  )
})

test.each<[string, unknown, RegExp]>([
  ['no broker', null, /no broker runs/],
  ['a killed broker', { ...operator, pid: NOBODY }, /ended without tidying up/],
  ['a damaged file', '{"url":', /damaged/],
  ['a file of something else', { url: 1 }, /damaged/],
])('%s is told with what to do', async (_, content, sentence) => {
  if (content !== null) await writeOperator(content)
  const refusal = readOperatorFile(data)
  await expect(refusal).rejects.toThrow(sentence)
  await expect(refusal).rejects.toMatchObject({ code: 'unreachable', advice: expect.stringMatching(/Start|Restart/) })
})

test('an address without a token, and a token in the clear, are misuse', async () => {
  await expect(find({ url: 'https://a:1' })).rejects.toThrow(Misuse)
  await expect(find({ url: 'https://a:1' })).rejects.toThrow(/LATCHKEY_TOKEN/)
  await expect(find({ url: 'localhost:8443' })).rejects.toThrow(/whole address/)
})
