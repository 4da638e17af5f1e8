// How long the blocks are that somebody gets: over datagrams as the limits have it, over a connection as it can take them.
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
  { reliable, largestMessage = BASE_MESSAGE, speaksBert }: Pick<Endpoint, 'reliable' | 'largestMessage' | 'speaksBert'>,
  largest: number,
): BlockTerms {
  if (!reliable) return { largest, room: blockBytes(largest) }
  const room = Math.max(blockBytes(0), largestMessage - BESIDE_PAYLOAD)
  if (speaksBert === true && room >= blockBytes(BERT)) return { largest: BERT, room }
  return { largest: Math.min(largest, sizeExponentOf(room)), room }
}
