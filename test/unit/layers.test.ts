import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { inspectLayers } from '../../tools/layers.mjs'
import { ROOMS, roomOf, roomTable, STRANGERS } from '../../tools/rooms.mjs'

const ROOT = resolve(import.meta.dirname, '../..')
const fixtures: string[] = []

afterAll(() => {
  for (const folder of fixtures) rmSync(folder, { recursive: true, force: true })
})

test('every import keeps to the room table, and every source file was looked at', async () => {
  const { files, violations } = await inspectLayers(ROOT)
  expect(violations.join('\n\n'), 'forbidden imports').toBe('')
  expect(files).toEqual(expect.arrayContaining(sourceFiles()))
})

/** What git tracks; outside a checkout, what lies there. */
function sourceFiles(): string[] {
  const tracked = existsSync(join(ROOT, '.git'))
    ? execFileSync('git', ['ls-files', '--', 'src', 'simulator'], { cwd: ROOT, encoding: 'utf8' }).split('\n')
    : ['src', 'simulator']
        .filter(folder => existsSync(join(ROOT, folder)))
        .flatMap(folder =>
          readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map(path => `${folder}/${path}`),
        )
  const found = tracked.filter(path => path.endsWith('.ts') && existsSync(join(ROOT, path)))
  expect(found.length, 'source files found').toBeGreaterThan(10)
  return found
}

test.each<[string, string, string, string]>([
  ['room-mqtt', 'src/mqtt/gate.ts', '../http/app.ts', 'a protocol imports another'],
  ['mqtt-meets-no-protocol', 'src/mqtt/gate.ts', '../http/app.ts', 'the second lock holds as well'],
  ['room-bus', 'src/bus/router.ts', '../mqtt/gate.ts', 'the bus knows a protocol'],
  ['room-model', 'src/model/topic.ts', '../policy/decide.ts', 'the words import a room'],
  ['room-auth', 'src/auth/authenticator.ts', '../store/level-store.ts', 'a room opens the database itself'],
  ['room-simulator', 'simulator/world.ts', '../src/registry/registry.ts', 'the simulator is no outsider'],
  ['room-simulator', 'simulator/world.ts', '../src/store/store.ts', 'the open port is not open to outsiders'],
  ['room-http', 'src/http/app.ts', '../../test/unit/tool.ts', 'the product imports a test'],
  ['pure-model', 'src/model/topic.ts', 'node:fs', 'the words do input and output'],
  ['pure-policy', 'src/policy/decide.ts', 'node:crypto', 'the policy is not pure'],
  ['only-mqtt-has-aedes', 'src/mqtt/gate.ts', 'aedes', 'a second file knows Aedes'],
  ['only-ca-has-node-forge', 'src/auth/authenticator.ts', 'node-forge', 'the toolbox reaches a verification path'],
  ['only-store-has-level', 'src/registry/registry.ts', 'level', 'a room goes round the port'],
  ['declared', 'src/mqtt/gate.ts', 'vitest', 'the product needs a development package'],
  ['acyclic', 'src/mqtt/gate.ts', './gate.ts', 'a file imports itself'],
  ['resolvable', 'src/mqtt/gate.ts', './absent.ts', 'an import leads to nothing'],
  ['in-a-room', 'src/attic/box.ts', '../model/topic.ts', 'a folder without a row'],
])('a planted import breaks %s: %s -> %s (%s)', async (rule, from, to) => {
  const { violations } = await inspectLayers(plant(from, to))
  const broken = violations.find(text => text.startsWith(`${rule}: `))
  expect(broken, violations.join('\n')).toBeDefined()
  expect(broken).toContain(from)
  if (rule !== 'in-a-room') expect(broken).toContain(`(${from}:1)`)
})

test('the planted tree without the bad import is clean', async () => {
  const { files, violations } = await inspectLayers(plant('src/mqtt/gate.ts', '../bus/router.ts'))
  expect(violations).toEqual([])
  expect(files).toContain('src/mqtt/gate.ts')
})

test('a forbidden import is told with the chain that leads to it', async () => {
  const root = plant('src/bus/router.ts', '../mqtt/frame.ts', {
    'src/broker.ts': "import './mqtt/gate.ts'",
    'src/mqtt/gate.ts': "import '../bus/router.ts'",
    'src/mqtt/frame.ts': '',
  })
  const { violations } = await inspectLayers(root)
  expect(violations.join()).toContain(
    ['src/broker.ts', 'src/mqtt/gate.ts', 'src/bus/router.ts', 'src/mqtt/frame.ts'].join('\n    -> '),
  )
})

test('an import of a type alone counts as well', async () => {
  const root = plant('src/model/topic.ts', './clock.ts', {
    'src/model/clock.ts': "import type { Policy } from '../policy/decide.ts'\nexport type A = Policy",
  })
  expect((await inspectLayers(root)).violations.join()).toContain('room-model')
})

/** A small house in a folder of its own, with one import planted. */
function plant(from: string, to: string, more: Record<string, string> = {}): string {
  const root = mkdtempSync(join(tmpdir(), 'latchkey-layers-'))
  fixtures.push(root)
  const files: Record<string, string> = {
    'src/model/topic.ts': '',
    'src/policy/decide.ts': 'export interface Policy { a: 1 }',
    'src/store/store.ts': '',
    'src/store/level-store.ts': '',
    'src/registry/registry.ts': "import '../store/store.ts'",
    'src/bus/router.ts': "import '../store/store.ts'",
    'src/http/app.ts': '',
    'src/mqtt/gate.ts': '',
    'src/auth/authenticator.ts': '',
    'test/unit/tool.ts': '',
    ...more,
  }
  files[from] = `import '${to}'\n${files[from] ?? ''}`
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  mkdirSync(join(root, 'simulator'), { recursive: true })
  for (const path of ['package.json', 'tsconfig.json']) writeFileSync(join(root, path), readFileSync(join(ROOT, path)))
  symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'))
  return root
}

test('rooms form no cycle, and no protocol reaches another through the table', () => {
  for (const { room, imports } of ROOMS) {
    if (imports === '*') continue
    const reached = reachable(room)
    expect(reached, `${room} reaches itself`).not.toContain(room)
    if (!STRANGERS.includes(room)) continue
    for (const other of STRANGERS) expect(reached, `${room} reaches ${other}`).not.toContain(other)
  }
})

function reachable(start: string): string[] {
  const seen = new Set<string>()
  const open = [start]
  for (let room = open.pop(); room !== undefined; room = open.pop()) {
    const imports = ROOMS.find(row => row.room === room)?.imports ?? []
    if (imports === '*') continue
    for (const next of imports) {
      if (!seen.has(next)) open.push(next)
      seen.add(next)
    }
  }
  return [...seen]
}

test.each([
  ['src/model/topic.ts', 'model'],
  ['src/coap-wire/codec.ts', 'coap-wire'],
  ['src/coap/endpoint.ts', 'coap'],
  ['src/http/routes/devices.ts', 'http'],
  ['src/broker.ts', 'composition'],
  ['simulator/devices/lamp.ts', 'simulator'],
  ['src/attic/box.ts', undefined],
])('%s lies in %s', (path, room) => {
  expect(roomOf(path)?.room).toBe(room)
})

test('docs/architecture.md shows the room table as it is', () => {
  const page = readFileSync(join(ROOT, 'docs/architecture.md'), 'utf8')
  expect(page, `put this table into docs/architecture.md:\n${roomTable()}`).toContain(roomTable())
})
