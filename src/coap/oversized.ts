import { HEADER_BYTES } from '../coap-wire/decode.ts'

/** Header and token, which is all that the answer to a datagram that is too long needs. */
export const headOf = (bytes: Buffer): Buffer => bytes.subarray(0, HEADER_BYTES + (bytes[0]! & 15))
