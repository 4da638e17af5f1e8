// `credential issue` and `credential rotate`: what is asked for, and where the secret goes.
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { join } from 'node:path'
import type { Credential, IssuedCredential, IssueInput } from '../../client/client.ts'
import type { Call, OptionRow, Outcome } from '../command.ts'
import { readKey, readText } from '../input-files.ts'
import { Misuse } from '../misuse.ts'
import type { Options } from '../options.ts'
import { inFolder, type OutputFiles, withOutput } from '../output-files.ts'
import { certificateFiles } from '../pem.ts'

const KINDS = ['x509', 'secret', 'psk', 'oscore', 'scram', 'jwt-key'] as const
type Kind = (typeof KINDS)[number]
const AUDIENCES = ['mqtt', 'api', 'token'] as const
const ALGORITHMS = ['ES256', 'EdDSA', 'RS256'] as const
const ONCE = 'this is shown once: keep it now, Latchkey cannot show it again'

export const ISSUE_OPTIONS: readonly OptionRow[] = [
  { flags: '--kind <kind>', text: KINDS.join(', ') },
  { flags: '--device <id>', text: 'for this device' },
  { flags: '--client <id>', text: 'for this client' },
  { flags: '--ttl <duration>', text: 'how long it works: 90s, 15m, 1h, 30d' },
  { flags: '--label <text>', text: 'to tell it from others' },
  { flags: '--out <path>', text: 'write secrets to new files readable by you alone: a folder for x509, else a file' },
  { flags: '--audience <audience>', text: `secret: what it opens: ${AUDIENCES.join(', ')} (default mqtt)` },
  { flags: '--identity <identity>', text: 'psk: the identity (default: the id)' },
  {
    flags: '--key-file <file>',
    text: 'psk: the key that the device has already, 16 to 64 bytes (default: made here)',
  },
  { flags: '--sender-id <hex>', text: 'oscore: the sender id of the device (default: made here)' },
  { flags: '--id-context <hex>', text: 'oscore: an ID Context (default: none)' },
  { flags: '--csr <file>', text: 'x509: sign this PKCS #10 request instead of making a key' },
  { flags: '--p12', text: 'x509: PKCS #12 as well' },
  { flags: '--password-file <file>', text: 'x509: password of the PKCS #12 (default: made and shown)' },
  { flags: '--public-key <file>', text: 'jwt-key: register this PEM or JWK instead of making a key' },
  { flags: '--kid <id>', text: 'jwt-key: its key id' },
  { flags: '--algorithm <algorithm>', text: `jwt-key: ${ALGORITHMS.join(', ')}` },
]

/** Options that only one kind has: given for another they are a mistake worth telling. */
const ONLY: Readonly<Record<string, Kind>> = {
  audience: 'secret',
  identity: 'psk',
  'key-file': 'psk',
  'sender-id': 'oscore',
  'id-context': 'oscore',
  csr: 'x509',
  p12: 'x509',
  'password-file': 'x509',
  'public-key': 'jwt-key',
  kid: 'jwt-key',
  algorithm: 'jwt-key',
}

/** The device or client that was named; undefined when none was. */
export function ownerOf(options: Options): string | undefined {
  const [device, client] = [options.text('device'), options.text('client')]
  if (device !== undefined && client !== undefined) throw new Misuse('name --device or --client, not both')
  return device ?? client
}

export async function issue(call: Call): Promise<Outcome> {
  const { options } = call
  const kind = options.choice('kind', KINDS)
  if (kind === undefined) throw new Misuse(`--kind is needed: ${KINDS.join(', ')}`)
  for (const [name, its] of Object.entries(ONLY)) {
    if (its !== kind && (options.flag(name) || options.text(name) !== undefined))
      throw new Misuse(`--${name} belongs to --kind ${its}`)
  }
  const owner = ownerOf(options)
  if (owner === undefined) throw new Misuse('name whom it is for: --device <id> or --client <id>')
  const label = options.text('label')
  const lifetime = options.duration('ttl')
  const base = { owner, ...(label !== undefined && { label }), ...(lifetime !== undefined && { lifetime }) }
  switch (kind) {
    case 'secret':
      return toFile(call, client => client.issue({ ...base, kind, audience: options.choice('audience', AUDIENCES) }))
    case 'psk':
      return issuePsk(call, base)
    case 'oscore': {
      const [senderId, idContext] = [options.text('sender-id'), options.text('id-context')]
      return toFile(call, client => client.issue({ ...base, kind, senderId, idContext }))
    }
    case 'scram':
      return toFile(call, client => client.issue({ ...base, kind }))
    case 'jwt-key':
      return issueJwtKey(call, base)
    case 'x509':
      return issueCertificate(call, base)
  }
}

export async function rotate(call: Call): Promise<Outcome> {
  const { options, words } = call
  const lifetime = options.duration('ttl')
  const overlap = options.duration('overlap') ?? 0
  return toFile(call, client => client.rotate(words[0] ?? '', { overlap, ...(lifetime !== undefined && { lifetime }) }))
}

type Credentials = Awaited<ReturnType<Call['client']>>['credentials']

/** Secrets, passwords, pre-shared keys and OSCORE contexts: one line, into --out or onto stdout. */
async function toFile(call: Call, ask: (credentials: Credentials) => Promise<IssuedCredential>): Promise<Outcome> {
  const out = call.options.text('out')
  const { credentials } = await call.client()
  return withOutput(out === undefined ? {} : { secret: out }, async output => {
    const issued = await ask(credentials)
    const { credential, psk, scram, oscore } = issued
    const context = oscore && JSON.stringify(oscore)
    const line = issued.secret ?? scram?.password ?? (psk && `${psk.identity}:${psk.key}`) ?? context
    if (line === undefined) throw new Error('the broker answered without a secret')
    const next = usage(credential, out, psk?.identity)
    if (out === undefined)
      return { json: issued, text: line, warnings: [`${ONCE} (credential ${credential.id})`], next }
    const file = await output.write('secret', `${line}\n`)
    return { json: { credential, files: { secret: file } }, text: `${credential.id}: written to ${file}`, next }
  })
}

async function issuePsk(call: Call, base: { readonly owner: string }): Promise<Outcome> {
  const { options } = call
  const file = options.text('key-file')
  const given = file === undefined ? null : await readKey(file, '--key-file')
  if (given !== null && (given.length < 16 || given.length > 64))
    throw new Misuse(`--key-file ${file} holds ${given.length} bytes; a pre-shared key has 16 to 64`)
  const key = given?.toString('hex')
  return toFile(call, client => client.issue({ ...base, kind: 'psk', identity: options.text('identity'), key }))
}

async function issueJwtKey(call: Call, base: { readonly owner: string }): Promise<Outcome> {
  const { options } = call
  const [given, out] = [options.text('public-key'), options.text('out')]
  if (given !== undefined && out !== undefined)
    throw new Misuse('--out is for the key that is made here; with --public-key there is none')
  const made = given === undefined ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : null
  const jwk = made ? made.publicKey.export({ format: 'jwk' }) : publicJwk(await readText(given ?? '', '--public-key'))
  const { credentials } = await call.client()
  return withOutput(made && out !== undefined ? { key: out } : {}, async output => {
    const issued = await credentials.issue({
      ...base,
      kind: 'jwt-key',
      jwk: { ...jwk },
      kid: options.text('kid'),
      algorithm: options.choice('algorithm', ALGORITHMS),
    })
    const { credential } = issued
    if (!made) return { json: issued, text: `${credential.id}: registered the key of ${credential.owner}` }
    const privateKey = made.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
    const sign = `latchkey token sign --device ${credential.owner} --key ${out ?? '<file>'}`
    if (out === undefined)
      return { json: { ...issued, privateKey }, text: privateKey.trimEnd(), warnings: [ONCE], next: [sign] }
    const file = await output.write('key', privateKey)
    return {
      json: { credential, files: { privateKey: file } },
      text: `${credential.id}: key written to ${file}`,
      next: [sign],
    }
  })
}

/** The public half of what the file holds; a private key is refused, because it should not be here. */
export function publicJwk(text: string): Readonly<Record<string, unknown>> {
  if (text.includes('PRIVATE KEY') || /"d"\s*:/.test(text))
    throw new Misuse('--public-key holds a private key: it stays with the device. Give the public one')
  try {
    const key = text.trimStart().startsWith('{')
      ? createPublicKey({ key: JSON.parse(text), format: 'jwk' })
      : createPublicKey(text)
    return { ...key.export({ format: 'jwk' }) }
  } catch {
    throw new Misuse('--public-key holds neither a public key in PEM nor a public JWK')
  }
}

async function issueCertificate(call: Call, base: Omit<IssueInput & { kind: 'x509' }, 'kind'>): Promise<Outcome> {
  const { options } = call
  const [csrFile, passwordFile, folder] = [options.text('csr'), options.text('password-file'), options.text('out')]
  if (csrFile !== undefined && options.flag('p12'))
    throw new Misuse('--p12 needs the private key, which stays with whoever made the request')
  const csr = csrFile === undefined ? undefined : await readText(csrFile, '--csr')
  const password = passwordFile === undefined ? undefined : (await readText(passwordFile, '--password-file')).trim()
  const { credentials } = await call.client()
  const names = certificateNames(base.owner, { key: csr === undefined, p12: options.flag('p12') })
  return withOutput(folder === undefined ? {} : inFolder(folder, names), async output => {
    const issued = await credentials.issue({ ...base, kind: 'x509', csr, password })
    if (folder === undefined) return printedCertificate(issued, options.flag('p12'))
    const files = await writeCertificate(issued, output, names)
    return {
      json: { credential: issued.credential, files },
      text: `${issued.credential.id}: written to ${Object.values(files).join(', ')}`,
      next: usage(issued.credential, folder),
    }
  })
}

function certificateNames(
  owner: string,
  has: { readonly key: boolean; readonly p12: boolean },
): Record<string, string> {
  return {
    certificate: `${owner}.crt`,
    root: 'ca.crt',
    ...(has.key && { privateKey: `${owner}.key` }),
    ...(has.p12 && { pkcs12: `${owner}.p12`, password: `${owner}.p12.password` }),
  }
}

async function writeCertificate(
  { certificate = '', chain = '', privateKey = '', pkcs12 = '', password = '' }: IssuedCredential,
  output: OutputFiles,
  names: Readonly<Record<string, string>>,
): Promise<Record<string, string>> {
  const contents: Readonly<Record<string, string | Buffer>> = {
    ...certificateFiles(certificate, chain),
    privateKey,
    pkcs12: Buffer.from(pkcs12, 'base64'),
    password: `${password}\n`,
  }
  const written: Record<string, string> = {}
  for (const name of Object.keys(names)) written[name] = await output.write(name, contents[name] ?? '')
  return written
}

function printedCertificate(issued: IssuedCredential, p12: boolean): Outcome {
  const { certificate = '', chain = '', privateKey, pkcs12, password } = issued
  const parts = [privateKey, certificate, chain, ...(p12 ? [`${pkcs12}\nPKCS #12 password: ${password}`] : [])]
  return {
    json: issued,
    text: parts
      .filter(part => part !== undefined)
      .map(part => part.trimEnd())
      .join('\n'),
    warnings: privateKey === undefined ? [] : [ONCE],
    next: ['give --out <folder> to have files instead'],
  }
}

/** How its owner comes in with it, with the broker's usual ports. */
function usage(credential: Credential, out: string | undefined, identity = credential.owner): string[] {
  const { kind, owner } = credential
  const file = out ?? '<file>'
  if (kind === 'secret' && credential.audience === 'token')
    return [`latchkey token get --client-id ${owner} --client-secret-file ${file}`]
  if (kind === 'secret' && credential.audience === 'api')
    return [`LATCHKEY_TOKEN="$(cat ${file})" latchkey device list --url https://localhost:8443 --ca ca.crt`]
  if (kind === 'oscore') return [`a CoAP client with OSCORE (RFC 8613) and the context in ${file}`]
  if (kind === 'scram')
    return [
      `an MQTT 5 client with Authentication Method ${credential.mechanism}, username ${owner}, password in ${file}`,
    ]
  const how: Readonly<Record<string, string>> = {
    secret: `--cafile ca.crt -u ${owner} -P "$(cat ${file})"`,
    psk: `--psk-identity ${identity} --psk ${out === undefined ? '<key>' : `"$(sed 's/.*://' ${out})"`}`,
    x509: ['--cafile ca.crt', `--cert ${owner}.crt`, `--key ${owner}.key`]
      .map(part => part.replace(' ', ` ${join(file, '/')}`))
      .join(' '),
  }
  return [
    ...(kind === 'secret' ? ['latchkey ca root --out ca.crt'] : []),
    `mosquitto_pub -h localhost -p 8883 -i ${owner} ${how[kind] ?? ''} -t <topic> -m <message>`,
  ]
}
