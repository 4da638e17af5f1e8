import { spawn } from 'node:child_process'
import { randomBytes, randomInt } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Audit } from '../../src/audit/audit.ts'
import { silentLog } from '../../src/model/log.ts'
import { silentMeter } from '../../src/model/meter.ts'
import { openDataDirectory } from '../../src/store/data-directory.ts'
import { LevelStore } from '../../src/store/level-store.ts'
import { environmentKey } from '../../src/vault/key-encryption-key.ts'
import { Vault } from '../../src/vault/vault.ts'
import { transpile } from './transpiled.ts'

const CHILD = join(dirname(fileURLToPath(import.meta.url)), 'store-crash-child.ts')
const random = { bytes: randomBytes }
const clock = { now: Date.now }
const kek = randomBytes(32).toString('base64')
const SEED = Number(process.env.LATCHKEY_TEST_SEED ?? randomInt(2 ** 31))

let base: string
let program: string

beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'latchkey-crash-'))
  program = await transpile(CHILD, join(base, 'program'))
})

afterAll(() => rm(base, { recursive: true, force: true }))

/** mulberry32: a number in [0, 1) from a seed. */
function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

interface End {
  /** `before:7` or `after:7`: the writer kills itself around its seventh write. */
  readonly fault?: string
  /** Killed when it has said so many lines, or has lived so long. */
  readonly lines?: number
  readonly milliseconds?: number
  /** No file may grow beyond so many blocks: what a full disk looks like. */
  readonly blocks?: number
}

async function runWriter(directory: string, round: number, end: End) {
  const writer = [process.execPath, program, directory, kek, String(round), end.fault ?? 'none']
  const limited =
    end.blocks === undefined ? writer : ['/bin/sh', '-c', `ulimit -f ${end.blocks}; exec "$0" "$@"`, ...writer]
  const child = spawn(limited[0] ?? '', limited.slice(1), { stdio: ['pipe', 'pipe', 'pipe'] })
  const closed = once(child, 'close')
  let text = ''
  let lines = 0
  let complaint = ''
  child.stderr.setEncoding('utf8').on('data', (piece: string) => {
    complaint += piece
  })
  child.stdout.setEncoding('utf8').on('data', (piece: string) => {
    text += piece
    for (const character of piece) if (character === '\n') lines++
    if (lines >= (end.lines ?? Number.POSITIVE_INFINITY)) child.kill('SIGKILL')
  })
  const timer = end.milliseconds === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), end.milliseconds)
  const [code, signal] = await closed
  clearTimeout(timer)
  // The last piece is empty, or a line that was cut off and so acknowledges nothing.
  return { said: text.split('\n').slice(0, -1), code, signal, complaint }
}

/** Resolves with what the writer said. */
async function runUntilKilled(directory: string, round: number, end: End): Promise<string[]> {
  const { said, code, signal, complaint } = await runWriter(directory, round, end)
  if (signal !== 'SIGKILL') throw new Error(`the writer ended by itself with ${code}: ${complaint}`)
  return said
}

async function valuesOf(store: LevelStore, prefix: string): Promise<Map<string, string>> {
  const values = new Map<string, string>()
  for await (const { key, value } of store.list(prefix)) values.set(key.slice(prefix.length), value.toString())
  return values
}

/** Opens what the killed process left, and looks for anything lost or half there. */
async function inspect(directory: string, round: number, said: readonly string[]): Promise<{ accepted: number }> {
  const data = await openDataDirectory(directory, { random })
  const store = await LevelStore.open({ directory: data.databasePath, clock, meter: silentMeter, log: silentLog })
  const vault = await Vault.open({ store, kek: environmentKey(kek), random })
  const audit = await Audit.open({ store, vault, clock, meter: silentMeter })
  try {
    expect(audit.damage).toBeNull()
    const accepted = await valuesOf(store, `accepted/${round}/`)

    // Everything acknowledged is there, under its number.
    const sessions = new Set<string>()
    for (const line of said) {
      const [number = '', ...what] = line.split(' ')
      if (number === 'ready') continue
      if (number === '0') sessions.add(what[1] ?? '')
      else expect(accepted.get(number.padStart(8, '0'))).toBe(what.join(' '))
    }

    // What was accepted earlier is not missing when something later is there.
    expect([...accepted.keys()].map(Number)).toEqual(Array.from(accepted.keys(), (_, i) => i + 1))

    // No batch is half there, nothing is there twice.
    const whats = [...accepted.values()].map(what => what.split(' '))
    const of = (kind: string) => whats.filter(([first]) => first === kind).map(([, name = '']) => name)
    for (const durability of ['fsync', 'write']) {
      const prefix = `three/${durability}/${round}/`
      const names = of('three').filter(name => name.startsWith(prefix))
      const expected = names.sort().flatMap(name => ['a', 'b', 'c'].map(part => `${name.slice(prefix.length)}/${part}`))
      expect([...(await valuesOf(store, prefix)).keys()]).toEqual(expected)
    }
    const last = of('queue').at(-1)
    expect([...(await valuesOf(store, 'queue/')).keys()].filter(key => key.startsWith(`${round}/`))).toEqual(
      last === undefined ? [] : [last.slice('queue/'.length)],
    )

    // The trail is whole and says exactly what happened.
    const verification = await audit.verify()
    expect(verification).toMatchObject({ ok: true, reason: null })
    const trail = await audit.list({ limit: Number.POSITIVE_INFINITY })
    expect(trail).toHaveLength(verification.records)
    for (const name of ['shared', 'own']) {
      const value = Number(store.get(`counter/${name}`)?.value.toString() ?? 0)
      expect((await valuesOf(store, `raised/${name}/`)).size).toBe(value)
      const told = trail.flatMap(({ event }) =>
        event.type === 'change' && event.target === name ? [event.detail.value] : [],
      )
      expect(told).toEqual(Array.from({ length: value }, (_, i) => i + 1))
    }
    for (const { event } of trail) if (event.type === 'session-start') sessions.delete(event.session)
    expect([...sessions]).toEqual([])

    // It goes on.
    const actor = { kind: 'system', id: 'test' } as const
    await audit.commit([], [{ type: 'administration', what: 'inspected', actor, target: String(round), result: 'ok' }])
    expect(await audit.verify()).toMatchObject({ ok: true, records: verification.records + 1 })
    return { accepted: accepted.size }
  } finally {
    await audit.close()
    await store.close()
    await data.release()
    expect((await readdir(directory)).sort()).toEqual(['db', 'latchkey.json'])
  }
}

describe.skipIf(process.platform === 'win32')('kill -9', () => {
  test('at random points of 40 lives of one data directory: nothing acknowledged is lost', async () => {
    const next = generator(SEED)
    const directory = join(base, 'lives')
    let total = 0
    for (let round = 1; round <= 40; round++) {
      const lines = 2 + Math.floor(next() * 250)
      const said = await runUntilKilled(directory, round, { lines })
      try {
        total += (await inspect(directory, round, said)).accepted
      } catch (error) {
        throw new Error(`seed ${SEED}, round ${round}, killed after ${lines} lines`, { cause: error })
      }
    }
    console.log(`store crash: seed ${SEED}, 40 lives, ${total} batches found`)
    expect(total).toBeGreaterThan(40)
  })

  test('while it is being initialised: the next start succeeds', async () => {
    const next = generator(SEED + 1)
    for (let round = 1; round <= 12; round++) {
      const directory = join(base, `initial-${round}`)
      const milliseconds = 40 + Math.floor(next() * 120)
      const said = await runUntilKilled(directory, round, { milliseconds })
      try {
        await inspect(directory, round, said)
      } catch (error) {
        throw new Error(`seed ${SEED}, round ${round}, killed after ${milliseconds} ms`, { cause: error })
      }
    }
  })

  test.each(['before', 'after'])('%s each of the first 30 writes: nothing acknowledged is lost', async moment => {
    const one = async (number: number) => {
      const directory = join(base, `${moment}-${number}`)
      const said = await runUntilKilled(directory, 1, { fault: `${moment}:${number}` })
      try {
        return (await inspect(directory, 1, said)).accepted
      } catch (error) {
        throw new Error(`killed ${moment} write ${number}`, { cause: error })
      }
    }
    let total = 0
    for (let number = 1; number <= 30; number += 2) {
      // Both end before a failure is told: nothing is left running.
      for (const result of await Promise.allSettled([one(number), one(number + 1)])) {
        if (result.status === 'rejected') throw result.reason
        total += result.value
      }
    }
    expect(total).toBeGreaterThan(100)
  })
})

describe.skipIf(process.platform === 'win32')('a disk that is full', () => {
  test.each([100, 300, 1_000])('after %i blocks: store-failed, and nothing acknowledged is lost', async blocks => {
    const directory = join(base, `full-${blocks}`)
    const { said, code, complaint } = await runWriter(directory, 1, { blocks })
    expect({ code, complaint }).toEqual({ code: 1, complaint: expect.stringContaining("code: 'store-failed'") })
    expect((await inspect(directory, 1, said)).accepted).toBeGreaterThan(10)
  })
})
