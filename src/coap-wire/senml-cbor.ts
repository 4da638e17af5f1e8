// SenML in CBOR (RFC 8428 6): `application/senml+cbor`, content format 112.
import { decode, encode, Tag } from 'cbor2'
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

const FIELDS = new Map(SENML_FIELDS.map(field => [field.cbor, field]))
const LABELS = new Set(SENML_FIELDS.map(({ label }) => label))
/** Major type 4 in the upper three bits; 31 in the others is an array of unknown length (RFC 8949 3). */
const ARRAY = 4
const INDEFINITE = 31
/** RFC 8949 3.4.4 */
const DECIMAL_FRACTION = 4

const NOTATION: SenmlNotation = {
  fieldOf(key) {
    if (isInteger(key)) return FIELDS.get(Number(key))
    // What has a number goes by its number (RFC 8428 6): whoever took both could be told two things at once.
    if (typeof key !== 'string' || LABELS.has(key)) throw new SenmlError('a label that is neither number nor extension')
    return passOver(key)
  },
  dataOf: value => (value instanceof Uint8Array ? Buffer.from(value) : null),
}

/** Throws SenmlError for what is no pack, is beyond the limits, or has to be understood and is not. */
export function readSenmlCbor(bytes: Buffer, limits: SenmlLimits = SENML_LIMITS): SenmlRecord[] {
  if (bytes.length > limits.bytes) throw new SenmlError(`more than ${limits.bytes} octets`)
  const first = bytes[0] ?? 0
  if (first >> 5 !== ARRAY || (first & 31) === INDEFINITE) throw new SenmlError('a pack is an array of definite length') // RFC 8428 6
  const pack = parsed(bytes, limits.depth)
  if (!Array.isArray(pack)) throw new SenmlError('a pack is an array of records')
  if (pack.length > limits.records) throw new SenmlError(`more than ${limits.records} records`)
  const records = pack.map((item: unknown) => {
    if (!(item instanceof Map)) throw new SenmlError('a record is a CBOR map')
    return readRecord(plainEntries(item), NOTATION)
  })
  checkPack(records)
  return records
}

/** In the shortest form of each number. Throws SenmlError for records that are no pack. */
export function writeSenmlCbor(records: readonly SenmlRecord[]): Buffer {
  checkPack(records)
  const pack = records.map(record => new Map(fieldsOf(record).map(({ field, value }) => [field.cbor, written(value)])))
  return Buffer.from(encode(pack))
}

/** The encoder takes a Buffer for an object of its own kind. */
const written = (value: SenmlValue): unknown => (Buffer.isBuffer(value) ? new Uint8Array(value) : value)

function parsed(bytes: Buffer, maxDepth: number): unknown {
  try {
    return decode(bytes, {
      maxDepth,
      preferMap: true,
      rejectDuplicateKeys: true,
      ignoreGlobalTags: true,
      tags: new Map(),
    })
  } catch {
    throw new SenmlError('no CBOR, or too deep')
  }
}

function* plainEntries(map: ReadonlyMap<unknown, unknown>): Generator<readonly [unknown, unknown]> {
  for (const [key, value] of map) yield [key, plain(value)]
}

/** JSON's numbers are integers of any size, floats or decimal fractions here (RFC 8428 6). */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value)
  if (!(value instanceof Tag) || value.tag !== DECIMAL_FRACTION || !Array.isArray(value.contents)) return value
  const [exponent, mantissa, ...more]: unknown[] = value.contents
  return isInteger(exponent) && isInteger(mantissa) && more.length === 0 ? Number(`${mantissa}e${exponent}`) : value
}

const isInteger = (value: unknown): value is number | bigint => typeof value === 'bigint' || Number.isInteger(value)
