// `npm run check`: types, lint and layers, one line each, and everything that is wrong below it.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { ROOT } from './build.mjs'

const node = (script, ...args) => [process.execPath, join(ROOT, 'node_modules', script), ...args]

const CHECKS = [
  { name: 'types', command: node('typescript/bin/tsc', '--noEmit', '-p', 'tsconfig.json') },
  {
    name: 'lint',
    command: node('@biomejs/biome/bin/biome', 'check', '--error-on-warnings', '--max-diagnostics=50', '.'),
  },
  { name: 'layers', command: node('vitest/vitest.mjs', 'run', 'test/unit/layers.test.ts', '--reporter=dot') },
]

/** Runs every check, or those named; returns the exit code. */
export async function check(names) {
  const unknown = names.filter(name => !CHECKS.some(row => row.name === name))
  if (unknown.length > 0)
    throw new Error(`there is no check '${unknown[0]}'; there are ${CHECKS.map(c => c.name).join(', ')}`)
  let failed = 0
  for (const { name, command } of CHECKS.filter(row => names.length === 0 || names.includes(row.name))) {
    const began = performance.now()
    const { code, output } = await run(command)
    const seconds = ((performance.now() - began) / 1000).toFixed(1)
    process.stdout.write(`${name.padEnd(7)}${code === 0 ? 'ok' : 'FAILED'} (${seconds} s)\n`)
    if (code === 0) continue
    failed += 1
    process.stdout.write(`${output}\n`)
  }
  return failed === 0 ? 0 : 1
}

function run([command, ...args]) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] })
    const chunks = []
    child.stdout.on('data', chunk => chunks.push(chunk))
    child.stderr.on('data', chunk => chunks.push(chunk))
    child.on('error', reject)
    child.on('close', code => resolve({ code: code ?? 1, output: Buffer.concat(chunks).toString().trimEnd() }))
  })
}
