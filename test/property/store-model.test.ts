import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { silentLog } from '../../src/model/log.ts'
import { silentMeter } from '../../src/model/meter.ts'
import { LevelStore } from '../../src/store/level-store.ts'
import { Conflict, type Operation, type StoreEvent } from '../../src/store/store.ts'

/** The slow and obvious twin: one map, no disk. */
class Model {
  readonly entries = new Map<string, { value: string; revision: number; expiresAt: number }>()
  now = 1_000

  get(key: string) {
    const entry = this.entries.get(key)
    return entry !== undefined && entry.expiresAt > this.now ? entry : undefined
  }

  list(prefix: string, after: string | undefined, limit: number | undefined, reverse: boolean): string[] {
    const compare = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b))
    const keys = [...this.entries.keys()].filter(key => key.startsWith(prefix) && this.get(key)).sort(compare)
    if (reverse) keys.reverse()
    const behind = (key: string) => after === undefined || (reverse ? compare(key, after) < 0 : compare(key, after) > 0)
    return keys.filter(behind).slice(0, limit)
  }
}

interface World {
  readonly model: Model
  readonly directory: string
  store: LevelStore
  /** Batches on their way. */
  pending: Promise<number>[]
  expectedEvents: [string, string, string | null][]
  seenEvents: [string, string, string | null][]
}

const open = async (directory: string, model: Model) =>
  LevelStore.open({ directory, clock: { now: () => model.now }, meter: silentMeter, log: silentLog })

function watch(world: World): void {
  world.store.watch('', ({ type, key, value }: StoreEvent) => {
    world.seenEvents.push([type, key, value === null ? null : value.toString()])
  })
}

const key = fc.constantFrom(
  'a',
  'a/',
  'a/1',
  'a/1',
  'a/1',
  'a/2',
  'a/ü',
  'a/\u{1f511}',
  'a/\uffff',
  'b',
  'constructor',
  '__proto__',
)
/** A revision that holds, or one that does not. */
const condition = fc.constantFrom('none', 'none', 'holds', 'absent', 'wrong')
const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('put' as const),
      key,
      condition,
      value: fc.string({ maxLength: 8, unit: 'grapheme' }),
      lifetime: fc.option(fc.integer({ min: 0, max: 20 }), { nil: undefined }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('del' as const), key, condition }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('check' as const), key, condition }) },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

const command = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('commit' as const),
      steps: fc.array(step, { maxLength: 5 }),
      durability: fc.constantFrom('fsync' as const, 'write' as const),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('turn' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('flush' as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('pass' as const), time: fc.integer({ min: 1, max: 15 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('sweep' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reopen' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('list' as const),
      prefix: fc.constantFrom('', 'a', 'a/', 'b', 'c', 'a/\uffff'),
      after: fc.option(key, { nil: undefined }),
      limit: fc.option(fc.integer({ min: 0, max: 4 }), { nil: undefined }),
      reverse: fc.boolean(),
    }),
  },
)
type Command = typeof command extends fc.Arbitrary<infer T> ? T : never

function operationOf(step: Step, model: Model): Operation {
  const present = model.get(step.key)?.revision ?? 0
  const revision = { holds: present, absent: 0, wrong: present + 1, none: undefined }[step.condition]
  const condition = revision === undefined ? {} : { if: revision }
  if (step.kind === 'check') return { check: step.key, if: revision ?? present }
  if (step.kind === 'del') return { del: step.key, ...condition }
  const expiry = step.lifetime === undefined ? {} : { expiresAt: model.now + step.lifetime }
  return { put: step.key, value: step.value, ...condition, ...expiry }
}

function commit(world: World, steps: readonly Step[], durability: 'fsync' | 'write'): void {
  const { model, store } = world
  const operations = steps.map(step => operationOf(step, model))
  const conflicts = operations.some(operation => {
    const name = 'put' in operation ? operation.put : 'del' in operation ? operation.del : operation.check
    return operation.if !== undefined && operation.if !== (model.get(name)?.revision ?? 0)
  })
  if (conflicts) {
    expect(() => store.commit(operations, durability)).toThrow(Conflict)
    return
  }
  const done = store.commit(operations, durability)
  world.pending.push(done)
  for (const operation of operations) {
    if ('put' in operation) {
      const { put, value, expiresAt = Number.POSITIVE_INFINITY } = operation
      // Read back at once: accepted is visible. The revision is not known before the batch is durable but is not 0.
      const revision = store.get(put)?.revision ?? model.entries.get(put)?.revision ?? 0
      model.entries.set(put, { value: value.toString(), revision, expiresAt })
      world.expectedEvents.push(['put', put, value.toString()])
    } else if ('del' in operation) {
      model.entries.delete(operation.del)
      world.expectedEvents.push(['del', operation.del, null])
    }
  }
}

async function run(world: World, command: Command): Promise<void> {
  const { model } = world
  switch (command.do) {
    case 'commit':
      return commit(world, command.steps, command.durability)
    case 'turn':
      return new Promise(resolve => setImmediate(resolve))
    case 'flush':
      return world.store.flush()
    case 'pass':
      model.now += command.time
      return
    case 'sweep': {
      await world.store.flush() // what is not on disk yet is swept the next time
      const ended = [...model.entries.keys()].filter(name => !model.get(name))
      expect(await world.store.sweep()).toBe(ended.length)
      for (const name of ended) model.entries.delete(name)
      const swept = world.seenEvents.splice(world.expectedEvents.length)
      expect(swept.map(([type, name]) => `${type} ${name}`).sort()).toEqual(ended.map(name => `del ${name}`).sort())
      return
    }
    case 'reopen':
      await world.store.close()
      world.store = await open(world.directory, model)
      watch(world)
      return
    case 'list': {
      await world.store.flush()
      const { prefix, after, limit, reverse } = command
      const options = { ...(after === undefined ? {} : { after }), ...(limit === undefined ? {} : { limit }), reverse }
      const found: string[] = []
      for await (const entry of world.store.list(prefix, options)) {
        expect(entry.value.toString()).toBe(model.get(entry.key)?.value)
        expect(entry.revision).toBe(world.store.get(entry.key)?.revision)
        found.push(entry.key)
      }
      expect(found).toEqual(model.list(prefix, after, limit, reverse))
    }
  }
}

test('the store behaves like one map, whatever is accepted, durable, expired, swept or reopened', async () => {
  const base = await mkdtemp(join(tmpdir(), 'latchkey-store-'))
  let rounds = 0
  try {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { minLength: 5, maxLength: 60 }), async commands => {
        const model = new Model()
        const directory = join(base, String(++rounds))
        const store = await open(directory, model)
        const world: World = { model, directory, store, pending: [], expectedEvents: [], seenEvents: [] }
        watch(world)
        try {
          for (const command of commands) {
            await run(world, command)
            for (const name of ['a', 'a/1', 'a/ü', '__proto__']) {
              expect(world.store.get(name)?.value.toString()).toBe(model.get(name)?.value)
            }
          }
          const revisions = await Promise.all(world.pending)
          expect(revisions.every((revision, i) => revision > (revisions[i - 1] ?? 0))).toBe(true)
          expect(world.seenEvents).toEqual(world.expectedEvents)
        } finally {
          await world.store.close()
          await rm(directory, { recursive: true, force: true })
        }
      }),
      { numRuns: 150, interruptAfterTimeLimit: 40_000 },
    )
  } finally {
    await rm(base, { recursive: true, force: true })
  }
})
