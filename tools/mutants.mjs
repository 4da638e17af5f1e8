// `node tools/mutants.mjs`: puts one fault at a time into a copy of the broker, and asks whether the conformance rows of
// the broken statements notice. The faults are listed in test/conformance/mutants. By hand, not in CI: see --help.
import { rmSync } from 'node:fs'
import { cp, mkdtemp, readFile, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createVitest } from 'vitest/node'
import { ROOT } from './build.mjs'

const HELP = `node tools/mutants.mjs [--only <pattern>]... [--all] [--jobs <count>] [--json]

Breaks the broker in one place at a time, in a copy, and runs conformance rows against it: those that the mutant names, and
a sample of the others. A mutant is killed when every row that it names fails, and at least half of the others still pass:
a broker that serves nobody proves nothing.

  --only <pattern>  mutants whose file, text or rows contain it: decode.ts, 3.8.4-2, '5 [MQTT-4.'
  --all             runs the whole table against each mutant, which takes several times as long, and tells all that it breaks
  --jobs <count>    brokers at a time; 4 unless said otherwise
  --json            one array on standard output: each mutant, the rows that failed, and those that should have

Exit code 1 when a mutant survives.
`

/** Milliseconds that a row waits for what a broken broker never sends. */
const PATIENCE = 3000
/** One row in so many is run against every mutant. */
const SAMPLED = 7
/** What a broker and its tests consist of. */
const TREE = ['src', 'test', 'simulator', 'tools', 'certs', 'devices', 'package.json', 'tsconfig.json']

/** One copy of the broker, and who runs the table against it. */
class Copy {
  #folder
  #vitest

  static async make(folder) {
    const copy = new Copy()
    copy.#folder = folder
    for (const name of TREE) await cp(join(ROOT, name), join(folder, name), { recursive: true })
    await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
    copy.#vitest = await createVitest('test', {
      root: folder,
      config: false,
      watch: false,
      include: ['test/conformance/*.test.ts'],
      pool: 'forks',
      maxWorkers: 1,
      testTimeout: 10_000,
      hookTimeout: 60_000,
      reporters: [{}],
      env: { LATCHKEY_TEST_PATIENCE: String(PATIENCE) },
    })
    return copy
  }

  /** The list of this copy: what it was made of may have changed since. */
  async mutants() {
    const [{ MUTANTS }, { rowsOf }] = await Promise.all(
      ['mutants', 'mutant'].map(name =>
        this.#vitest.getRootProject().import(join(this.#folder, `test/conformance/mutants/${name}.ts`)),
      ),
    )
    return MUTANTS.map(mutant => ({ ...mutant, rows: rowsOf(mutant) }))
  }

  /** Names of all rows, or of those that are wanted, and of those that failed. */
  async run(wanted) {
    if (wanted === undefined) this.#vitest.resetGlobalTestNamePattern()
    else this.#vitest.setGlobalTestNamePattern(new RegExp(wanted.map(escaped).join('|')))
    const tables = await this.#vitest.globTestSpecifications()
    const { testModules } = await this.#vitest.runTestSpecifications(tables)
    const tests = testModules.flatMap(module => [...module.children.allTests()])
    const rows = tests
      .map(test => ({ name: nameOf(test.name), state: test.result().state }))
      .filter(({ state }) => state !== 'skipped')
      .map(({ name, state }) => ({ name, failed: state !== 'passed' }))
    return { all: rows.map(({ name }) => name), failed: rows.filter(({ failed }) => failed).map(({ name }) => name) }
  }

  /** The same with a fault in it. */
  async runWith({ file, from, to }, wanted) {
    const path = join(this.#folder, 'src', file)
    const text = await readFile(path, 'utf8')
    if (text.split(from).length !== 2) throw new Error(`${file} does not have once: ${from}`)
    await this.#replace(
      path,
      text.replace(from, () => to),
    )
    try {
      return await this.run(wanted)
    } finally {
      await this.#replace(path, text)
    }
  }

  async #replace(path, text) {
    await writeFile(path, text)
    this.#vitest.invalidateFile(path)
  }

  close() {
    return this.#vitest?.close()
  }
}

/** `5 [MQTT-3.3.1-1] what it says` without what it says. */
const nameOf = title => title.slice(0, title.indexOf(']') + 1)

const escaped = text => text.replaceAll(/[[\].$]/g, '\\$&')

function judged(mutant, { all, failed }) {
  const survived = mutant.rows.filter(row => !failed.includes(row))
  const others = all.filter(row => !mutant.rows.includes(row))
  const broken = others.filter(row => failed.includes(row))
  const serves = others.length > 0 && broken.length * 2 <= others.length
  return { ...mutant, run: all.length, failed, survived, serves, killed: survived.length === 0 && serves }
}

function line({ file, from, to, run, failed, survived, serves, killed }, done, count) {
  const verdict = killed ? 'killed' : serves ? 'SURVIVED' : 'SERVES NOBODY'
  const short = text => text.replaceAll(/\s+/g, ' ')
  const missed = survived.length > 0 ? `\n    still pass: ${survived.join(', ')}` : ''
  return `${done}/${count} ${verdict}, ${failed.length} of ${run} rows fail: ${file}: ${short(from)} -> ${short(to)}${missed}\n`
}

/** Each copy takes the next mutant that waits; `sample`: rows that each must run. `onResult` sees what comes of it. */
async function runAll(copies, mutants, sample, onResult) {
  const waiting = [...mutants]
  const work = async copy => {
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      onResult(judged(mutant, await copy.runWith(mutant, [...mutant.rows, ...sample])))
    }
  }
  await Promise.all(copies.map(work))
}

async function main({ only, all: runsAll, jobs, json }) {
  const began = performance.now()
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-mutants-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))
  const copies = []
  try {
    for (let i = 0; i < jobs; i++) copies.push(await Copy.make(join(folder, String(i))))
    const mutants = (await copies[0].mutants()).filter(
      ({ file, from, to, rows }) =>
        only === undefined || only.some(pattern => [file, from, to, ...rows].some(text => text.includes(pattern))),
    )
    if (mutants.length === 0) throw new Error(`no mutant has ${only?.join(' or ')} in its file, text or rows`)
    const { all, failed } = await copies[0].run()
    if (failed.length > 0) throw new Error(`without a mutant these rows fail: ${failed.join(', ')}`)
    const results = []
    const sample = runsAll ? all : all.filter((_, i) => i % SAMPLED === 0)
    await runAll(copies, mutants, sample, result => {
      results.push(result)
      process.stderr.write(line(result, results.length, mutants.length))
    })
    const survivors = results.filter(({ killed }) => !killed)
    const rows = new Set(mutants.flatMap(mutant => mutant.rows))
    const minutes = ((performance.now() - began) / 60_000).toFixed(1)
    const held = `${mutants.length} mutants of ${rows.size} rows`
    process.stderr.write(`${held}, ${survivors.length} not killed; ${minutes} minutes\n`)
    if (json) process.stdout.write(`${JSON.stringify(results, null, 1)}\n`)
    return survivors.length > 0 ? 1 : 0
  } finally {
    await Promise.all(copies.map(copy => copy.close()))
  }
}

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true },
    all: { type: 'boolean', default: false },
    jobs: { type: 'string', default: '4' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
const jobs = Number(values.jobs)
if (values.help) process.stdout.write(HELP)
else
  try {
    if (!Number.isInteger(jobs) || jobs < 1) throw new Error(`--jobs ${values.jobs} is no count`)
    process.exitCode = await main({ ...values, jobs })
  } catch (error) {
    process.stderr.write(`${error.message}\n`)
    process.exitCode = 1
  }
