import type { EnrolmentKind } from '../../client/client.ts'
import { collect } from '../collect.ts'
import { type Call, confirmed, DECLINED, type NounRow, type Outcome, YES } from '../command.ts'
import { formatDuration } from '../duration.ts'
import { Misuse } from '../misuse.ts'
import type { Options } from '../options.ts'
import { withOutput } from '../output-files.ts'
import { counted, table } from '../present.ts'
import { given, ownerFields } from './owner-options.ts'
import { ENROLMENT_KINDS, REDEEM_OPTIONS, redeem } from './redeem-enrolment.ts'

const DEFAULT_TTL = 3600

export const enrolment: NounRow = {
  noun: 'enrolment',
  summary: 'Enrolment: one-time tokens by which devices get their first credential',
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
        {
          flags: '--kind <kind>',
          text: `what the device may become: ${ENROLMENT_KINDS.join(', ')} (default x509)`,
          repeat: true,
        },
        {
          flags: '--lifetime <duration>',
          text: 'how long its credentials work (default: certificates 90d, others no end)',
        },
        { flags: '--out <file>', text: 'write the token to a new file, readable by you alone' },
      ],
      examples: [
        ['latchkey enrolment create --type thermostat --ttl 1h', 'one thermostat within the hour'],
        ['latchkey enrolment create --type thermostat --device t7 --attribute room=attic', 'only t7, in the attic'],
        ['latchkey enrolment create --type thermostat --kind psk --kind secret', 'for what has no certificates'],
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
              { title: 'kinds', value: found => found.kinds },
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
      summary: 'On the device: turn a token into a certificate, secret or key, exactly once',
      reach: 'anyone',
      options: REDEEM_OPTIONS,
      examples: [
        [
          'latchkey enrolment redeem --token lk_enrolment_... --device t7 --url https://hub:8443 --ca ca.crt --out keys/',
          'from the device itself: the key is made there and never leaves it',
        ],
        ['latchkey enrolment redeem --token-file token --csr t7.csr --out keys/', 'with a key that exists already'],
        [
          'latchkey enrolment redeem --token-file token --kind psk --out keys/',
          'a pre-shared key, where the token gives one',
        ],
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
  const kinds = kindsOf(options)
  const lifetime = options.duration('lifetime')
  const { attributes, groups } = ownerFields(options)
  const out = options.text('out')
  const client = await call.client()
  return withOutput(out === undefined ? {} : { token: out }, async output => {
    const created = await client.enrolments.create({
      type,
      ttl,
      device: options.text('device'),
      ...(uses !== undefined && { uses }),
      ...(kinds && { kinds }),
      ...(lifetime !== undefined && { lifetime }),
      ...(attributes && { attributes: given(attributes) }),
      ...(groups && { groups }),
    })
    const { id, token, expiresAt } = created
    const lasts = `${id} works for ${formatDuration(ttl)} and ${counted(uses ?? 1, 'device')}`
    const kind = kinds && kinds[0] !== 'x509' ? ` --kind ${kinds[0]}` : ''
    const next = [
      'latchkey ca root --out ca.crt, and bring it to the device',
      `latchkey enrolment redeem --token ${out === undefined ? '<token>' : `"$(cat ${out})"`}${kind} --url <this broker> --ca ca.crt --out keys/`,
    ]
    if (out === undefined) return { json: created, text: token, warnings: [`this token is shown once; ${lasts}`], next }
    const file = await output.write('token', `${token}\n`)
    return { json: { id, expiresAt, files: { token: file } }, text: `${lasts}: written to ${file}`, next }
  })
}

function kindsOf(options: Options): EnrolmentKind[] | undefined {
  return options.list('kind')?.map(text => {
    const kind = ENROLMENT_KINDS.find(each => each === text)
    if (kind === undefined) throw new Misuse(`--kind ${text}: choose from ${ENROLMENT_KINDS.join(', ')}`)
    return kind
  })
}
