// SenML in JSON (RFC 8428 5): `application/senml+json`, content format 110.
import { checkPack } from './senml-pack.ts'
import {
  fieldsOf,
  passOver,
  readRecord,
  SENML_FIELDS,
  SENML_LIMITS,
  SenmlError,
  type SenmlLimits,
  type SenmlNotation,
  type SenmlRecord,
  type SenmlValue,
} from './senml-record.ts'

const FIELDS = new Map(SENML_FIELDS.map(field => [field.label, field]))
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

const NOTATION: SenmlNotation = {
  fieldOf: key => FIELDS.get(String(key)) ?? passOver(String(key)),
  dataOf(value) {
    if (typeof value !== 'string') return null
    const data = Buffer.from(value, 'base64url')
    // URL-safe alphabet, no padding (RFC 8428 4.3): what the reader of Node lets pass beyond that is not the same text.
    return data.toString('base64url') === value ? data : null
  },
}

/** Throws SenmlError for what is no pack, is beyond the limits, or has to be understood and is not. */
export function readSenmlJson(bytes: Buffer, limits: SenmlLimits = SENML_LIMITS): SenmlRecord[] {
  if (bytes.length > limits.bytes) throw new SenmlError(`more than ${limits.bytes} octets`)
  scan(bytes, limits.depth)
  const pack = parsed(bytes)
  if (!Array.isArray(pack)) throw new SenmlError('a pack is an array of records')
  if (pack.length > limits.records) throw new SenmlError(`more than ${limits.records} records`)
  const records = pack.map((item: unknown) => {
    if (typeof item !== 'object' || item === null || Array.isArray(item))
      throw new SenmlError('a record is a JSON object')
    return readRecord(Object.entries(item), NOTATION)
  })
  checkPack(records)
  return records
}

/** Throws SenmlError for records that are no pack. */
export function writeSenmlJson(records: readonly SenmlRecord[]): Buffer {
  checkPack(records)
  const pack = records.map(record =>
    Object.fromEntries(fieldsOf(record).map(({ field, value }) => [field.label, written(value)])),
  )
  return Buffer.from(JSON.stringify(pack))
}

const written = (value: SenmlValue): unknown => (Buffer.isBuffer(value) ? value.toString('base64url') : value)

function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(utf8.decode(bytes))
  } catch {
    throw new SenmlError('no JSON in UTF-8')
  }
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const UPPER_E = 0x45
const OPENS = [0x5b, 0x7b]
const CLOSES = [0x5d, 0x7d]

/** What the parser does not look at: how deep it goes, and that exponents have a lower-case e (RFC 8428 5). */
function scan(bytes: Buffer, most: number): void {
  let depth = 0
  let inString = false
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!
    if (inString) {
      if (byte === BACKSLASH) i += 1
      else if (byte === QUOTE) inString = false
    } else if (byte === QUOTE) inString = true
    else if (byte === UPPER_E) throw new SenmlError('an exponent with an upper-case E')
    else if (CLOSES.includes(byte)) depth -= 1
    else if (OPENS.includes(byte) && ++depth > most) throw new SenmlError(`deeper than ${most}`)
  }
}
