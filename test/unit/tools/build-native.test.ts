// tools/build-native.mjs in a checkout of its own, with a small addon in place of the real one.
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { addonPath, isNativeFresh, isNativeSettled, nativeHash } from '../../../tools/build-native.mjs'

const ROOT = resolve(import.meta.dirname, '../../..')
const MACHINE = `${process.platform}-${process.arch}`
const SOURCE = `
#include <node_api.h>
static napi_value init(napi_env env, napi_value exports) {
  napi_value answer;
  napi_create_int32(env, 42, &answer);
  napi_set_named_property(env, exports, "answer", answer);
  return exports;
}
NAPI_MODULE(NODE_GYP_MODULE_NAME, init)
`

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'latchkey-native-'))
  await write('native/dtls/binding.gyp', '{ "targets": [{ "target_name": "dtls", "sources": ["addon.cc"] }] }')
  await write('native/dtls/addon.cc', SOURCE)
  await mkdir(join(root, 'tools'))
  await copyFile(join(ROOT, 'tools/build-native.mjs'), join(root, 'tools/build-native.mjs'))
})
afterEach(() => rm(root, { recursive: true }))

async function write(path: string, text: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true })
  await writeFile(join(root, path), text)
}

/** As npm runs it, with these arguments; `env` on top of what is there. */
function build(env: Record<string, string> = {}, args: string[] = []): Promise<{ code: number; stderr: string }> {
  const { DTLS_REQUIRED: _, ...inherited } = process.env
  return new Promise(done => {
    const program = join(root, 'tools/build-native.mjs')
    execFile(process.execPath, [program, ...args], { env: { ...inherited, ...env } }, (error, _stdout, stderr) => {
      done({ code: typeof error?.code === 'number' ? error.code : 0, stderr })
    })
  })
}

test('builds an addon that loads, leaves it alone, and builds it anew when a source has changed', async () => {
  expect(await build()).toEqual({ code: 0, stderr: '' })
  expect(createRequire(import.meta.url)(addonPath(root)).answer).toBe(42)
  expect(isNativeFresh(root)).toBe(true)
  const before = (await stat(addonPath(root))).mtimeMs
  await build()
  expect((await stat(addonPath(root))).mtimeMs).toBe(before)
  await write('native/dtls/addon.cc', SOURCE.replace('42', '43'))
  expect(isNativeFresh(root)).toBe(false)
  await build()
  expect((await stat(addonPath(root))).mtimeMs).toBeGreaterThan(before)
  expect(await readdir(join(root, '.latchkey')), 'the folder it worked in is gone').toEqual([])
})

test.each<[string, () => Promise<Record<string, string>>, RegExp]>([
  [
    'without a compiler',
    async () => {
      await mkdir(join(root, 'nothing'))
      return { PATH: join(root, 'nothing') }
    },
    /python|make|compiler/i,
  ],
  [
    'with sources that do not compile',
    async () => {
      await write('native/dtls/addon.cc', '#error "out of order"')
      return {}
    },
    /out of order/,
  ],
])('%s everything else is installed, and what is missing is told', async (_name, prepare, reason) => {
  const env = await prepare()
  const { code, stderr } = await build(env)
  expect(code).toBe(0)
  expect(stderr).toContain('coaps will not be available')
  expect(stderr).toMatch(reason)
  expect(isNativeFresh(root)).toBe(false)
  expect(isNativeSettled(root), 'it is not tried again at every start').toBe(true)
  expect((await build({ ...env, DTLS_REQUIRED: '1' })).code).toBe(1)
})

test.runIf(process.platform === 'linux')(
  'each addon is built apart: without that for UDP nothing is amiss',
  async () => {
    await write('native/udp/binding.gyp', '{ "targets": [{ "target_name": "udp", "sources": ["addon.cc"] }] }')
    await write('native/udp/addon.cc', '#error "out of order"')
    const { code, stderr } = await build({ DTLS_REQUIRED: '1' })
    expect(code).toBe(0)
    expect(stderr).toContain('each datagram costs a system call')
    expect(stderr).not.toContain('coaps')
    expect([isNativeFresh(root, 'dtls'), isNativeFresh(root, 'udp')]).toEqual([true, false])
    expect(isNativeSettled(root)).toBe(true)
    await write('native/udp/addon.cc', SOURCE)
    expect(isNativeSettled(root)).toBe(false)
    expect(await build()).toEqual({ code: 0, stderr: '' })
    expect(createRequire(import.meta.url)(addonPath(root, 'udp')).answer).toBe(42)
  },
)

test('a prebuilt one that is the recorded one saves the building', async () => {
  const hash = nativeHash(root)
  await write(`prebuilds/${MACHINE}/dtls.node`, 'prebuilt')
  const recorded = createHash('sha256').update('prebuilt').digest('hex')
  await write('prebuilds/hashes.json', JSON.stringify({ [MACHINE]: recorded }))
  expect(isNativeSettled(root)).toBe(true)
  await build()
  expect(isNativeFresh(root)).toBe(false)
  expect(nativeHash(root)).toBe(hash)
  await write('prebuilds/hashes.json', JSON.stringify({ [MACHINE]: 'another' }))
  expect(isNativeSettled(root)).toBe(false)
})

test('--prebuild puts what was built where a machine without a compiler finds it, beside what others recorded', async () => {
  await write('prebuilds/hashes.json', JSON.stringify({ 'plan9-vax': 'another' }))
  expect(await build({}, ['--prebuild'])).toEqual({ code: 0, stderr: '' })
  const made = await readFile(join(root, 'prebuilds', MACHINE, 'dtls.node'))
  const digest = createHash('sha256').update(made).digest('hex')
  const recorded = JSON.parse(await readFile(join(root, 'prebuilds/hashes.json'), 'utf8'))
  expect(recorded).toEqual({ 'plan9-vax': 'another', [MACHINE]: digest })
  expect(createRequire(import.meta.url)(join(root, 'prebuilds', MACHINE, 'dtls.node')).answer).toBe(42)
  await rm(join(root, 'native/dtls/build'), { recursive: true })
  expect(isNativeSettled(root)).toBe(true)
  // Who builds for himself is not content with what came along once his sources have changed.
  await write('native/dtls/addon.cc', SOURCE.replace('42', '43'))
  await mkdir(join(root, 'native/dtls/build'))
  await writeFile(addonPath(root), 'of the old sources')
  expect(isNativeSettled(root)).toBe(false)
})
