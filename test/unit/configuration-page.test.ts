// docs/configuration.md against the program: its example is accepted, and its tables are the limits there are.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { readConfigurationFile } from '../../src/config.ts'
import { limitsSchema } from '../../src/limits.ts'

const page = readFileSync(resolve(import.meta.dirname, '../../docs/configuration.md'), 'utf8')

/** `http.requestBytes` -> 2097152 */
function flat(limits: object, prefix = ''): [string, number][] {
  return Object.entries(limits).flatMap(([name, value]): [string, number][] =>
    typeof value === 'number' ? [[prefix + name, value]] : flat(value, `${prefix}${name}.`),
  )
}

test('the tables hold every limit with its default, once', () => {
  const rows = [...page.matchAll(/^\| `([\w.]+)` \| ([\d ]+) \| (.+) \|$/gm)]
    .map(([, name = '', value = '']): [string, number] => [name, Number(value.replaceAll(' ', ''))])
    .filter(([name]) => name !== 'tokens.lifetime')
  expect(new Map(rows).size, 'a limit stands there twice').toBe(rows.length)
  expect(Object.fromEntries(rows), 'correct the tables of docs/configuration.md by hand').toEqual(
    Object.fromEntries(flat(limitsSchema.parse({}))),
  )
})

test('the example is a configuration, and says what it says', async () => {
  const [, yaml = ''] = /^```yaml\n(.*?)^```$/ms.exec(page) ?? []
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-example-'))
  const file = join(folder, 'latchkey.yaml')
  writeFileSync(file, yaml)
  const configuration = await readConfigurationFile(file)
  rmSync(folder, { recursive: true })
  expect(configuration).toMatchObject({
    data: '/var/lib/latchkey',
    listeners: { mqtt: false, ws: false, wss: { host: '0.0.0.0', port: 8084 } },
    limits: { maximumPacketSize: 262_144, registry: { credentialsPerOwner: 4, devices: 1_000_000 } },
    log: { level: 'warn' },
  })
})

test('every key of the configuration but limits has a row', () => {
  const schema = JSON.parse(readFileSync(resolve(import.meta.dirname, '../../docs/latchkey.schema.json'), 'utf8'))
  const keys = Object.keys(schema.properties).filter(key => key !== 'limits')
  expect(keys.filter(key => !new RegExp(`^\\| \`${key}[.\`]`, 'm').test(page))).toEqual([])
})
