// Signalling messages of reliable transports (RFC 8323 5): what two ends of a connection say about it.
import type { FramedMessage } from './frame.ts'
import type { CoapOption } from './message.ts'
import { isCritical, optionOf, uintOf, uintValue } from './options.ts'

/** RFC 8323 11.1. */
export const SIGNAL = { CSM: 0xe1, Ping: 0xe2, Pong: 0xe3, Release: 0xe4, Abort: 0xe5 } as const

/** RFC 8323 11.2, RFC 8974 5.1. What a number means depends on the code of the message. */
export const SIGNAL_OPTION = {
  MaxMessageSize: 2,
  BlockWiseTransfer: 4,
  ExtendedTokenLength: 6,
  Custody: 2,
  AlternativeAddress: 2,
  HoldOff: 4,
  BadCsmOption: 2,
} as const

/** What one end has said that it can do (RFC 8323 5.3). */
export interface Capabilities {
  /** Bytes of a message that it takes, head included. */
  readonly maxMessageSize: number
  readonly blockWise: boolean
  /** Bytes of a token that it takes as a server (RFC 8974 2.2.2). */
  readonly tokenBytes: number
}

/** Before the first CSM (RFC 8323 5.3.1, RFC 8974 2.2.2). */
export const BASE_CAPABILITIES: Capabilities = { maxMessageSize: 1152, blockWise: false, tokenBytes: 8 }

export type Signal =
  | { readonly kind: 'csm'; readonly capabilities: Capabilities }
  | { readonly kind: 'ping'; readonly token: Buffer; readonly custody: boolean }
  | { readonly kind: 'pong'; readonly token: Buffer; readonly custody: boolean }
  | { readonly kind: 'release'; readonly holdOff: number | null; readonly diagnostic: string }
  | { readonly kind: 'abort'; readonly badCsmOption: number | null; readonly diagnostic: string }
  /** A critical option that is not understood: to be answered with Abort, whatever the rest says. */
  | { readonly kind: 'refused'; readonly isCsm: boolean; readonly option: number }
  /** A code that is not assigned. */
  | { readonly kind: 'unknown' }

interface Rule {
  readonly minimum: number
  readonly maximum: number
  readonly repeatable?: boolean
}

const CUSTODY = new Map<number, Rule>([[SIGNAL_OPTION.Custody, { minimum: 0, maximum: 0 }]])
const RULES: ReadonlyMap<number, ReadonlyMap<number, Rule>> = new Map([
  [
    SIGNAL.CSM,
    new Map<number, Rule>([
      [SIGNAL_OPTION.MaxMessageSize, { minimum: 0, maximum: 4 }],
      [SIGNAL_OPTION.BlockWiseTransfer, { minimum: 0, maximum: 0 }],
      [SIGNAL_OPTION.ExtendedTokenLength, { minimum: 0, maximum: 3 }],
    ]),
  ],
  [SIGNAL.Ping, CUSTODY],
  [SIGNAL.Pong, CUSTODY],
  [
    SIGNAL.Release,
    new Map<number, Rule>([
      [SIGNAL_OPTION.AlternativeAddress, { minimum: 1, maximum: 255, repeatable: true }],
      [SIGNAL_OPTION.HoldOff, { minimum: 0, maximum: 3 }],
    ]),
  ],
  [SIGNAL.Abort, new Map<number, Rule>([[SIGNAL_OPTION.BadCsmOption, { minimum: 0, maximum: 2 }]])],
])

const NOTHING: Buffer = Buffer.alloc(0)

/** `before`: what the sender could do until now; a CSM alters only what it names (RFC 8323 5.3). */
export function readSignal(message: FramedMessage, before: Capabilities): Signal {
  const rules = RULES.get(message.code)
  if (rules === undefined) return { kind: 'unknown' }
  const isCsm = message.code === SIGNAL.CSM
  const recognised = recognise(message.options, rules)
  if (typeof recognised === 'number') return { kind: 'refused', isCsm, option: recognised }
  const read = { options: recognised }
  const number = (option: number): number | null => {
    const value = optionOf(read, option)
    return value === null ? null : uintOf(value)
  }
  const diagnostic = message.payload.toString('utf8')
  switch (message.code) {
    case SIGNAL.CSM: {
      const tokenBytes = number(SIGNAL_OPTION.ExtendedTokenLength)
      const capabilities = {
        maxMessageSize: number(SIGNAL_OPTION.MaxMessageSize) ?? before.maxMessageSize,
        blockWise: before.blockWise || number(SIGNAL_OPTION.BlockWiseTransfer) !== null,
        // RFC 8974 2.2.2: below 8 is as 8.
        tokenBytes: tokenBytes === null ? before.tokenBytes : Math.max(tokenBytes, BASE_CAPABILITIES.tokenBytes),
      }
      return { kind: 'csm', capabilities }
    }
    case SIGNAL.Release:
      return { kind: 'release', holdOff: number(SIGNAL_OPTION.HoldOff), diagnostic }
    case SIGNAL.Abort:
      return { kind: 'abort', badCsmOption: number(SIGNAL_OPTION.BadCsmOption), diagnostic }
    default: {
      const custody = number(SIGNAL_OPTION.Custody) !== null
      return { kind: message.code === SIGNAL.Ping ? 'ping' : 'pong', token: message.token, custody }
    }
  }
}

/** As RFC 7252 5.4.1, 5.4.3 and 5.4.5 have it for other messages; a number is that of the option refused. */
function recognise(options: readonly CoapOption[], rules: ReadonlyMap<number, Rule>): CoapOption[] | number {
  const kept: CoapOption[] = []
  let before = -1
  for (const option of options) {
    const { number, value } = option
    const rule = rules.get(number)
    const isWell =
      rule !== undefined &&
      value.length >= rule.minimum &&
      value.length <= rule.maximum &&
      (rule.repeatable === true || number !== before)
    if (isWell) kept.push(option)
    else if (isCritical(number)) return number
    before = number
  }
  return kept
}

const signal = (code: number, options: readonly CoapOption[], payload = NOTHING, token = NOTHING): FramedMessage => ({
  code,
  token,
  options,
  payload,
})
const uint = (number: number, value: number): CoapOption => ({ number, value: uintValue(value) })

/** RFC 8323 5.3. */
export function csm({ maxMessageSize, blockWise, tokenBytes }: Capabilities): FramedMessage {
  return signal(SIGNAL.CSM, [
    uint(SIGNAL_OPTION.MaxMessageSize, maxMessageSize),
    ...(blockWise ? [{ number: SIGNAL_OPTION.BlockWiseTransfer, value: NOTHING }] : []),
    ...(tokenBytes > BASE_CAPABILITIES.tokenBytes ? [uint(SIGNAL_OPTION.ExtendedTokenLength, tokenBytes)] : []),
  ])
}

/** RFC 8323 5.4. */
export const ping = (token: Buffer): FramedMessage => signal(SIGNAL.Ping, [], NOTHING, token)

/** RFC 8323 5.4.1: custody says that all that came before the Ping has been processed. */
export const pong = (token: Buffer, custody: boolean): FramedMessage =>
  signal(SIGNAL.Pong, custody ? [{ number: SIGNAL_OPTION.Custody, value: NOTHING }] : [], NOTHING, token)

/** RFC 8323 5.5. */
export const release = (diagnostic: string): FramedMessage => signal(SIGNAL.Release, [], Buffer.from(diagnostic))

/** RFC 8323 5.6. `badCsmOption`: number of the option of a CSM that could not be taken. */
export const abort = (diagnostic: string, badCsmOption: number | null = null): FramedMessage =>
  signal(
    SIGNAL.Abort,
    badCsmOption === null ? [] : [uint(SIGNAL_OPTION.BadCsmOption, badCsmOption)],
    Buffer.from(diagnostic),
  )
