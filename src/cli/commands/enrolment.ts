import { collect } from '../collect.ts'
import { type Call, confirmed, DECLINED, type NounRow, type Outcome, YES } from '../command.ts'
import { formatDuration } from '../duration.ts'
import { readText } from '../input-files.ts'
import { makeKeyAndRequest } from '../key-and-request.ts'
import { Misuse } from '../misuse.ts'
import { inFolder, withOutput } from '../output-files.ts'
import { certificateFiles } from '../pem.ts'
import { counted, table } from '../present.ts'
import { given, ownerFields } from './owner-options.ts'

const DEFAULT_TTL = 3600

export const enrolment: NounRow = {
  noun: 'enrolment',
  summary: 'Enrolment: one-time tokens by which devices get their first certificate',
  commands: [
    {
      name: 'create',
      summary: 'Make an enrolment token',
      reach: 'operator',
      options: [
        { flags: '--type <type>', text: 'device type of what will be enrolled' },
        { flags: '--ttl <duration>', text: `how long the token works (default ${formatDuration(DEFAULT_TTL)})` },
        { flags: '--device <id>', text: 'the one id it may enrol; without, the device asks for one' },
        { flags: '--uses <count>', text: 'devices it may enrol (default 1)' },
        { flags: '--attribute <name=value>', text: 'attribute of what is enrolled', repeat: true },
        { flags: '--group <name>', text: 'group of what is enrolled', repeat: true },
        { flags: '--out <file>', text: 'write the token to a new file, readable by you alone' },
      ],
      examples: [
        ['latchkey enrolment create --type thermostat --ttl 1h', 'one thermostat within the hour'],
        ['latchkey enrolment create --type thermostat --device t7 --attribute room=attic', 'only t7, in the attic'],
      ],
      run: create,
    },
    {
      name: 'list',
      summary: 'Enrolment tokens and what became of them (without the tokens themselves)',
      reach: 'operator',
      examples: [['latchkey enrolment list', 'which are open, spent, expired or revoked']],
      async run({ client, terminal }) {
        const enrolments = await collect((await client()).enrolments.all())
        return {
          json: { items: enrolments, next: null },
          text: table(
            enrolments,
            [
              { title: 'id', value: found => found.id },
              { title: 'type', value: found => found.type },
              { title: 'device', value: found => found.device },
              { title: 'status', value: found => found.status },
              { title: 'used', value: found => `${found.devices.length} of ${found.uses}` },
              { title: 'attributes', value: found => found.attributes },
              { title: 'groups', value: found => found.groups },
              { title: 'expires', value: found => found.expiresAt },
            ],
            terminal.paintOut,
            'no enrolments',
          ),
          next: enrolments.length === 0 ? ['latchkey enrolment create --type <type>'] : [],
        }
      },
    },
    {
      name: 'revoke <id>',
      summary: 'Make an enrolment token worthless',
      reach: 'operator',
      options: [YES],
      examples: [['latchkey enrolment revoke e4k9', 'it cannot be redeemed any more']],
      async run(call) {
        const id = call.words[0] ?? ''
        const client = await call.client()
        if (!(await confirmed(call, `Revoke the enrolment token ${id}?`))) return DECLINED
        await client.enrolments.revoke(id)
        return { json: { id }, text: `revoked ${id}`, next: ['latchkey enrolment list'] }
      },
    },
    {
      name: 'redeem',
      summary: 'On the device: turn a token into a key and a certificate, exactly once',
      reach: 'anyone',
      options: [
        { flags: '--token <token>', text: 'the enrolment token (or --token-file)' },
        { flags: '--token-file <file>', text: 'file that holds it; - reads standard input' },
        { flags: '--device <id>', text: 'the id to ask for, where the token leaves that open' },
        { flags: '--csr <file>', text: 'send this PKCS #10 request instead of making a key' },
        { flags: '--out <folder>', text: 'where device.key, device.crt and ca.crt go' },
      ],
      examples: [
        [
          'latchkey enrolment redeem --token lk_enrolment_... --device t7 --url https://hub:8443 --ca ca.crt --out keys/',
          'from the device itself: the key is made there and never leaves it',
        ],
        ['latchkey enrolment redeem --token-file token --csr t7.csr --out keys/', 'with a key that exists already'],
      ],
      run: redeem,
    },
  ],
}

async function create(call: Call): Promise<Outcome> {
  const { options } = call
  const type = options.needed('type', 'the device type; `latchkey device types` lists them')
  const ttl = options.duration('ttl') ?? DEFAULT_TTL
  const uses = options.count('uses')
  const { attributes, groups } = ownerFields(options)
  const out = options.text('out')
  const client = await call.client()
  return withOutput(out === undefined ? {} : { token: out }, async output => {
    const created = await client.enrolments.create({
      type,
      ttl,
      device: options.text('device'),
      ...(uses !== undefined && { uses }),
      ...(attributes && { attributes: given(attributes) }),
      ...(groups && { groups }),
    })
    const { id, token, expiresAt } = created
    const lasts = `${id} works for ${formatDuration(ttl)} and ${counted(uses ?? 1, 'device')}`
    const next = [
      'latchkey ca root --out ca.crt, and bring it to the device',
      `latchkey enrolment redeem --token ${out === undefined ? '<token>' : `"$(cat ${out})"`} --url <this broker> --ca ca.crt --out keys/`,
    ]
    if (out === undefined) return { json: created, text: token, warnings: [`this token is shown once; ${lasts}`], next }
    const file = await output.write('token', `${token}\n`)
    return { json: { id, expiresAt, files: { token: file } }, text: `${lasts}: written to ${file}`, next }
  })
}

async function redeem(call: Call): Promise<Outcome> {
  const { options } = call
  const token = await tokenOf(call)
  const folder = options.needed('out', 'the folder for the key and the certificates')
  const csrFile = options.text('csr')
  const given = csrFile === undefined ? null : await readText(csrFile, '--csr')
  const client = await call.client()
  const names = { certificate: 'device.crt', root: 'ca.crt', ...(given === null && { privateKey: 'device.key' }) }
  return withOutput(inFolder(folder, names), async output => {
    const made = given === null ? await makeKeyAndRequest(options.text('device') ?? null) : null
    const csr = given ?? made?.request ?? ''
    const redeemed = await client.enrolments.redeem({ token, csr, device: options.text('device') })
    const { certificate, root } = certificateFiles(redeemed.certificate, redeemed.chain)
    const files: Record<string, string> = {
      certificate: await output.write('certificate', certificate),
      root: await output.write('root', root),
    }
    if (made) files.privateKey = await output.write('privateKey', made.privateKey)
    const { device, credential } = redeemed
    const key = files.privateKey ?? '<its key>'
    return {
      json: { device, credential, files },
      text: `enrolled ${device.id} (${device.type}) until ${credential.expiresAt}: ${Object.values(files).join(', ')}`,
      next: [
        `mosquitto_pub -h <broker> -p 8883 -i ${device.id} --cafile ${files.root} --cert ${files.certificate} --key ${key} -t <topic> -m <message>`,
      ],
    }
  })
}

async function tokenOf({ options, terminal }: Call): Promise<string> {
  const [token, file] = [options.text('token'), options.text('token-file')]
  if ((token === undefined) === (file === undefined)) throw new Misuse('give the token with --token or --token-file')
  if (token !== undefined) return token
  return (file === '-' ? await terminal.readInput() : await readText(file ?? '', '--token-file')).trim()
}
