import type { Device, DevicePatch } from '../../client/client.ts'
import { collect } from '../collect.ts'
import type { Call, NounRow, Outcome } from '../command.ts'
import { Misuse } from '../misuse.ts'
import { type Column, record, table } from '../present.ts'
import { CREDENTIAL_COLUMNS } from './credential-columns.ts'
import { cleared, clearOption, given, lifeCycleCommands, OWNER_OPTIONS, ownerFields } from './owner-options.ts'

const CLEARABLE = ['attributes', 'groups', 'roles', 'parent'] as const

const PARENT = { flags: '--parent <device>', text: 'gateway that speaks for it' }

const COLUMNS: readonly Column<Device>[] = [
  { title: 'id', value: found => found.id },
  { title: 'type', value: found => found.type },
  { title: 'status', value: found => found.status },
  { title: 'attributes', value: found => found.attributes },
  { title: 'groups', value: found => found.groups },
  { title: 'roles', value: found => found.roles },
  { title: 'parent', value: found => found.parent },
]

export const device: NounRow = {
  noun: 'device',
  summary: 'Devices: what may connect',
  commands: [
    {
      name: 'create <id>',
      summary: 'Register a device',
      reach: 'operator',
      options: [{ flags: '--type <type>', text: 'its device type' }, ...OWNER_OPTIONS, PARENT],
      examples: [
        ['latchkey device create t1 --type thermostat --attribute room=kitchen', 'a thermostat in the kitchen'],
        ['latchkey device create g1 --type gateway --client-ids under', 'a gateway with several connections'],
      ],
      async run(call) {
        const { options, words } = call
        const { attributes, ...fields } = ownerFields(options)
        const parent = options.text('parent')
        const created = await (await call.client()).devices.create({
          ...fields,
          id: words[0] ?? '',
          type: options.needed('type', 'the device type; `latchkey device types` lists them'),
          attributes: given(attributes),
          ...(parent !== undefined && { parent }),
        })
        const next = `latchkey credential issue --kind secret --device ${created.id}`
        return { json: created, text: shown(call, created), next: [next] }
      },
    },
    {
      name: 'list',
      summary: 'All devices',
      reach: 'operator',
      options: [{ flags: '--type <type>', text: 'of this device type only' }],
      examples: [
        ['latchkey device list', 'all devices'],
        ['latchkey device list --type thermostat --json', 'thermostats, for a script'],
      ],
      async run({ client, options, terminal }) {
        const devices = await collect((await client()).devices.all({ type: options.text('type') }))
        return {
          json: { items: devices, next: null },
          text: table(devices, COLUMNS, terminal.paintOut, 'no devices'),
          next: devices.length === 0 ? ['latchkey apply devices/, or latchkey device create <id> --type <type>'] : [],
        }
      },
    },
    {
      name: 'show <id>',
      summary: 'One device, its credentials and its live sessions',
      reach: 'operator',
      examples: [['latchkey device show t1', 'all about t1']],
      run: show,
    },
    {
      name: 'set <id>',
      summary: 'Change a device; what is not named stays',
      reach: 'operator',
      options: [
        { flags: '--type <type>', text: 'another device type' },
        ...OWNER_OPTIONS,
        PARENT,
        clearOption(CLEARABLE),
      ],
      examples: [
        ['latchkey device set t1 --attribute room=attic', 'it moved; its other attributes stay'],
        ['latchkey device set t1 --attribute floor= --clear roles', 'takes one attribute and all extra roles away'],
      ],
      run: set,
    },
    ...lifeCycleCommands('device', client => client.devices),
    {
      name: 'types',
      summary: 'Device types; `latchkey apply` makes them',
      reach: 'operator',
      examples: [['latchkey device types', 'all types with their attributes (* = required)']],
      run: types,
    },
  ],
}

async function show(call: Call): Promise<Outcome> {
  const client = await call.client()
  const found = await client.devices.get(call.words[0] ?? '')
  if (call.json) return { json: found, text: '' }
  const credentials = await collect(client.credentials.all({ owner: found.id }))
  const sessions = await collect(client.sessions.all({ principal: found.id }))
  const live = sessions.map(each => `connected since ${each.since} by ${each.transport} from ${each.address}`)
  return {
    json: found,
    text: [
      shown(call, found),
      table(credentials, CREDENTIAL_COLUMNS, call.terminal.paintOut, 'no credentials'),
      live.length === 0 ? 'not connected' : live.join('\n'),
    ].join('\n\n'),
    next: credentials.length === 0 ? [`latchkey credential issue --kind secret --device ${found.id}`] : [],
  }
}

async function set(call: Call): Promise<Outcome> {
  const { options } = call
  const id = call.words[0] ?? ''
  const empty = cleared(options, CLEARABLE)
  const [type, parent] = [options.text('type'), options.text('parent')]
  const named: DevicePatch = {
    ...(empty.has('groups') && { groups: [] }),
    ...(empty.has('roles') && { roles: [] }),
    ...(empty.has('parent') && { parent: null }),
    ...ownerFields(options),
    ...(type !== undefined && { type }),
    ...(parent !== undefined && { parent }),
  }
  if (Object.keys(named).length === 0 && empty.size === 0) throw new Misuse('name what to change; --help lists it')
  const client = await call.client()
  const before = empty.has('attributes') ? Object.keys((await client.devices.get(id)).attributes) : []
  const removed = Object.fromEntries(before.map(name => [name, null]))
  const updated = await client.devices.update(id, {
    ...named,
    ...((before.length > 0 || named.attributes) && { attributes: { ...removed, ...named.attributes } }),
  })
  return { json: updated, text: shown(call, updated), next: [`latchkey policy explain --device ${id} --help`] }
}

async function types({ client, terminal }: Call): Promise<Outcome> {
  const found = await collect((await client()).deviceTypes.all())
  const attributes = (rules: Readonly<Record<string, { readonly required: boolean }>>) =>
    Object.entries(rules).map(([name, { required }]) => (required ? `${name}*` : name))
  const columns: Column<(typeof found)[number]>[] = [
    { title: 'id', value: type => type.id },
    { title: 'attributes', value: type => attributes(type.attributes) },
    { title: 'client ids', value: type => type.clientIds },
    { title: 'description', value: type => type.description },
  ]
  return {
    json: { items: found, next: null },
    text: table(found, columns, terminal.paintOut, 'no device types'),
    next: found.length === 0 ? ['latchkey apply devices/'] : [],
  }
}

const shown = ({ terminal }: Call, found: Device): string => record({ ...found }, terminal.paintOut)
