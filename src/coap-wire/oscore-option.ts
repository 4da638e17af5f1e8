// The value of the OSCORE option: the header of a COSE object, compressed (RFC 8613 6.1).

export interface OscoreOption {
  /** 1 to 5 bytes; null without. */
  readonly partialIv: Buffer | null
  readonly kidContext: Buffer | null
  /** May be there and empty. */
  readonly kid: Buffer | null
}

const PARTIAL_IV_LENGTH = 0x07
const HAS_KID = 0x08
const HAS_KID_CONTEXT = 0x10
const RESERVED = 0xe0
/** Lengths 6 and 7 are reserved. */
const MAX_PARTIAL_IV_BYTES = 5

const NOTHING = Buffer.alloc(0)
const NONE: OscoreOption = { partialIv: null, kidContext: null, kid: null }

export function encodeOscoreOption({ partialIv, kidContext, kid }: OscoreOption): Buffer {
  const flags = (partialIv?.length ?? 0) | (kid === null ? 0 : HAS_KID) | (kidContext === null ? 0 : HAS_KID_CONTEXT)
  // Nothing at all is an option without a value.
  if (flags === 0) return NOTHING
  return Buffer.concat([
    Buffer.from([flags]),
    partialIv ?? NOTHING,
    ...(kidContext === null ? [] : [Buffer.from([kidContext.length]), kidContext]),
    kid ?? NOTHING,
  ])
}

/** null for what is none: reserved bits or lengths, or parts that are cut off. The parts are views of the value. */
export function decodeOscoreOption(value: Buffer): OscoreOption | null {
  if (value.length === 0) return NONE
  const flags = value[0]!
  const partialIvBytes = flags & PARTIAL_IV_LENGTH
  // RFC 8613 6.1: no flag set is the empty value, and that has no byte for it.
  if (flags === 0 || (flags & RESERVED) !== 0 || partialIvBytes > MAX_PARTIAL_IV_BYTES) return null
  let at = 1 + partialIvBytes
  if (at > value.length) return null
  const partialIv = partialIvBytes === 0 ? null : value.subarray(1, at)
  let kidContext: Buffer | null = null
  if ((flags & HAS_KID_CONTEXT) !== 0) {
    const length = value[at]
    if (length === undefined || at + 1 + length > value.length) return null
    kidContext = value.subarray(at + 1, at + 1 + length)
    at += 1 + length
  }
  if ((flags & HAS_KID) !== 0) return { partialIv, kidContext, kid: value.subarray(at) }
  return at === value.length ? { partialIv, kidContext, kid: null } : null
}
