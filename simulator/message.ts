// Messages of the home as they go over the wire: JSON objects, or measurements as SenML packs (RFC 8428).
import { contentFormatOf } from '../src/coap-wire/content-formats.ts'
import { readSenmlCbor, writeSenmlCbor } from '../src/coap-wire/senml-cbor.ts'
import { readSenmlJson, writeSenmlJson } from '../src/coap-wire/senml-json.ts'
import { resolvePack } from '../src/coap-wire/senml-pack.ts'
import { SenmlError, type SenmlRecord } from '../src/coap-wire/senml-record.ts'

/** What is in a message, however it is written. */
export type Message = Readonly<Record<string, unknown>>

/** How a device writes its measurements; everything else is JSON. */
export type Notation = 'json' | 'senml+json' | 'senml+cbor'

export interface WireMessage {
  readonly topic: string
  readonly payload: Buffer
  /** A media type: MQTT's content type, or what the CoAP content format stands for. Null: none was given. */
  readonly contentType?: string | null
}

/** Numbers of the IANA table. */
export const JSON_FORMAT = 50
const SENML_JSON = 110
const SENML_CBOR = 112

/** A field of our messages, and the record that says it: its name follows the topic, its value is in `unit`. */
interface Measured {
  readonly field: string
  readonly suffix: string
  /** Of SenML's registry, where energy is in joules. */
  readonly unit: string
  /** In one of ours. */
  readonly units: number
}

const MEASURED: readonly Measured[] = [
  { field: 'celsius', suffix: '', unit: 'Cel', units: 1 },
  { field: 'watts', suffix: '', unit: 'W', units: 1 },
  { field: 'kWh', suffix: '/energy', unit: 'J', units: 3_600_000 },
  { field: 'seq', suffix: '/seq', unit: 'count', units: 1 },
]

/** `at`: when it was measured, in milliseconds since the epoch. What is no measurement is JSON in any notation. */
export function writeMessage(
  { topic, body, notation }: { readonly topic: string; readonly body: Message; readonly notation: Notation },
  at: number,
): { payload: Buffer; contentFormat: number } {
  const records = notation === 'json' ? null : recordsOf(topic, body, at)
  if (records === null) return { payload: Buffer.from(JSON.stringify(body)), contentFormat: JSON_FORMAT }
  return notation === 'senml+json'
    ? { payload: writeSenmlJson(records), contentFormat: SENML_JSON }
    : { payload: writeSenmlCbor(records), contentFormat: SENML_CBOR }
}

/** Null: it is not what the home talks in. It comes from the wire: anything may be in it. */
export function readMessage({ topic, payload, contentType = null }: WireMessage): Message | null {
  switch (contentType === null ? null : contentFormatOf(contentType)) {
    case SENML_JSON:
      return measurementOf(topic, () => readSenmlJson(payload))
    case SENML_CBOR:
      return measurementOf(topic, () => readSenmlCbor(payload))
    default:
      return objectOf(payload)
  }
}

/** Null: something in it is no measurement. */
function recordsOf(topic: string, body: Message, at: number): SenmlRecord[] | null {
  const records: SenmlRecord[] = []
  for (const [field, amount] of Object.entries(body)) {
    const known = MEASURED.find(one => one.field === field)
    if (known === undefined || !isNumber(amount)) return null
    const { suffix, unit, units } = known
    records.push({
      ...(suffix !== '' && { name: suffix }),
      unit,
      value: units === 1 ? amount : Math.round(amount * units),
    })
  }
  const [first, ...more] = records
  return first ? [{ baseName: topic, baseTime: at / 1000, ...first }, ...more] : null
}

/** Records of other names than the topic's are passed over: a device speaks for where it publishes. */
function measurementOf(topic: string, read: () => SenmlRecord[]): Message | null {
  try {
    const message: Record<string, unknown> = Object.create(null)
    for (const { name, unit, value } of resolvePack(read(), 0)) {
      const known = MEASURED.find(one => topic + one.suffix === name && one.unit === unit)
      if (known && isNumber(value)) message[known.field] = value / known.units
    }
    return message
  } catch (error) {
    if (error instanceof SenmlError) return null
    throw error
  }
}

function objectOf(payload: Buffer): Message | null {
  try {
    const value: unknown = JSON.parse(payload.toString())
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    return isObject ? Object.assign(Object.create(null), value) : null
  } catch {
    return null
  }
}

export const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value)
