import { writeFile } from 'node:fs/promises'
import type { NounRow } from '../command.ts'
import { Misuse } from '../misuse.ts'
import { pemOf } from '../pem.ts'
import { table } from '../present.ts'

const OUT = { flags: '--out <file>', text: 'write it to this file' }

export const ca: NounRow = {
  noun: 'ca',
  summary: 'The certificate authority',
  commands: [
    {
      name: 'show',
      summary: 'Its certificates, and where their revocation lists are',
      reach: 'operator',
      examples: [['latchkey ca show', 'issuing authority and root, with their last days']],
      async run({ client, terminal }) {
        const found = await (await client()).ca.get()
        const authorities = table(
          found.authorities,
          [
            { title: 'subject', value: each => each.subject.replaceAll('\n', ', ') },
            { title: 'serial', value: each => each.serial },
            { title: 'from', value: each => each.notBefore },
            { title: 'until', value: each => each.notAfter },
            { title: 'sha-256', value: each => each.fingerprint },
          ],
          terminal.paintOut,
          'no authorities',
        )
        return {
          json: found,
          text: [authorities, '', ...found.crls].join('\n'),
          next: ['latchkey ca root --out ca.crt', 'latchkey ca crl --out latchkey.crl'],
        }
      },
    },
    {
      name: 'root',
      summary: 'The root certificate: what devices trust',
      reach: 'anyone',
      options: [OUT],
      examples: [['latchkey ca root --out ca.crt', 'for --cafile of mosquitto_pub and the like']],
      async run({ client, options }) {
        const certificate = await (await client()).ca.rootPem()
        const file = options.text('out')
        if (file === undefined) return { json: { certificate }, text: certificate.trimEnd() }
        await written(file, certificate)
        return { json: { file }, text: `written to ${file}`, next: [`openssl x509 -noout -text -in ${file}`] }
      },
    },
    {
      name: 'crl',
      summary: 'The certificate revocation list',
      reach: 'operator',
      options: [
        { flags: '--authority <id>', text: 'of this authority (default: the issuing one)' },
        OUT,
        { flags: '--der', text: 'DER instead of PEM; needs --out' },
      ],
      examples: [['latchkey ca crl --out latchkey.crl', 'as PEM; `openssl crl -in latchkey.crl -text` reads it']],
      async run(call) {
        const { options } = call
        const [file, der] = [options.text('out'), options.flag('der')]
        if (der && file === undefined) throw new Misuse('--der needs --out: DER is no text')
        const api = (await call.client()).ca
        const authority = options.text('authority') ?? (await api.get()).id
        const list = await api.crl(authority)
        const pem = pemOf('X509 CRL', list)
        if (file === undefined) return { json: { authority, crl: pem }, text: pem.trimEnd() }
        await written(file, der ? list : pem)
        const read = `openssl crl -in ${file}${der ? ' -inform DER' : ''} -text -noout`
        return { json: { authority, file }, text: `written to ${file}`, next: [read] }
      },
    },
  ],
}

/** Nothing secret: an older copy may be replaced. */
async function written(file: string, content: string | Buffer): Promise<void> {
  await writeFile(file, content).catch((error: unknown) => {
    throw new Misuse(
      `--out ${file} cannot be written (${error instanceof Error && 'code' in error ? error.code : error})`,
    )
  })
}
