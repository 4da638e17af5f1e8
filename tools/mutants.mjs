// `node tools/mutants.mjs`: breaks the broker in one line at a time, in a copy, and asks whether the conformance row of
// that statement notices. By hand, not in CI: each mutant starts a broker.
import { spawnSync } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ROOT } from './build.mjs'

/** File below src/mqtt (or another folder of src), what stands there, what is put there, and the row that must fail. */
const MUTANTS = [
  ['mqtt/byte-reader.ts', 'if (!isUtf8(bytes))', 'if (false)', '5 [MQTT-1.5.4-1]'],
  ['mqtt/byte-reader.ts', 'if (bytes.includes(0))', 'if (false)', '5 [MQTT-1.5.4-2]'],
  ['mqtt/byte-reader.ts', 'digit === 0 && shift > 0', 'false', '5 [MQTT-1.5.5-1]'],
  ['mqtt/decode.ts', 'if (flags !== expected)', 'if (false)', '3.1.1 [MQTT-2.2.2-2]'],
  ['mqtt/decode.ts', 'if (packetId === 0)', 'if (false)', '5 [MQTT-2.2.1-3]'],
  ['mqtt/decode.ts', 'if (flags & 1)', 'if (false)', '5 [MQTT-3.1.2-3]'],
  ['mqtt/decode.ts', 'password && !username && version !== 5', 'false', '3.1.1 [MQTT-3.1.2-22]'],
  ['mqtt/decode.ts', '!hasWill && (qos > 0 || retain)', 'false', '5 [MQTT-3.1.2-11]'],
  ['mqtt/decode.ts', 'if (dup && qos === 0)', 'if (false)', '5 [MQTT-3.3.1-2]'],
  ['mqtt/decode.ts', 'version === 5 ? 0xc0 : 0xfc', '0', '5 [MQTT-3.8.3-5]'],
  ['mqtt/property-table.ts', 'if (!row.places.includes(place))', 'if (false)', '5 [MQTT-3.3.4-6]'],
  ['mqtt/incoming-publishes.ts', 'alias === 0 || alias > most', 'alias > most', '5 [MQTT-3.3.2-8]'],
  ['mqtt/incoming-publishes.ts', 'alias === 0 || alias > most', 'alias === 0', '5 [MQTT-3.3.2-9]'],
  ['mqtt/incoming-publishes.ts', 'qos === 2 && session.received.has(packetId)', 'false', '5 [MQTT-4.3.3-10]'],
  ['mqtt/delivery.ts', 'this.#inflight.size < this.#terms.receiveMaximum && !', '!', '5 [MQTT-3.3.4-9]'],
  ['mqtt/delivery.ts', 'dup: sent, packetId', 'dup: false, packetId', '5 [MQTT-3.3.1-1]'],
  ['mqtt/delivery.ts', '!sent && message.hasExpired', 'message.hasExpired', '5 [MQTT-4.3.3-7]'],
  ['mqtt/subscribing.ts', 'parsed.group !== null && noLocal', 'false', '5 [MQTT-3.8.3-4]'],
  ['mqtt/subscribing.ts', '(retainHandling === 1 && isNew)', 'retainHandling === 1', '5 [MQTT-3.3.1-10]'],
  ['mqtt/gate.ts', 'this.#keepWill = reason !== 0', 'this.#keepWill = true', '5 [MQTT-3.14.4-3]'],
  ['mqtt/aedes-engine.ts', 'if (before.has(name))', 'if (false)', '5 [MQTT-3.10.4-6]'],
]

const folder = await mkdtemp(join(tmpdir(), 'latchkey-mutants-'))
let survived = 0
try {
  const rest = ['test', 'simulator', 'tools', 'certs', 'devices', 'package.json', 'tsconfig.json', 'vitest.config.ts']
  for (const name of ['src', ...rest]) await cp(join(ROOT, name), join(folder, name), { recursive: true })
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  if (!holds('MQTT-1.5.4-1')) throw new Error('the rows fail without a mutant too')
  for (const [file, from, to, row] of MUTANTS) {
    const path = join(folder, 'src', file)
    const text = await readFile(path, 'utf8')
    if (!text.includes(from)) throw new Error(`${file} has no more ${from}: correct the list`)
    await writeFile(path, text.replace(from, to))
    const killed = !holds(row)
    await writeFile(path, text)
    if (!killed) survived++
    process.stdout.write(`${killed ? 'killed  ' : 'SURVIVED'} ${row}  ${file}: ${from} -> ${to}\n`)
  }
} finally {
  await rm(folder, { recursive: true, force: true })
}
process.exitCode = survived > 0 ? 1 : 0

/** Whether the rows of that name pass. */
function holds(row) {
  const pattern = row.replace(/[[\].]/g, '\\$&')
  const command = [join(ROOT, 'node_modules/vitest/vitest.mjs'), 'run', 'test/conformance', '-t', `${pattern}(?!\\d)`]
  return spawnSync(process.execPath, command, { cwd: folder, stdio: 'ignore' }).status === 0
}
