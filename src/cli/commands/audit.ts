import { setTimeout as pause } from 'node:timers/promises'
import { AUDIT_EVENT_TYPES } from '../../audit/events.ts'
import type { AuditRecord, Verification } from '../../client/client.ts'
import type { Call, NounRow, OptionRow, Outcome } from '../command.ts'
import { Misuse } from '../misuse.ts'
import { parseCount } from '../options.ts'
import { counted, record, timeOf } from '../present.ts'
import { dataDirectory, readOperatorFile } from '../server.ts'
import { eventLine } from './audit-lines.ts'

const FILTERS: readonly OptionRow[] = [
  { flags: '--type <type>', text: AUDIT_EVENT_TYPES.join(', ') },
  { flags: '--principal <id>', text: 'whom it is about or who did it' },
]
const SHOWN = 50
/** Milliseconds between two looks of `follow`. */
const POLL = 500

export const audit: NounRow = {
  noun: 'audit',
  summary: 'The audit trail: who did what, who was refused and why',
  commands: [
    {
      name: 'list',
      summary: 'The newest records',
      reach: 'operator',
      options: [
        ...FILTERS,
        { flags: '--limit <count>', text: `how many (default ${SHOWN}, at most 500)` },
        { flags: '--before <id>', text: 'older than this record' },
        { flags: '--after <id>', text: 'the oldest ones newer than this record' },
      ],
      examples: [
        ['latchkey audit list --type decision', 'denials and permits, counted by minute'],
        ['latchkey audit list --principal t1 --limit 10', 'the last ten about t1'],
      ],
      run: list,
    },
    {
      name: 'show <id>',
      summary: 'One record, whole',
      reach: 'operator',
      examples: [['latchkey audit show 4711', 'with the hashes that chain it']],
      async run({ client, words, terminal }) {
        const found = await (await client()).audit.get(parseCount(words[0] ?? '', 'id'))
        const { event, ...rest } = found
        const denied = event.type === 'decision' && event.permit === false
        return {
          json: found,
          text: record({ ...rest, ...event }, terminal.paintOut),
          next: denied ? [`latchkey policy explain --denial ${found.id}`] : [],
        }
      },
    },
    {
      name: 'follow',
      summary: 'Show records as they come, until Ctrl-C; with --json one per line',
      reach: 'operator',
      options: [...FILTERS, { flags: '--after <id>', text: 'begin after this record instead of now' }],
      examples: [['latchkey audit follow --type authentication', 'who comes and who is refused']],
      run: follow,
    },
    {
      name: 'verify',
      summary: 'Walk the hash chain: was anything changed, taken out or cut off? Works without a broker too',
      reach: 'operator',
      options: [{ flags: '--key-file <file>', text: 'vault key, when it is not <data>/vault.key (without a broker)' }],
      examples: [
        ['latchkey audit verify', 'asks the broker; when none runs, reads the data directory'],
        ['latchkey audit verify --data /backup/data --key-file vault.key', 'a copy, elsewhere'],
      ],
      run: verify,
    },
  ],
}

const filters = ({ options }: Call) => ({
  type: options.choice('type', AUDIT_EVENT_TYPES),
  principal: options.text('principal'),
})

async function list(call: Call): Promise<Outcome> {
  const { options, terminal } = call
  const [before, after] = [options.count('before'), options.count('after')]
  if (before !== undefined && after !== undefined) throw new Misuse('give --before or --after, not both')
  const reverse = after === undefined
  const api = (await call.client()).audit
  const page = await api.list({
    ...filters(call),
    limit: options.count('limit') ?? SHOWN,
    reverse,
    after: after ?? before,
  })
  const records = reverse ? page.items.toReversed() : page.items
  const older = reverse && page.next !== null ? [`latchkey audit list --before ${records[0]?.id}`] : []
  return {
    json: page,
    text: records.length === 0 ? 'no records' : records.map(found => lineOf(found, call)).join('\n'),
    next: records.length === 0 || terminal.interactive === false ? [] : [...older, 'latchkey audit show <id>'],
  }
}

async function follow(call: Call): Promise<Outcome> {
  const api = (await call.client()).audit
  const newest = await api.list({ limit: 1, reverse: true })
  let after = call.options.count('after') ?? newest.items[0]?.id ?? 0
  for (;;) {
    const page = await api.list({ ...filters(call), after, limit: 500 })
    for (const found of page.items) call.terminal.out(call.json ? JSON.stringify(found) : lineOf(found, call))
    after = page.items.at(-1)?.id ?? after
    if (page.next === null) await pause(POLL)
  }
}

const lineOf = ({ id, at, event }: AuditRecord, { terminal }: Call): string =>
  `${terminal.paintOut('dim', `${String(id).padStart(6)}  ${timeOf(at)}`)}  ${eventLine(event, terminal.paintOut)}`

async function verify(call: Call): Promise<Outcome> {
  const found = (await isOnline(call)) ? await (await call.client()).audit.verify() : await verifyOffline(call)
  const { ok, records, brokenAt, reason } = found
  const paint = call.terminal.paintOut
  const text = ok
    ? `${paint('green', 'whole')}: ${counted(records, 'record')}, each chained to the one before`
    : `${paint('red', 'BROKEN')} at ${brokenAt === null ? 'the head' : `record ${brokenAt}`}: ${reason}`
  const act = 'somebody had write access to the database: take it off the network and compare it with a backup'
  return { json: found, text, exitCode: ok ? 0 : 1, next: ok ? [] : [act] }
}

/** A broker was named, or one runs on the data directory. */
async function isOnline({ options, terminal }: Call): Promise<boolean> {
  if (options.text('key-file') !== undefined) return false
  if (options.text('url') !== undefined || terminal.environment.LATCHKEY_URL !== undefined) return true
  return readOperatorFile(dataDirectory(options, terminal)).then(
    () => true,
    () => false,
  )
}

async function verifyOffline({ options, terminal }: Call): Promise<Verification> {
  const { openOffline } = await import('../../offline.ts')
  const data = await openOffline(dataDirectory(options, terminal), options.text('key-file'))
  try {
    return await data.verifyAudit()
  } finally {
    await data.close()
  }
}
