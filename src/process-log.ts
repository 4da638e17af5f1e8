import { destination, pino, stdSerializers } from 'pino'
import { LogLines } from './log-lines.ts'
import { type Log, silentLog } from './model/log.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

/** On stderr, because stdout belongs to the ready line: JSON lines, or readable ones where a person sits before a terminal. */
export function openLog(level: LogLevel): Log {
  if (level === 'silent') return silentLog
  const options = {
    name: 'latchkey',
    level,
    formatters: { log: withoutSecrets },
    serializers: { err: loggedError },
  }
  if (!process.stderr.isTTY) return pino(options, stderrLines())
  const colour = process.env.NO_COLOR === undefined || process.env.NO_COLOR === ''
  return pino(options, { write: line => process.stderr.write(`${readableLine(line, colour)}\n`) })
}

/** A second lock: nothing that holds a secret is logged anyway. */
const SECRET = new Set(['password', 'secret', 'token', 'key'])

/** Without members of these names in whatever a line holds. Errors are stripped when they have become plain objects. */
export function withoutSecrets(fields: Record<string, unknown>): Record<string, unknown> {
  let clean = fields
  for (const name in fields) {
    const value = fields[name]
    if (typeof value !== 'object' || value === null || value instanceof Error) continue
    const safe = stripped(value)
    if (safe === value) continue
    if (clean === fields) clean = { ...fields }
    clean[name] = safe
  }
  return clean
}

export const loggedError = (error: Error): object => stripped(stdSerializers.err(error))

function stripped(value: object): object {
  const members = Object.entries(value)
  return members.some(([name]) => SECRET.has(name))
    ? Object.fromEntries(members.filter(([name]) => !SECRET.has(name)))
    : value
}

let lines: LogLines | null = null

/** One for all brokers of this process. */
function stderrLines(): LogLines {
  if (lines !== null) return lines
  const made = new LogLines(destination({ dest: 2, sync: true }))
  process.once('exit', () => made.flush())
  lines = made
  return made
}

const LEVELS: ReadonlyMap<unknown, { readonly name: string; readonly paint: string }> = new Map([
  [20, { name: 'debug', paint: '\u001b[2m' }],
  [30, { name: 'info', paint: '\u001b[36m' }],
  [40, { name: 'warn', paint: '\u001b[33m' }],
  [50, { name: 'error', paint: '\u001b[31m' }],
])
const PLAIN = '\u001b[0m'
/** Said by the line's beginning, or the same in every line. */
const KNOWN: ReadonlySet<string> = new Set(['level', 'time', 'pid', 'hostname', 'name', 'msg'])

/** `12:44:46 info  session-start principal=t1 client=t1`, out of one of pino's JSON lines. */
export function readableLine(json: string, colour: boolean): string {
  const line = JSON.parse(json) as Record<string, unknown>
  const level = LEVELS.get(line.level) ?? { name: String(line.level), paint: '' }
  const name = level.name.padEnd(5)
  const time = new Date(Number(line.time)).toTimeString().slice(0, 8)
  const fields = Object.entries(line)
    .filter(([key, value]) => !KNOWN.has(key) && value !== null)
    .map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
  return [time, colour ? `${level.paint}${name}${PLAIN}` : name, line.msg, ...fields].join(' ')
}
