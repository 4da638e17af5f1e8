import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { PolicyOutcome, PolicyVersion, TestResult } from '../../client/client.ts'
import { collect } from '../collect.ts'
import { type Call, confirmed, DECLINED, DRY_RUN, type NounRow, type Outcome, YES } from '../command.ts'
import { readYaml } from '../input-files.ts'
import { Misuse } from '../misuse.ts'
import { parseCount } from '../options.ts'
import { compileFiles, findingsOf, sorted, testsOf } from '../policy-files.ts'
import { counted, table } from '../present.ts'
import { EXPLAIN_OPTIONS, explain } from './explain-policy.ts'
import { findingLines, outcomeLines, testLines } from './policy-lines.ts'

export const policy: NounRow = {
  noun: 'policy',
  summary: 'Policies: who may do what',
  commands: [
    {
      name: 'check <files...>',
      summary: 'Read policy files and tell what is wrong or looks unintended (needs no broker)',
      reach: 'none',
      examples: [['latchkey policy check devices/', 'errors with file, line and column; then warnings']],
      run: check,
    },
    {
      name: 'test [files...]',
      summary: 'Run the tests inside policy files (needs no broker), or inside the policy in force',
      reach: 'operator',
      options: [{ flags: '--server', text: 'let the broker run them: it knows the registered devices' }],
      examples: [
        ['latchkey policy test devices/', 'the tests in these files'],
        ['latchkey policy test', 'the tests of the policy in force, against the registry as it is'],
      ],
      run: test,
    },
    {
      name: 'explain',
      summary: 'Would it be permitted, and which rule decides?',
      reach: 'operator',
      options: EXPLAIN_OPTIONS,
      examples: [
        [
          'latchkey policy explain --device t1 --action publish --topic home/kitchen/temperature',
          'names rule, file and line',
        ],
        ['latchkey policy explain --denial 4711', 'why what stands in the audit trail was denied'],
      ],
      run: explain,
    },
    {
      name: 'show [version]',
      summary: 'The policy in force, or an earlier version',
      reach: 'operator',
      options: [{ flags: '--out <folder>', text: 'write its files there' }],
      examples: [
        ['latchkey policy show', 'the files of the version in force'],
        ['latchkey policy show 3 --out old/', 'version 3 as files'],
      ],
      run: show,
    },
    {
      name: 'versions',
      summary: 'All versions, newest first',
      reach: 'operator',
      examples: [['latchkey policy versions', 'who changed it when']],
      async run({ client, terminal }) {
        const versions = await collect((await client()).policies.allVersions())
        return {
          json: { items: versions, next: null },
          text: table(
            versions,
            [
              { title: 'version', value: found => found.version },
              { title: 'created', value: found => found.createdAt },
              { title: 'by', value: found => found.by },
              { title: 'files', value: found => found.files },
            ],
            terminal.paintOut,
            'no policy yet: everything is denied',
          ),
          next: versions.length === 0 ? ['latchkey policy put devices/'] : ['latchkey policy rollback <version>'],
        }
      },
    },
    {
      name: 'put <files...>',
      summary: 'Put these files in force as one new version, unless a test in them fails',
      reach: 'operator',
      options: [DRY_RUN],
      examples: [
        ['latchkey policy put devices/ --dry-run', 'check and test against the running broker'],
        ['latchkey policy put devices/', 'in force for everybody connected when this returns'],
      ],
      run: put,
    },
    {
      name: 'rollback <version>',
      summary: 'Put an earlier version in force again, as a new one',
      reach: 'operator',
      options: [YES, DRY_RUN],
      examples: [['latchkey policy rollback 3', 'what was in force as version 3 is in force again']],
      run: rollback,
    },
  ],
}

async function check({ words, terminal }: Call): Promise<Outcome> {
  const { policies: files } = sorted(await readYaml(words))
  const compiled = compileFiles(files)
  const findings = findingsOf(compiled)
  const summary = `${counted(files.length, 'policy file')} in order, ${counted(findings.length, 'remark')}`
  return {
    json: { findings },
    text: [...findingLines(findings, terminal.paintOut), summary].join('\n'),
    next: [`latchkey policy test ${words.join(' ')}`],
  }
}

async function test(call: Call): Promise<Outcome> {
  const { words, terminal } = call
  const tests = await testResults(call)
  const failed = tests.filter(({ ok }) => !ok).length
  const put = words.length === 0 ? [] : [`latchkey policy put ${words.join(' ')}`]
  return {
    json: { ok: failed === 0, tests },
    text: [...testLines(tests, terminal.paintOut), `${tests.length - failed} passed, ${failed} failed`].join('\n'),
    exitCode: failed === 0 ? 0 : 1,
    next: failed === 0 ? put : ['correct the rule or the test; `latchkey policy explain` tells which rule decides'],
  }
}

async function testResults({ words, options, client }: Call): Promise<readonly TestResult[]> {
  if (words.length === 0) return (await (await client()).policies.test()).tests
  const { policies, manifests } = sorted(await readYaml(words))
  if (options.flag('server')) return (await (await client()).policies.test(policies)).tests
  return testsOf(compileFiles(policies), manifests)
}

async function show(call: Call): Promise<Outcome> {
  const { words, options } = call
  const { policies } = await call.client()
  const found =
    words[0] === undefined ? await policies.current() : await policies.version(parseCount(words[0], 'version'))
  const folder = options.text('out')
  if (folder !== undefined) {
    const written = await writePolicy(found, folder)
    return { json: { version: found.version, files: written }, text: written.join('\n') }
  }
  const title = `# version ${found.version} of ${found.createdAt} by ${found.by}`
  const files = found.files.map(({ path, text }) => `# --- ${path}\n${text.trimEnd()}`)
  return { json: found, text: [title, ...files].join('\n'), next: ['latchkey policy versions'] }
}

async function writePolicy({ files }: PolicyVersion, folder: string): Promise<string[]> {
  const written: string[] = []
  for (const { path, text } of files) {
    // The path comes from whoever put the policy there: it must not lead out of the folder.
    const inside = path.split('/').filter(level => level !== '' && level !== '.' && level !== '..')
    const target = join(folder, ...inside)
    await mkdir(dirname(target), { recursive: true })
    await writeFile(target, text, { flag: 'wx' }).catch((error: unknown) => {
      throw new Misuse(
        `${target} exists or cannot be made; nothing was overwritten (${error instanceof Error && 'code' in error ? error.code : error})`,
      )
    })
    written.push(target)
  }
  return written
}

async function put(call: Call): Promise<Outcome> {
  const { words, options } = call
  const { policies: files } = sorted(await readYaml(words))
  const dryRun = options.flag('dry-run')
  const outcome = await (await call.client()).policies.put(files, { dryRun })
  return told(call, outcome, dryRun)
}

async function rollback(call: Call): Promise<Outcome> {
  const { words, options } = call
  const version = parseCount(words[0] ?? '', 'version')
  const { policies } = await call.client()
  if (options.flag('dry-run')) {
    const { files } = await policies.version(version)
    return told(call, await policies.put(files, { dryRun: true }), true)
  }
  if (!(await confirmed(call, `Put version ${version} in force again?`))) return DECLINED
  return told(call, await policies.rollback(version), false)
}

function told({ terminal }: Call, outcome: PolicyOutcome, dryRun: boolean): Outcome {
  const result = dryRun ? `would be version ${outcome.version}` : `version ${outcome.version} is in force`
  return {
    json: outcome,
    text: [...outcomeLines(outcome, terminal.paintOut), result].join('\n'),
    next: dryRun ? [] : ['latchkey policy explain --device <id> --action publish --topic <topic>'],
  }
}
