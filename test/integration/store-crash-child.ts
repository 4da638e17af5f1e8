// The process that store-crash.test.ts kills: it writes whatever the broker writes, and says on stdout what was acknowledged.
import { randomBytes } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import { Audit } from '../../src/audit/audit.ts'
import { silentLog } from '../../src/model/log.ts'
import { silentMeter } from '../../src/model/meter.ts'
import { openDataDirectory } from '../../src/store/data-directory.ts'
import { LevelStore } from '../../src/store/level-store.ts'
import { Conflict, type Durability, type Operation } from '../../src/store/store.ts'
import { environmentKey } from '../../src/vault/key-encryption-key.ts'
import { Vault } from '../../src/vault/vault.ts'

const [directory = '', kek = '', round = '', fault = ''] = process.argv.slice(2)
/** The parent kills long before; without a parent nothing stays behind. */
setTimeout(() => process.exit(3), 30_000).unref()
process.stdin.on('end', () => process.exit(4)).resume()

const [moment, number] = fault.split(':')
const dieAt = (now: string) => (write: { number: number }) => {
  if (now === moment && write.number === Number(number)) process.kill(process.pid, 'SIGKILL')
}

const random = { bytes: randomBytes }
const clock = { now: Date.now }
const digits = (n: number) => String(n).padStart(8, '0')
/** A pipe is written synchronously: what was said, arrives. */
const say = (line: string) => process.stdout.write(`${line}\n`)

const data = await openDataDirectory(directory, { random })
const store = await LevelStore.open({
  directory: data.databasePath,
  clock,
  meter: silentMeter,
  log: silentLog,
  faults: { beforeWrite: dieAt('before'), afterWrite: dieAt('after') },
})
const vault = await Vault.open({ store, kek: environmentKey(kek), random })
const audit = await Audit.open({ store, vault, clock, meter: silentMeter })
say('ready')

let accepted = 0

/** Every batch carries its number, so that the parent sees which were accepted before which. */
async function acknowledge(what: string, commit: (mark: Operation) => Promise<unknown>): Promise<void> {
  const next = accepted + 1
  const done = commit({ put: `accepted/${round}/${digits(next)}`, value: what }) // throws before it counts
  accepted = next
  await done
  say(`${next} ${what}`)
}

/** As the registry: read, think, change if nobody else did, with its audit event in the same batch. */
async function raiseCounter(name: string): Promise<void> {
  const entry = store.get(`counter/${name}`)
  const value = Number(entry?.value.toString() ?? 0) + 1
  await turn()
  try {
    await acknowledge(`raised ${name} ${value}`, mark =>
      audit.commit(
        [
          { put: `counter/${name}`, value: String(value), if: entry?.revision ?? 0 },
          { put: `raised/${name}/${digits(value)}`, value: '' },
          mark,
        ],
        [
          {
            type: 'change',
            what: 'counter.raised',
            target: name,
            actor: { kind: 'system', id: 'test' },
            detail: { value },
          },
        ],
      ),
    )
  } catch (error) {
    if (!(error instanceof Conflict)) throw error
  }
}

async function putThree(durability: Durability, index: number): Promise<void> {
  const name = `three/${durability}/${round}/${digits(index)}`
  await acknowledge(`three ${name}`, mark =>
    store.commit(
      [
        { put: `${name}/a`, value: randomBytes(20) },
        mark,
        { put: `${name}/b`, value: randomBytes(index % 3_000), expiresAt: Date.now() + 3_600_000 },
        { put: `${name}/c`, value: '' },
      ],
      durability,
    ),
  )
}

/** As a queue: the next message comes, the one before goes. */
async function moveOn(index: number): Promise<void> {
  const name = (n: number) => `queue/${round}/${digits(n)}`
  const operations: Operation[] = [{ put: name(index), value: randomBytes(100) }, { del: name(index - 1) }]
  await acknowledge(`queue ${name(index)}`, mark => store.commit([...operations, mark], 'write'))
}

async function recordSession(index: number): Promise<void> {
  const session = `${round}-${index}`
  audit.record({
    type: 'session-start',
    session,
    principal: 'device',
    transport: 'mqtts',
    address: '192.0.2.1',
    clientId: 'device',
    failure: null,
  })
  await audit.flush()
  say(`0 session ${session}`)
}

async function forEver(step: (index: number) => Promise<void>): Promise<void> {
  for (let index = 1; ; index++) await step(index)
}

await Promise.all([
  forEver(() => raiseCounter('shared')),
  forEver(() => raiseCounter('shared')),
  forEver(() => raiseCounter('own')),
  forEver(index => putThree('fsync', index)),
  forEver(index => putThree('write', index)),
  forEver(moveOn),
  forEver(recordSession),
])
