import { createHash } from 'node:crypto'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ADDRESS_WORDS, BATCH, findUdpAddon, OUTGOING, PLACE, RECEIVED, SENT } from '../../../src/coap/udp-addon.ts'

const ROOT = resolve(import.meta.dirname, '../../..')
const MACHINE = `${process.platform}-${process.arch}`

test('both sides lay out their memory alike', () => {
  const header = readFileSync(join(ROOT, 'native/udp/limits.h'), 'utf8')
  const constant = (name: string) => new RegExp(`${name} = ([^;]+);`).exec(header)?.[1]
  expect(constant('kBatch')).toBe(String(BATCH))
  expect(constant('kAddressWords')).toBe(String(ADDRESS_WORDS))
  expect(constant('kPlaceWords')).toBe('2 + 2 * kAddressWords')
  expect(constant('kReceivedWords')).toBe('2 + kPlaceWords')
  expect(constant('kSentWords')).toBe('1 + kPlaceWords')
  expect(PLACE).toEqual({ words: 2 + 2 * ADDRESS_WORDS, port: 0, scope: 1, peer: 2, own: 2 + ADDRESS_WORDS })
  expect(RECEIVED.words).toBe(2 + PLACE.words)
  expect(SENT.words).toBe(1 + PLACE.words)
  expect(constant('kUsed')).toBe(String(OUTGOING.used))
  expect(constant('kRefused')).toBe(String(OUTGOING.refused))
  expect(constant('kPreludeWords')).toBe(String(OUTGOING.prelude))
})

test.runIf(process.platform === 'linux')('the one that was built here is found, unless it is not wanted', () => {
  expect(findUdpAddon(ROOT)?.Socket).toBeTypeOf('function')
  expect(findUdpAddon(ROOT, 'none')).toBeNull()
})

describe('below another root', () => {
  let root: string
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'latchkey-udp-'))
    writeFileSync(join(root, 'package.json'), '{}')
  })
  afterEach(() => rmSync(root, { recursive: true, force: true }))

  test('without any there is none, and none that can not be loaded is', () => {
    expect(findUdpAddon(root)).toBeNull()
    mkdirSync(join(root, 'native/udp/build'), { recursive: true })
    writeFileSync(join(root, 'native/udp/build/udp.node'), 'no binary')
    expect(findUdpAddon(root)).toBeNull()
  })

  test('one that is asked for by name must be there', () => {
    expect(() => findUdpAddon(root, join(root, 'none.node'))).toThrow(/none\.node/)
  })

  test.runIf(process.platform === 'linux')('a prebuilt one is loaded when it is the recorded one', () => {
    const built = join(ROOT, 'native/udp/build/udp.node')
    mkdirSync(join(root, 'prebuilds', MACHINE), { recursive: true })
    copyFileSync(built, join(root, 'prebuilds', MACHINE, 'udp.node'))
    const record = (digest: string) =>
      writeFileSync(join(root, 'prebuilds/hashes.json'), JSON.stringify({ [`${MACHINE}/udp`]: digest }))
    record('another')
    expect(findUdpAddon(root)).toBeNull()
    record(createHash('sha256').update(readFileSync(built)).digest('hex'))
    expect(findUdpAddon(root)?.Socket).toBeTypeOf('function')
  })
})
