#!/usr/bin/env node
// Writes docs/failures.md from the catalogue in src/model/failure-catalogue.ts: `npm run docs`.
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const HERE = fileURLToPath(import.meta.url)
const ROOT = resolve(HERE, '../..')

/** The page for a catalogue: `failures` maps codes to rows. */
export function failuresPage(failures) {
  const hex = number => `0x${number.toString(16).padStart(2, '0')}`
  const cell = text => String(text).replaceAll('|', '\\|')
  const rows = Object.entries(failures).map(([code, row]) => {
    const cells = [row.mqtt3, hex(row.mqtt5), row.coap, row.http, row.oauth, row.stranger, row.advice]
    return `| <a id="${code}"></a>\`${code}\` | ${cells.map(cell).join(' | ')} |`
  })
  return `<!-- Generated from src/model/failure-catalogue.ts by \`npm run docs\`: change it there. -->
# Failures

Every refusal has one of these ${rows.length} codes: in the audit trail, the logs, the HTTP API (\`code\` of a problem document,
RFC 9457) and the command line. The columns say what each protocol answers: MQTT 3.1.1 CONNACK return code, MQTT 5 reason
code, CoAP response code, HTTP status, OAuth error (RFC 6749 5.2). *A stranger reads* is all that somebody who has not
proved who they are learns; the advice is for operators.

| code | MQTT 3 | MQTT 5 | CoAP | HTTP | OAuth | a stranger reads | advice |
| --- | --- | --- | --- | --- | --- | --- | --- |
${rows.join('\n')}
`
}

/** The catalogue, read from its TypeScript source: one file that imports one other, and stripping their types is enough. */
async function readCatalogue() {
  const { default: ts } = await import('typescript')
  const module = (name, replace = text => text) => {
    const source = readFileSync(join(ROOT, 'src/model', name), 'utf8')
    const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023 }
    const { outputText } = ts.transpileModule(replace(source), { compilerOptions })
    return `data:text/javascript;base64,${Buffer.from(outputText).toString('base64')}`
  }
  const families = module('failure-families.ts')
  const catalogue = module('failure-catalogue.ts', text => text.replace('./failure-families.ts', families))
  const { FAILURES } = await import(catalogue)
  return FAILURES
}

if (process.argv[1] && resolve(process.argv[1]) === HERE) {
  writeFileSync(join(ROOT, 'docs/failures.md'), failuresPage(await readCatalogue()))
}
