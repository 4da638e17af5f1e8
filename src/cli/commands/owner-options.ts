// Options that devices and clients share, and the commands that are the same for both.
import type { LatchkeyClient } from '../../client/client.ts'
import { collect } from '../collect.ts'
import {
  type Call,
  type CommandRow,
  confirmed,
  DECLINED,
  DRY_RUN,
  type OptionRow,
  type Outcome,
  YES,
} from '../command.ts'
import { Misuse } from '../misuse.ts'
import type { Options } from '../options.ts'
import { counted } from '../present.ts'

const CLIENT_IDS = ['own', 'under'] as const

export const OWNER_OPTIONS: readonly OptionRow[] = [
  {
    flags: '--attribute <name=value>',
    text: 'what policies see as a variable of the device; name= takes it away',
    repeat: true,
  },
  { flags: '--group <name>', text: 'group it belongs to', repeat: true },
  { flags: '--role <name>', text: 'role beside those that the policy assigns', repeat: true },
  { flags: '--client-ids <own|under>', text: 'MQTT client ids it may use: its own id, or also <id>/...' },
]

export interface OwnerFields {
  readonly attributes?: Readonly<Record<string, string | null>>
  readonly groups?: readonly string[]
  readonly roles?: readonly string[]
  readonly clientIds?: 'own' | 'under'
}

/** Only what was named; an attribute without a value is null, which removes it. */
export function ownerFields(options: Options): OwnerFields {
  const attributes = options.pairs('attribute')
  const groups = options.list('group')
  const roles = options.list('role')
  const clientIds = options.choice('client-ids', CLIENT_IDS)
  return {
    ...(attributes && {
      attributes: Object.fromEntries([...attributes].map(([name, value]) => [name, value || null])),
    }),
    ...(groups && { groups }),
    ...(roles && { roles }),
    ...(clientIds && { clientIds }),
  }
}

/** For something new there is nothing to take away. */
export const given = (attributes: OwnerFields['attributes'] = {}): Record<string, string> =>
  Object.fromEntries(Object.entries(attributes).filter((pair): pair is [string, string] => pair[1] !== null))

/** The fields named with `--clear`, checked against those that can be emptied. */
export function cleared<const T extends string>(options: Options, clearable: readonly T[]): ReadonlySet<T> {
  const named = options.list('clear') ?? []
  const wrong = named.find(field => !clearable.some(each => each === field))
  if (wrong !== undefined) throw new Misuse(`--clear ${wrong}: choose one of ${clearable.join(', ')}`)
  return new Set(clearable.filter(each => named.includes(each)))
}

export const clearOption = (clearable: readonly string[]): OptionRow => ({
  flags: '--clear <field>',
  text: `empty a field: ${clearable.join(', ')}`,
  repeat: true,
})

interface Owners {
  get(id: string): Promise<{ readonly id: string }>
  suspend(id: string): Promise<{ readonly id: string }>
  resume(id: string): Promise<{ readonly id: string }>
  remove(id: string): Promise<void>
}

/** suspend, resume and remove. */
export function lifeCycleCommands(noun: 'device' | 'client', owners: (client: LatchkeyClient) => Owners): CommandRow[] {
  return [
    {
      name: 'suspend <id>',
      summary: `Shut a ${noun} out until it is resumed; ends its sessions at once`,
      reach: 'operator',
      examples: [[`latchkey ${noun} suspend t1`, 't1 is cut off when this returns']],
      async run(call) {
        const suspended = await owners(await call.client()).suspend(call.words[0] ?? '')
        return {
          json: suspended,
          text: `${suspended.id} is suspended and its sessions have ended`,
          next: [`latchkey ${noun} resume ${suspended.id}`],
        }
      },
    },
    {
      name: 'resume <id>',
      summary: `Let a suspended ${noun} in again`,
      reach: 'operator',
      examples: [[`latchkey ${noun} resume t1`, 'its credentials work again']],
      async run(call) {
        const resumed = await owners(await call.client()).resume(call.words[0] ?? '')
        return { json: resumed, text: `${resumed.id} is active`, next: [`latchkey ${noun} show ${resumed.id}`] }
      },
    },
    {
      name: 'remove <id>',
      summary: `Remove a ${noun}; its credentials never work again`,
      reach: 'operator',
      options: [YES, DRY_RUN],
      examples: [
        [`latchkey ${noun} remove t1 --dry-run`, 'what would go with it'],
        [`latchkey ${noun} remove t1 --yes`, 'without a question'],
      ],
      run: call => remove(call, noun, owners),
    },
  ]
}

async function remove(call: Call, noun: string, owners: (client: LatchkeyClient) => Owners): Promise<Outcome> {
  const client = await call.client()
  const found = await owners(client).get(call.words[0] ?? '')
  const credentials = await collect(client.credentials.all({ owner: found.id }))
  const working = counted(credentials.filter(({ status }) => status === 'active').length, 'active credential')
  if (call.options.flag('dry-run')) {
    return { json: { [noun]: found, credentials }, text: `would remove ${found.id} and revoke ${working}` }
  }
  if (!(await confirmed(call, `Remove ${found.id} and revoke ${working} for good?`))) return DECLINED
  await owners(client).remove(found.id)
  return { json: found, text: `removed ${found.id} and revoked ${working}`, next: [`latchkey ${noun} list`] }
}
