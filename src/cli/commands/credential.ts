import { collect } from '../collect.ts'
import { type Call, confirmed, DECLINED, DRY_RUN, type NounRow, type Outcome, YES } from '../command.ts'
import { table } from '../present.ts'
import { CREDENTIAL_COLUMNS } from './credential-columns.ts'
import { ISSUE_OPTIONS, issue, ownerOf, rotate } from './issue-credential.ts'

export const credential: NounRow = {
  noun: 'credential',
  summary: 'Credentials: how devices and clients prove who they are',
  commands: [
    {
      name: 'issue',
      summary: 'Give a device or client a credential',
      reach: 'operator',
      options: ISSUE_OPTIONS,
      examples: [
        ['latchkey credential issue --kind secret --device t1 --out t1.secret', 'a password for MQTT, into a new file'],
        ['latchkey credential issue --kind psk --device t1', 'a TLS pre-shared key'],
        ['latchkey credential issue --kind oscore --device t1 --out t1.oscore', 'an OSCORE security context for CoAP'],
        ['latchkey credential issue --kind scram --device t1 --out t1.scram', 'a password that is proved, never sent'],
        ['latchkey credential issue --kind x509 --device t1 --out t1/ --p12', 'key, certificate and PKCS #12'],
        ['latchkey credential issue --kind x509 --device t1 --csr t1.csr --ttl 30d', 'signs a request'],
        [
          'latchkey credential issue --kind jwt-key --device t1 --out t1.key',
          'makes a key here, registers its public half',
        ],
        ['latchkey credential issue --kind secret --audience api --client anna', 'an API key'],
      ],
      run: issue,
    },
    {
      name: 'list',
      summary: 'Credentials, revoked and expired ones among them',
      reach: 'operator',
      options: [
        { flags: '--device <id>', text: 'of this device' },
        { flags: '--client <id>', text: 'of this client' },
      ],
      examples: [['latchkey credential list --device t1', 'what t1 may come with']],
      async run({ client, options, terminal }) {
        const owner = ownerOf(options)
        const credentials = await collect((await client()).credentials.all({ owner }))
        const issueOne = 'latchkey credential issue --kind secret --device <id>'
        return {
          json: { items: credentials, next: null },
          text: table(credentials, CREDENTIAL_COLUMNS, terminal.paintOut, 'no credentials'),
          next: credentials.length === 0 ? [issueOne] : [],
        }
      },
    },
    {
      name: 'revoke <id>',
      summary: 'Make a credential worthless; ends the sessions that hang on it at once',
      reach: 'operator',
      options: [{ flags: '--reason <text>', text: 'for the audit trail' }, YES, DRY_RUN],
      examples: [['latchkey credential revoke c7x2 --reason "stolen"', 'its sessions have ended when this returns']],
      run: revoke,
    },
    {
      name: 'rotate <id>',
      summary: 'The next secret, pre-shared key or OSCORE context now, the old one until the overlap is over',
      reach: 'operator',
      options: [
        { flags: '--overlap <duration>', text: 'how long the old one still works (default: not at all)' },
        { flags: '--ttl <duration>', text: 'how long the new one works' },
        { flags: '--out <file>', text: 'write it to a new file, readable by you alone' },
      ],
      examples: [['latchkey credential rotate c7x2 --overlap 1h --out t1.secret', 'one hour to bring the new one out']],
      run: rotate,
    },
  ],
}

async function revoke(call: Call): Promise<Outcome> {
  const client = await call.client()
  const found = await client.credentials.get(call.words[0] ?? '')
  const sessions = (await collect(client.sessions.all({ principal: found.owner }))).filter(
    session => session.credential?.id === found.id,
  )
  const what = `the ${found.kind} ${found.id} of ${found.owner}`
  if (call.options.flag('dry-run')) {
    const text = `would revoke ${what} and end ${sessions.length} live session(s)`
    return { json: { credential: found, sessions }, text }
  }
  if (!(await confirmed(call, `Revoke ${what} for good?`))) return DECLINED
  const revoked = await client.credentials.revoke(found.id, call.options.text('reason') ?? 'revoked by an operator')
  return {
    json: revoked,
    text: `revoked ${what}; no session hangs on it any more`,
    next: [
      `latchkey credential issue --kind ${found.kind} --${found.ownerKind} ${found.owner}, if it should come back`,
    ],
  }
}
