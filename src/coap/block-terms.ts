// How long the blocks are that somebody gets: as the limits have it, and as the channel can take them.
import { BERT } from './block1.ts'
import { blockBytes, sizeExponentOf } from './block2.ts'
import type { Endpoint } from './endpoint.ts'

export interface BlockTerms {
  /** The largest size exponent; 7 is BERT (RFC 8323 6). */
  readonly largest: number
  /** Bytes of payload that leave in one message, as one block with BERT. */
  readonly room: number
}

/** Bytes of a message beside its payload: a token of 64 bytes and all options that our answers have. */
const BESIDE_PAYLOAD = 128
/** RFC 8323 5.3.1. */
const BASE_MESSAGE = 1152

/** `largest`: the size exponent that the limits allow. */
export function termsFor(
  { reliable, largestMessage, speaksBert }: Pick<Endpoint, 'reliable' | 'largestMessage' | 'speaksBert'>,
  largest: number,
): BlockTerms {
  if (!reliable && largestMessage === undefined) return datagramTerms(largest)
  const room = Math.max(blockBytes(0), (largestMessage ?? BASE_MESSAGE) - BESIDE_PAYLOAD)
  if (!reliable) return datagramTerms(Math.min(largest, sizeExponentOf(room)))
  if (speaksBert === true && room >= blockBytes(BERT)) return { largest: BERT, room }
  return { largest: Math.min(largest, sizeExponentOf(room)), room }
}

/** A record of DTLS, for example: one block to each. */
const datagramTerms = (largest: number): BlockTerms => ({ largest, room: blockBytes(largest) })
