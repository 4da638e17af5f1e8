// Option numbers and what each may look like.
import type { CoapOption } from './message.ts'

/** RFC 7252 5.10, RFC 7641 2, RFC 7959 2.1 and 4, RFC 8613 2, RFC 8768 3, RFC 9175 2.2 and 3.2, RFC 7967 2. */
export const OPTION = {
  IfMatch: 1,
  UriHost: 3,
  ETag: 4,
  IfNoneMatch: 5,
  Observe: 6,
  UriPort: 7,
  LocationPath: 8,
  OSCORE: 9,
  UriPath: 11,
  ContentFormat: 12,
  MaxAge: 14,
  UriQuery: 15,
  HopLimit: 16,
  Accept: 17,
  LocationQuery: 20,
  Block2: 23,
  Block1: 27,
  Size2: 28,
  ProxyUri: 35,
  ProxyScheme: 39,
  Size1: 60,
  Echo: 252,
  NoResponse: 258,
  RequestTag: 292,
} as const

export type OptionFormat = 'empty' | 'opaque' | 'uint' | 'string'

export interface OptionRule {
  readonly format: OptionFormat
  /** Bytes of the value. */
  readonly minimum: number
  readonly maximum: number
  readonly repeatable: boolean
}

const rule = (format: OptionFormat, minimum: number, maximum: number): OptionRule => {
  return { format, minimum, maximum, repeatable: false }
}
const repeatable = (format: OptionFormat, minimum: number, maximum: number): OptionRule => {
  return { format, minimum, maximum, repeatable: true }
}

/** The tables of the RFCs above, as they are for requests (in a response ETag stands once). */
export const OPTION_RULES: ReadonlyMap<number, OptionRule> = new Map([
  [OPTION.IfMatch, repeatable('opaque', 0, 8)],
  [OPTION.UriHost, rule('string', 1, 255)],
  [OPTION.ETag, repeatable('opaque', 1, 8)],
  [OPTION.IfNoneMatch, rule('empty', 0, 0)],
  [OPTION.Observe, rule('uint', 0, 3)],
  [OPTION.UriPort, rule('uint', 0, 2)],
  [OPTION.LocationPath, repeatable('string', 0, 255)],
  [OPTION.OSCORE, rule('opaque', 0, 255)],
  [OPTION.UriPath, repeatable('string', 0, 255)],
  [OPTION.ContentFormat, rule('uint', 0, 2)],
  [OPTION.MaxAge, rule('uint', 0, 4)],
  [OPTION.UriQuery, repeatable('string', 0, 255)],
  [OPTION.HopLimit, rule('uint', 1, 1)],
  [OPTION.Accept, rule('uint', 0, 2)],
  [OPTION.LocationQuery, repeatable('string', 0, 255)],
  [OPTION.Block2, rule('uint', 0, 3)],
  [OPTION.Block1, rule('uint', 0, 3)],
  [OPTION.Size2, rule('uint', 0, 4)],
  [OPTION.ProxyUri, rule('string', 1, 1034)],
  [OPTION.ProxyScheme, rule('string', 1, 255)],
  [OPTION.Size1, rule('uint', 0, 4)],
  [OPTION.Echo, rule('opaque', 1, 40)],
  [OPTION.NoResponse, rule('uint', 0, 1)],
  [OPTION.RequestTag, repeatable('opaque', 0, 8)],
])

/** Odd numbers must be understood or the message refused; even ones may be passed over (RFC 7252 5.4.1, 5.4.6). */
export function isCritical(number: number): boolean {
  return (number & 1) === 1
}

export interface Recognised {
  /** Those that count. The very array given, when all do. */
  readonly options: readonly CoapOption[]
  /** Number of the first critical option that was not recognised, or null. */
  readonly refused: number | null
}

/**
 * Sorts out what a receiver that understands `understood` does not recognise (RFC 7252 5.4.1): numbers it does not know,
 * values of a length that the table forbids (5.4.3), and repetitions of what stands but once (5.4.5).
 */
export function recogniseOptions(options: readonly CoapOption[], understood: ReadonlySet<number>): Recognised {
  let kept: CoapOption[] | null = null
  let refused: number | null = null
  let before = -1
  for (let i = 0; i < options.length; i++) {
    const option = options[i]!
    if (understood.has(option.number) && isWellFormed(option, before)) {
      kept?.push(option)
    } else {
      kept ??= options.slice(0, i)
      if (refused === null && isCritical(option.number)) refused = option.number
    }
    before = option.number
  }
  return { options: kept ?? options, refused }
}

/** `before`: the number of the option in front of it. A number without a row has no bounds. */
function isWellFormed({ number, value }: CoapOption, before: number): boolean {
  const known = OPTION_RULES.get(number)
  if (known === undefined) return true
  if (value.length < known.minimum || value.length > known.maximum) return false
  return known.repeatable || number !== before
}

/** The value of the first option with this number; null without one. */
export function optionOf(message: { readonly options: readonly CoapOption[] }, number: number): Buffer | null {
  const { options } = message
  for (let i = 0; i < options.length; i++) {
    const option = options[i]!
    if (option.number === number) return option.value
    if (option.number > number) return null
  }
  return null
}

/** The values of all options with this number, in their order. */
export function optionsOf(message: { readonly options: readonly CoapOption[] }, number: number): Buffer[] {
  return message.options.filter(option => option.number === number).map(({ value }) => value)
}

/** A `uint` of up to 4 bytes, leading zeros allowed (RFC 7252 3.2); of a longer value the last 4 bytes. */
export function uintOf(value: Buffer): number {
  let n = 0
  for (let i = 0; i < value.length; i++) n = ((n << 8) | value[i]!) >>> 0
  return n
}

/** The shortest form (RFC 7252 3.2): 0 is empty. Throws RangeError unless it is an integer from 0 to 2^32 - 1. */
export function uintValue(n: number): Buffer {
  if (!Number.isInteger(n) || n < 0 || n > 0xffffffff) throw new RangeError(`${n} is no 32-bit uint`)
  const length = n === 0 ? 0 : n < 0x100 ? 1 : n < 0x10000 ? 2 : n < 0x1000000 ? 3 : 4
  const value = Buffer.alloc(length)
  if (length > 0) value.writeUIntBE(n, 0, length)
  return value
}
