import { createHash } from 'node:crypto'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { findAddon } from '../../../src/dtls/load-addon.ts'
import { Failure } from '../../../src/model/failure.ts'

const ROOT = resolve(import.meta.dirname, '../../..')
const BUILT = join(ROOT, 'native/dtls/build/dtls.node')
const MACHINE = `${process.platform}-${process.arch}`

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'latchkey-addon-'))
  writeFileSync(join(root, 'package.json'), '{}')
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

function failure(override?: string): Failure {
  try {
    findAddon(root, override)
  } catch (error) {
    if (error instanceof Failure) return error
    throw error
  }
  throw new Error('it was found')
}

function addPrebuilt(bytes: Buffer, recorded: string): void {
  mkdirSync(join(root, 'prebuilds', MACHINE), { recursive: true })
  writeFileSync(join(root, 'prebuilds', MACHINE, 'dtls.node'), bytes)
  writeFileSync(join(root, 'prebuilds/hashes.json'), JSON.stringify({ [MACHINE]: recorded }))
}

const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

test('the one that was built here is found', () => {
  expect(findAddon(ROOT).openssl).toMatch(/^OpenSSL 3\./)
})

test('without any, the failure says what is missing and what to do', () => {
  const { code, message } = failure()
  expect(code).toBe('dtls-unavailable')
  expect(message).toContain('dtls.node is not there')
  expect(message).toContain(`no prebuilt one for ${MACHINE}`)
  expect(message).toContain('node tools/build-native.mjs')
})

test('one that can not be loaded is told with the reason', () => {
  mkdirSync(join(root, 'native/dtls/build'), { recursive: true })
  writeFileSync(join(root, 'native/dtls/build/dtls.node'), 'no binary')
  expect(failure().message).toMatch(/dtls\.node: .+/)
})

test('a prebuilt one is loaded when it is the recorded one', () => {
  const bytes = readFileSync(BUILT)
  addPrebuilt(bytes, digest(bytes))
  expect(findAddon(root).Context).toBeTypeOf('function')
})

test('a prebuilt one that is another than recorded is not touched', () => {
  addPrebuilt(readFileSync(BUILT), digest(Buffer.from('another')))
  expect(failure().message).toContain('is not the one recorded')
})

test('another binary may be named, and then there is no other', () => {
  copyFileSync(BUILT, join(root, 'other.node'))
  expect(findAddon(root, join(root, 'other.node')).openssl).toMatch(/^OpenSSL 3\./)
  expect(failure(join(root, 'none.node')).message).not.toContain('prebuilt')
})
