// What holds across the records of a SenML pack: base fields, names, times, one version (RFC 8428 4).
import { fieldsOf, SENML_LIMITS, SenmlError, type SenmlRecord, type SenmlValue } from './senml-record.ts'

/** A record that stands for itself (RFC 8428 4.6). */
export interface ResolvedRecord {
  readonly name: string
  readonly unit?: string
  /** Seconds since the Unix epoch. */
  readonly time: number
  readonly updateTime?: number
  readonly value?: SenmlValue
  readonly sum?: number
  /** Only of packs with another version than this one's (4.6). */
  readonly version?: number
}

/** The version that RFC 8428 defines, and the default (4.1). */
export const SENML_VERSION = 10
/** Seconds: from here on a time is absolute, below it is relative to now (4.5.3). */
const ABSOLUTE = 2 ** 28
/** 4.5.1 */
const NAME = /^[A-Za-z0-9][-A-Za-z0-9:./_]*$/

/** Throws SenmlError when the records are no pack, or one of a later version (RFC 8428 4.4). */
export function checkPack(records: readonly SenmlRecord[], most = SENML_LIMITS.records): void {
  if (records.length === 0) throw new SenmlError('a pack without records') // RFC 8428 11
  if (records.length > most) throw new SenmlError(`more than ${most} records`)
  for (const _ of inForce(records));
}

/**
 * The records with their base fields applied, in chronological order (RFC 8428 4.6). `now`: when the pack was sent or
 * received, in seconds since the Unix epoch. Throws SenmlError as `checkPack` does.
 */
export function resolvePack(records: readonly SenmlRecord[], now: number): ResolvedRecord[] {
  return Array.from(inForce(records), item => resolved(item, now)).sort((one, other) => one.time - other.time)
}

/** A record, and what the base fields up to it say. */
interface InForce {
  readonly record: SenmlRecord
  readonly base: Base
  readonly name: string
  /** As written: relative below 2**28. */
  readonly time: number
}

interface Base {
  readonly name: string
  readonly time: number
  readonly unit: string | undefined
  readonly value: number
  /** Undefined: there was none. */
  readonly sum: number | undefined
  readonly version: number
}

const NO_BASE: Base = { name: '', time: 0, unit: undefined, value: 0, sum: undefined, version: SENML_VERSION }

function* inForce(records: readonly SenmlRecord[]): Generator<InForce> {
  const version = records[0]?.baseVersion ?? SENML_VERSION
  if (version > SENML_VERSION) throw new SenmlError(`version ${version} is not known`)
  let base = NO_BASE
  for (const record of records) {
    base = {
      name: record.baseName ?? base.name,
      time: record.baseTime ?? base.time,
      unit: record.baseUnit ?? base.unit,
      value: record.baseValue ?? base.value,
      sum: record.baseSum ?? base.sum,
      version,
    }
    if ((record.baseVersion ?? version) !== version) throw new SenmlError('records of different versions') // 4.4
    if (saysBaseOnly(record)) continue
    const name = base.name + (record.name ?? '')
    if (!NAME.test(name)) throw new SenmlError('a record has no name, or one of other characters')
    // 4.2: a value is left out only beside a sum, which a base sum is too (4.5.4).
    if (record.value === undefined && record.sum === undefined && base.sum === undefined)
      throw new SenmlError('a record has neither value nor sum')
    const time = finite(base.time + (record.time ?? 0))
    if (typeof record.value === 'number') finite(base.value + record.value)
    finite((base.sum ?? 0) + (record.sum ?? 0))
    yield { record, base, name, time }
  }
}

/** Not a measurement, but what those after it share: as in the first example of RFC 8428 5.1.7. */
function saysBaseOnly(record: SenmlRecord): boolean {
  const fields = fieldsOf(record)
  return fields.length > 0 && fields.every(({ field }) => field.cbor < 0) // base fields have negative labels (6)
}

function resolved({ record, base, name, time }: InForce, now: number): ResolvedRecord {
  const { value, sum, updateTime } = record
  const unit = record.unit ?? base.unit
  const total = sum === undefined && base.sum === undefined ? undefined : (base.sum ?? 0) + (sum ?? 0)
  return {
    name,
    ...(unit !== undefined && { unit }),
    time: time < ABSOLUTE ? now + time : time,
    ...(updateTime !== undefined && { updateTime }),
    ...(value !== undefined && { value: typeof value === 'number' ? base.value + value : value }),
    ...(total !== undefined && { sum: total }),
    ...(base.version !== SENML_VERSION && { version: base.version }),
  }
}

/** Sums of finite numbers may be none. */
function finite(sum: number): number {
  if (!Number.isFinite(sum)) throw new SenmlError('a field and its base field add up to no number')
  return sum
}
