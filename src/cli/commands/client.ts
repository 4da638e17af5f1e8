import type { Client, ClientPatch } from '../../client/client.ts'
import { collect } from '../collect.ts'
import type { Call, NounRow, OptionRow, Outcome } from '../command.ts'
import { Misuse } from '../misuse.ts'
import type { Options } from '../options.ts'
import { type Column, record, table } from '../present.ts'
import { CREDENTIAL_COLUMNS } from './credential-columns.ts'
import { cleared, clearOption, given, lifeCycleCommands, OWNER_OPTIONS, ownerFields } from './owner-options.ts'

const KINDS = ['service', 'operator'] as const
const AUTH_METHODS = ['client_secret_basic', 'client_secret_post'] as const
const CLEARABLE = ['attributes', 'groups', 'roles', 'scopes', 'token-lifetime'] as const

const FIELDS: readonly OptionRow[] = [
  ...OWNER_OPTIONS,
  { flags: '--scope <scope>', text: 'scopes its tokens may have, beside being within its roles', repeat: true },
  { flags: '--token-lifetime <duration>', text: 'how long its access tokens live' },
  { flags: '--auth-method <method>', text: `at the token endpoint: ${AUTH_METHODS.join(' or ')}` },
]

const COLUMNS: readonly Column<Client>[] = [
  { title: 'id', value: found => found.id },
  { title: 'kind', value: found => found.kind },
  { title: 'status', value: found => found.status },
  { title: 'roles', value: found => found.roles },
  { title: 'scopes', value: found => found.scopes },
  { title: 'groups', value: found => found.groups },
]

export const client: NounRow = {
  noun: 'client',
  summary: 'Clients: services and operators',
  commands: [
    {
      name: 'create <id>',
      summary: 'Register a service or an operator',
      reach: 'operator',
      options: [{ flags: '--kind <kind>', text: 'service (default) or operator' }, ...FIELDS],
      examples: [
        ['latchkey client create dashboard --role reader', 'a service; give it a secret next'],
        ['latchkey client create anna --kind operator --role enroller', 'an operator who may enrol devices'],
      ],
      async run(call) {
        const { options } = call
        const { attributes, ...fields } = fieldsOf(options)
        const created = await (await call.client()).clients.create({
          ...fields,
          id: call.words[0] ?? '',
          kind: options.choice('kind', KINDS),
          attributes: given(attributes ?? {}),
        })
        const audience = created.kind === 'operator' ? 'api' : 'token'
        const next = `latchkey credential issue --kind secret --audience ${audience} --client ${created.id}`
        return { json: created, text: shown(call, created), next: [next] }
      },
    },
    {
      name: 'list',
      summary: 'All clients',
      reach: 'operator',
      examples: [['latchkey client list', 'services and operators']],
      async run({ client: connect, terminal }) {
        const clients = await collect((await connect()).clients.all())
        return {
          json: { items: clients, next: null },
          text: table(clients, COLUMNS, terminal.paintOut, 'no clients'),
          next: clients.length === 0 ? ['latchkey client create <id>'] : [],
        }
      },
    },
    {
      name: 'show <id>',
      summary: 'One client and its credentials',
      reach: 'operator',
      examples: [['latchkey client show dashboard', 'all about it']],
      async run(call) {
        const api = await call.client()
        const found = await api.clients.get(call.words[0] ?? '')
        if (call.json) return { json: found, text: '' }
        const credentials = await collect(api.credentials.all({ owner: found.id }))
        const list = table(credentials, CREDENTIAL_COLUMNS, call.terminal.paintOut, 'no credentials')
        return { json: found, text: `${shown(call, found)}\n\n${list}` }
      },
    },
    {
      name: 'set <id>',
      summary: 'Change a client; what is not named stays',
      reach: 'operator',
      options: [...FIELDS, clearOption(CLEARABLE)],
      examples: [
        ['latchkey client set dashboard --role reader --role writer', 'these two roles and no others'],
        ['latchkey client set dashboard --clear scopes', 'its tokens may have all that its roles permit'],
      ],
      run: set,
    },
    ...lifeCycleCommands('client', api => api.clients),
  ],
}

async function set(call: Call): Promise<Outcome> {
  const { options } = call
  const id = call.words[0] ?? ''
  const empty = cleared(options, CLEARABLE)
  const named: ClientPatch = {
    ...(empty.has('groups') && { groups: [] }),
    ...(empty.has('roles') && { roles: [] }),
    ...(empty.has('scopes') && { scopes: null }),
    ...(empty.has('token-lifetime') && { tokenLifetime: null }),
    ...fieldsOf(options),
  }
  if (Object.keys(named).length === 0 && empty.size === 0) throw new Misuse('name what to change; --help lists it')
  const api = await call.client()
  const before = empty.has('attributes') ? Object.keys((await api.clients.get(id)).attributes) : []
  const removed = Object.fromEntries(before.map(name => [name, null]))
  const updated = await api.clients.update(id, {
    ...named,
    ...((before.length > 0 || named.attributes) && { attributes: { ...removed, ...named.attributes } }),
  })
  return { json: updated, text: shown(call, updated), next: [`latchkey client show ${id}`] }
}

function fieldsOf(options: Options): ClientPatch {
  const scopes = options.list('scope')
  const tokenLifetime = options.duration('token-lifetime')
  const authMethod = options.choice('auth-method', AUTH_METHODS)
  return {
    ...ownerFields(options),
    ...(scopes && { scopes }),
    ...(tokenLifetime !== undefined && { tokenLifetime }),
    ...(authMethod && { authMethod }),
  }
}

const shown = ({ terminal }: Call, found: Client): string => record({ ...found }, terminal.paintOut)
