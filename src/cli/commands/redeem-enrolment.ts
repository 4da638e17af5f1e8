// `enrolment redeem`: on the device, a token becomes the kind of credential that it lives on.
import { generateKeyPairSync } from 'node:crypto'
import type { EnrolmentKind, Redeemed } from '../../client/client.ts'
import type { Call, OptionRow, Outcome } from '../command.ts'
import { readText } from '../input-files.ts'
import { makeKeyAndRequest } from '../key-and-request.ts'
import { Misuse } from '../misuse.ts'
import { inFolder, type OutputFiles, withOutput } from '../output-files.ts'
import { certificateFiles } from '../pem.ts'
import { publicJwk } from './issue-credential.ts'

export const ENROLMENT_KINDS = ['x509', 'secret', 'psk', 'jwt-key', 'oscore'] as const
const AUDIENCES = ['mqtt', 'token'] as const

export const REDEEM_OPTIONS: readonly OptionRow[] = [
  { flags: '--token <token>', text: 'the enrolment token (or --token-file)' },
  { flags: '--token-file <file>', text: 'file that holds it; - reads standard input' },
  { flags: '--device <id>', text: 'the id to ask for, where the token leaves that open' },
  { flags: '--kind <kind>', text: `what to become: ${ENROLMENT_KINDS.join(', ')} (default x509)` },
  { flags: '--csr <file>', text: 'x509: send this PKCS #10 request instead of making a key' },
  { flags: '--audience <audience>', text: `secret: what it opens: ${AUDIENCES.join(', ')} (default mqtt)` },
  { flags: '--public-key <file>', text: 'jwt-key: register this PEM or JWK instead of making a key' },
  {
    flags: '--out <folder>',
    text: 'where device.key, .crt, .secret, .psk or .oscore go, by kind; with a certificate ca.crt too',
  },
]

/** Options that only one kind has: given for another they are a mistake worth telling. */
const ONLY: Readonly<Record<string, EnrolmentKind>> = { csr: 'x509', audience: 'secret', 'public-key': 'jwt-key' }

/** What every kind needs. */
interface Common {
  readonly call: Call
  readonly token: string
  readonly device: string | undefined
  readonly folder: string
}

export async function redeem(call: Call): Promise<Outcome> {
  const { options } = call
  const kind = options.choice('kind', ENROLMENT_KINDS) ?? 'x509'
  for (const [name, its] of Object.entries(ONLY))
    if (its !== kind && options.text(name) !== undefined) throw new Misuse(`--${name} belongs to --kind ${its}`)
  const token = await tokenOf(call)
  const folder = options.needed('out', 'the folder for what the device is to keep')
  const common = { call, token, device: options.text('device'), folder }
  switch (kind) {
    case 'x509':
      return redeemCertificate(common)
    case 'secret':
      return redeemSecret(common)
    case 'psk':
      return redeemPsk(common)
    case 'oscore':
      return redeemOscore(common)
    case 'jwt-key':
      return redeemJwtKey(common)
  }
}

async function redeemCertificate({ call, token, device, folder }: Common): Promise<Outcome> {
  const csrFile = call.options.text('csr')
  const given = csrFile === undefined ? null : await readText(csrFile, '--csr')
  const client = await call.client()
  const names = { certificate: 'device.crt', root: 'ca.crt', ...(given === null && { privateKey: 'device.key' }) }
  return withOutput(inFolder(folder, names), async output => {
    const made = given === null ? await makeKeyAndRequest(device ?? null) : null
    const redeemed = await client.enrolments.redeem({ token, csr: given ?? made?.request ?? '', device })
    const { certificate, root } = certificateFiles(redeemed.certificate, redeemed.chain)
    const files: Record<string, string> = {
      certificate: await output.write('certificate', certificate),
      root: await output.write('root', root),
    }
    if (made) files.privateKey = await output.write('privateKey', made.privateKey)
    const key = files.privateKey ?? '<its key>'
    return done(redeemed, files, publish(redeemed, `--cafile ${files.root} --cert ${files.certificate} --key ${key}`))
  })
}

async function redeemSecret({ call, token, device, folder }: Common): Promise<Outcome> {
  const audience = call.options.choice('audience', AUDIENCES) ?? 'mqtt'
  const client = await call.client()
  return withOutput(inFolder(folder, { secret: 'device.secret' }), async output => {
    const redeemed = await client.enrolments.redeem({ token, device, kind: 'secret', audience })
    const file = await writeLine(output, 'secret', redeemed.secret)
    const { id } = redeemed.device
    const next =
      audience === 'token'
        ? `latchkey token get --client-id ${id} --client-secret-file ${file}`
        : publish(redeemed, `--cafile ${call.options.text('ca') ?? 'ca.crt'} -u ${id} -P "$(cat ${file})"`)
    return done(redeemed, { secret: file }, next)
  })
}

async function redeemPsk({ call, token, device, folder }: Common): Promise<Outcome> {
  const client = await call.client()
  return withOutput(inFolder(folder, { psk: 'device.psk' }), async output => {
    const redeemed = await client.enrolments.redeem({ token, device, kind: 'psk' })
    const { identity, key } = redeemed.psk
    const file = await writeLine(output, 'psk', `${identity}:${key}`)
    const next = publish(redeemed, `--psk-identity ${identity} --psk "$(sed 's/.*://' ${file})"`)
    return done(redeemed, { psk: file }, next)
  })
}

async function redeemOscore({ call, token, device, folder }: Common): Promise<Outcome> {
  const client = await call.client()
  return withOutput(inFolder(folder, { oscore: 'device.oscore' }), async output => {
    const redeemed = await client.enrolments.redeem({ token, device, kind: 'oscore' })
    const file = await writeLine(output, 'oscore', JSON.stringify(redeemed.oscore))
    return done(redeemed, { oscore: file }, `a CoAP client with OSCORE (RFC 8613) and the context in ${file}`)
  })
}

async function redeemJwtKey({ call, token, device, folder }: Common): Promise<Outcome> {
  const keyFile = call.options.text('public-key')
  const given = keyFile === undefined ? null : publicJwk(await readText(keyFile, '--public-key'))
  const client = await call.client()
  return withOutput(given === null ? inFolder(folder, { privateKey: 'device.key' }) : {}, async output => {
    const made = given === null ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : null
    const jwk = given ?? { ...made?.publicKey.export({ format: 'jwk' }) }
    const redeemed = await client.enrolments.redeem({ token, device, kind: 'jwt-key', jwk })
    const files: Record<string, string> = {}
    if (made) {
      const pem = made.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
      files.privateKey = await output.write('privateKey', pem)
    }
    const key = files.privateKey ?? '<its key>'
    return done(redeemed, files, `latchkey token sign --device ${redeemed.device.id} --key ${key}`)
  })
}

const writeLine = (output: OutputFiles, name: string, line: string): Promise<string> => output.write(name, `${line}\n`)

const publish = ({ device }: Redeemed[EnrolmentKind], how: string): string =>
  `mosquitto_pub -h <broker> -p 8883 -i ${device.id} ${how} -t <topic> -m <message>`

function done(
  { device, credential }: Redeemed[EnrolmentKind],
  files: Readonly<Record<string, string>>,
  next: string,
): Outcome {
  const until = credential.expiresAt === null ? 'without end' : `until ${credential.expiresAt}`
  const kept = Object.values(files).join(', ') || 'its key was here already'
  return {
    json: { device, credential, files },
    text: `enrolled ${device.id} (${device.type}) ${until}: ${kept}`,
    next: [next],
  }
}

async function tokenOf({ options, terminal }: Call): Promise<string> {
  const [token, file] = [options.text('token'), options.text('token-file')]
  if ((token === undefined) === (file === undefined)) throw new Misuse('give the token with --token or --token-file')
  if (token !== undefined) return token
  return (file === '-' ? await terminal.readInput() : await readText(file ?? '', '--token-file')).trim()
}
