// CoAP messages in and out of OSCORE (RFC 8613 8). Pure: sequence numbers, replay windows and contexts are the caller's.
import { bodyBytes, readBody, writeBody } from './body.ts'
import { CODE, isRequest, isResponse } from './codes.ts'
import type { CoapMessage, CoapOption } from './message.ts'
import { OPTION, optionOf } from './options.ts'
import { inOrder, joinOptions, splitOptions } from './oscore-classes.ts'
import { additionalData, nonceOf, open, partialIvOf, seal, sequenceOf } from './oscore-cose.ts'
import type { OscoreKeys } from './oscore-keys.ts'
import { encodeOscoreOption, type OscoreOption } from './oscore-option.ts'

/** What ties responses to their request (RFC 8613 7.1): kept as long as responses may come. */
export interface RequestBinding {
  readonly kid: Buffer
  readonly partialIv: Buffer
  /** Good for one response without a partial IV of its own. */
  readonly nonce: Buffer
  /** The request had Observe, whatever its value. */
  readonly observe: boolean
}

export interface ProtectedRequest {
  readonly message: CoapMessage
  readonly binding: RequestBinding
}

export interface VerifiedRequest {
  /** Type, message id and token are those of the message outside. */
  readonly message: CoapMessage
  readonly binding: RequestBinding
  /** Not yet known to be fresh: that is the replay window's business. */
  readonly sequence: number
}

export interface VerifiedResponse {
  readonly message: CoapMessage
  /** Of its partial IV; null when that of the request was used. */
  readonly sequence: number | null
}

const NOTHING = Buffer.alloc(0)

/** RFC 8613 8.1. `sequence` must never have been used with these keys. Throws RangeError for what cannot be encoded. */
export function protectRequest(keys: OscoreKeys, message: CoapMessage, sequence: number): ProtectedRequest {
  const { senderId: kid, senderKey, commonIv, idContext } = keys
  const { inner, outer } = splitOptions(message.options)
  const observeValue = optionOf(message, OPTION.Observe)
  const partialIv = partialIvOf(sequence)
  const binding = { kid, partialIv, nonce: nonceOf(commonIv, kid, partialIv), observe: observeValue !== null }
  const plaintext = plaintextOf(message.code, inner, message.payload)
  const options = [
    ...outer,
    { number: OPTION.OSCORE, value: encodeOscoreOption({ partialIv, kidContext: idContext, kid }) },
  ]
  // RFC 8613 4.1.3.5.1: inside and outside.
  if (observeValue !== null) options.push({ number: OPTION.Observe, value: observeValue })
  return {
    message: {
      ...message,
      code: binding.observe ? CODE.FETCH : CODE.POST, // RFC 8613 4.2
      options: inOrder(options),
      payload: seal(senderKey, binding.nonce, additionalData(kid, partialIv), plaintext),
    },
    binding,
  }
}

/** Whether a message with this option can be a protected request at all (RFC 8613 2, 5). */
export function isRequestOption(option: OscoreOption): option is OscoreOption & { kid: Buffer; partialIv: Buffer } {
  return option.kid !== null && option.partialIv !== null
}

/** RFC 8613 8.2, from step 4. null: it was not protected by these keys, or what it hides is no request. */
export function verifyRequest(
  keys: OscoreKeys,
  message: CoapMessage,
  { kid, partialIv }: { readonly kid: Buffer; readonly partialIv: Buffer },
): VerifiedRequest | null {
  const nonce = nonceOf(keys.commonIv, kid, partialIv)
  const plaintext = open(keys.recipientKey, nonce, additionalData(kid, partialIv), message.payload)
  const inner = plaintext === null ? null : messageIn(plaintext, message)
  if (inner === null || !isRequest(inner.code)) return null
  // Kept beyond the datagram that they are views of.
  const binding = {
    kid: Buffer.from(kid),
    partialIv: Buffer.from(partialIv),
    nonce,
    observe: optionOf(inner, OPTION.Observe) !== null,
  }
  return { message: inner, binding, sequence: sequenceOf(partialIv) }
}

/**
 * RFC 8613 8.3. With a `sequence` of one's own the response has a nonce of its own; without, it takes that of the request,
 * which only one response ever may.
 */
export function protectResponse(
  keys: OscoreKeys,
  message: CoapMessage,
  binding: RequestBinding,
  sequence: number | null,
): CoapMessage {
  const { inner, outer } = splitOptions(message.options)
  const observeValue = optionOf(message, OPTION.Observe)
  // RFC 8613 4.1.3.5.2: empty inside; what orders notifications is their partial IV.
  const hidden = observeValue === null ? inner : inner.map(withoutObserveValue)
  const plaintext = plaintextOf(message.code, hidden, message.payload)
  const partialIv = sequence === null ? null : partialIvOf(sequence)
  const nonce = partialIv === null ? binding.nonce : nonceOf(keys.commonIv, keys.senderId, partialIv)
  const options = [
    ...outer,
    { number: OPTION.OSCORE, value: encodeOscoreOption({ partialIv, kidContext: null, kid: null }) },
  ]
  if (observeValue !== null) options.push({ number: OPTION.Observe, value: observeValue })
  return {
    ...message,
    code: binding.observe ? CODE.Content : CODE.Changed, // RFC 8613 4.2
    options: inOrder(options),
    payload: seal(keys.senderKey, nonce, additionalData(binding.kid, binding.partialIv), plaintext),
  }
}

/** RFC 8613 8.4. null: it does not answer this request, or was not protected by these keys. */
export function verifyResponse(
  keys: OscoreKeys,
  message: CoapMessage,
  { partialIv }: OscoreOption,
  binding: RequestBinding,
): VerifiedResponse | null {
  const nonce = partialIv === null ? binding.nonce : nonceOf(keys.commonIv, keys.recipientId, partialIv)
  const aad = additionalData(binding.kid, binding.partialIv)
  const plaintext = open(keys.recipientKey, nonce, aad, message.payload)
  const inner = plaintext === null ? null : messageIn(plaintext, message)
  if (inner === null || !isResponse(inner.code)) return null
  // RFC 8613 4.1.3.5.2: nobody asked for notifications.
  if (!binding.observe && optionOf(inner, OPTION.Observe) !== null) return null
  return { message: inner, sequence: partialIv === null ? null : sequenceOf(partialIv) }
}

/** RFC 8613 5.3: the code, then options and payload as in any message. */
function plaintextOf(code: number, options: readonly CoapOption[], payload: Buffer): Buffer {
  const body = { options, payload }
  const plaintext = Buffer.allocUnsafe(1 + bodyBytes(body))
  plaintext[0] = code
  writeBody(body, plaintext, 1)
  return plaintext
}

function messageIn(plaintext: Buffer, outside: CoapMessage): CoapMessage | null {
  const code = plaintext[0]
  const body = plaintext.length === 0 ? null : readBody(plaintext, 1)
  if (code === undefined || body === null) return null
  return { ...outside, code, options: joinOptions(body.options, outside.options), payload: body.payload }
}

const withoutObserveValue = (option: CoapOption): CoapOption =>
  option.number === OPTION.Observe ? { number: OPTION.Observe, value: NOTHING } : option
