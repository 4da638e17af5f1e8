// What a request below /ps asks for: the topic in its path, EMQX's options in its query.
import { Failure } from '../model/failure.ts'
import { printable } from '../model/printable.ts'
import type { CoapLimits } from './limits.ts'
import type { Request } from './resource.ts'

export interface TopicOptions {
  /** null: as the message type says. */
  readonly qos: 0 | 1 | 2 | null
  /** null: as the method says. */
  readonly retain: boolean | null
  /** Seconds; null without end. */
  readonly expiry: number | null
  /** No-local: not what this session publishes itself. */
  readonly noLocal: boolean
  /** Retain handling (MQTT 5, 3.8.3.1). */
  readonly retainHandling: 0 | 1 | 2
}

/** The levels below /ps as one topic or filter. Throws `topic-name-invalid` for a level that is none. */
export function topicOf(path: readonly string[]): string {
  const levels = path.slice(1)
  const wrong = levels.find(level => level.includes('/') || level.includes('\0'))
  if (wrong !== undefined)
    throw new Failure('topic-name-invalid', `${printable(wrong, 80)} is no topic level: it holds / or NUL.`)
  return levels.join('/')
}

/** Names that are not known are passed over. Throws `invalid-input`. */
export function topicOptionsOf({ query }: Request): TopicOptions {
  const qos = query.get('qos')
  const retain = query.get('retain')
  return {
    qos: qos === undefined ? null : oneOf('qos', qos, DIGITS),
    retain: retain === undefined ? null : oneOf('retain', retain, BOOLEANS),
    expiry: expiryOf(query.get('expiry')),
    noLocal: oneOf('nl', query.get('nl') ?? 'false', BOOLEANS),
    retainHandling: oneOf('rh', query.get('rh') ?? '0', DIGITS),
  }
}

/** Throws `invalid-input` for more Uri-Query than `queryBytes`. */
export function checkQuery({ query }: Request, { queryBytes }: CoapLimits): void {
  let bytes = 0
  for (const [name, value] of query) bytes += Buffer.byteLength(name) + Buffer.byteLength(value) + 1
  if (bytes > queryBytes)
    throw new Failure('invalid-input', `The query has ${bytes} bytes; limits.coap.queryBytes are ${queryBytes}.`)
}

const DIGITS = new Map<string, 0 | 1 | 2>([
  ['0', 0],
  ['1', 1],
  ['2', 2],
])
const BOOLEANS = new Map([
  ['true', true],
  ['1', true],
  ['false', false],
  ['0', false],
])

function oneOf<T>(name: string, value: string, values: ReadonlyMap<string, T>): T {
  const known = values.get(value)
  if (known !== undefined) return known
  const wanted = [...values.keys()].join(', ')
  throw new Failure('invalid-input', `${name}=${printable(value, 40)} is not one of ${wanted}.`)
}

/** 0 means without end, as with EMQX. */
function expiryOf(value: string | undefined): number | null {
  if (value === undefined) return null
  const seconds = /^\d{1,10}$/.test(value) ? Number(value) : Number.NaN
  if (!(seconds <= 0xffffffff))
    throw new Failure('invalid-input', `expiry=${printable(value, 40)} is no number of seconds up to 4294967295.`)
  return seconds === 0 ? null : seconds
}
