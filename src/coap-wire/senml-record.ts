// SenML (RFC 8428): a pack of records, whatever it is written in. The rules that JSON and CBOR share.

/** A record as it stands in its pack: base fields not yet applied. Times are in seconds (4.5.3). */
export interface SenmlRecord {
  readonly baseName?: string
  readonly baseTime?: number
  readonly baseUnit?: string
  readonly baseValue?: number
  readonly baseSum?: number
  readonly baseVersion?: number
  readonly name?: string
  readonly unit?: string
  readonly time?: number
  readonly updateTime?: number
  /** `v`, `vs`, `vb` or `vd`, of which there is at most one. */
  readonly value?: SenmlValue
  readonly sum?: number
}

export type SenmlValue = number | string | boolean | Buffer

/** Why something is no pack, or none that we may use. */
export class SenmlError extends Error {
  constructor(reason: string) {
    super(reason)
    this.name = 'SenmlError'
  }
}

export interface SenmlLimits {
  /** Octets of a pack. */
  readonly bytes: number
  readonly records: number
  /** Of arrays and objects in one another, the pack itself included: only fields that are passed over need more than 2. */
  readonly depth: number
}

export const SENML_LIMITS: SenmlLimits = { bytes: 65_536, records: 1_000, depth: 8 }

type Kind = 'string' | 'number' | 'boolean' | 'data' | 'version'

/** A row of the label table (RFC 8428 4.3), `cbor`: its label there (6, table 4). */
export interface SenmlField {
  readonly label: string
  readonly cbor: number
  readonly kind: Kind
  readonly of: keyof SenmlRecord
}

/** In the order in which fields are written, that of the RFC's examples. */
export const SENML_FIELDS: readonly SenmlField[] = [
  { label: 'bn', cbor: -2, kind: 'string', of: 'baseName' },
  { label: 'bt', cbor: -3, kind: 'number', of: 'baseTime' },
  { label: 'bu', cbor: -4, kind: 'string', of: 'baseUnit' },
  { label: 'bv', cbor: -5, kind: 'number', of: 'baseValue' },
  { label: 'bs', cbor: -6, kind: 'number', of: 'baseSum' },
  { label: 'bver', cbor: -1, kind: 'version', of: 'baseVersion' },
  { label: 'n', cbor: 0, kind: 'string', of: 'name' },
  { label: 'u', cbor: 1, kind: 'string', of: 'unit' },
  { label: 't', cbor: 6, kind: 'number', of: 'time' },
  { label: 'v', cbor: 2, kind: 'number', of: 'value' },
  { label: 'vs', cbor: 3, kind: 'string', of: 'value' },
  { label: 'vb', cbor: 4, kind: 'boolean', of: 'value' },
  { label: 'vd', cbor: 8, kind: 'data', of: 'value' },
  { label: 's', cbor: 5, kind: 'number', of: 'sum' },
  { label: 'ut', cbor: 7, kind: 'number', of: 'updateTime' },
]

/** What a format knows of its own: a field by its key there, and what is in a `vd`. */
export interface SenmlNotation {
  /** Undefined: to be passed over. Throws SenmlError for a key that may not be. */
  fieldOf(key: unknown): SenmlField | undefined
  /** Null when it is none. */
  dataOf(value: unknown): Buffer | null
}

/** Throws SenmlError. */
export function readRecord(entries: Iterable<readonly [unknown, unknown]>, notation: SenmlNotation): SenmlRecord {
  const record: { -readonly [K in keyof SenmlRecord]: SenmlValue } = {}
  for (const [key, value] of entries) {
    const field = notation.fieldOf(key)
    if (field === undefined) continue
    const read = field.kind === 'data' ? notation.dataOf(value) : value
    if (!isOfKind(read, field.kind)) throw new SenmlError(`${field.label} is not what it has to be`)
    if (record[field.of] !== undefined) throw new SenmlError('a record has more than one value') // 4.2
    record[field.of] = read
  }
  return record as SenmlRecord
}

/** Fields of a record with the labels under which they are written. */
export function fieldsOf(record: SenmlRecord): { field: SenmlField; value: SenmlValue }[] {
  return SENML_FIELDS.flatMap(field => {
    const value = record[field.of]
    return value !== undefined && isOfKind(value, field.kind) ? [{ field, value }] : []
  })
}

/** Whoever does not know a label passes over it, unless it ends so (4.4). Throws SenmlError. */
export function passOver(label: string): undefined {
  if (label.endsWith('_')) throw new SenmlError('a field must be understood, and is not known')
}

function isOfKind(value: unknown, kind: Kind): value is SenmlValue {
  switch (kind) {
    case 'string':
      return typeof value === 'string'
    case 'boolean':
      return typeof value === 'boolean'
    case 'data':
      return Buffer.isBuffer(value)
    case 'number':
      return Number.isFinite(value)
    case 'version':
      return Number.isSafeInteger(value) && Number(value) > 0
  }
}
