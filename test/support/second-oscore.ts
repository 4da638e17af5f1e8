// A second OSCORE, for tests alone: written from the text of RFC 8613, and sharing nothing with src. Where src calls the
// library (HKDF, AES-CCM), this does it by hand (RFC 5869 2, RFC 3610 2); where src walks messages, this walks bytes.
import { createCipheriv, createHmac } from 'node:crypto'
import { encode as cbor } from 'cbor2'

type Bytes = Uint8Array
type Pair = readonly [option: number, value: Bytes]

export interface Plain {
  readonly code: number
  readonly options: readonly Pair[]
  readonly payload: Bytes
}

export interface End {
  readonly id: Bytes
  readonly peerId: Bytes
  readonly idContext: Bytes | undefined
  readonly sends: Bytes
  readonly receives: Bytes
  readonly iv: Bytes
}

/** `kid` and `piv` of a request, and its nonce. */
export interface Asked {
  readonly kid: Bytes
  readonly piv: Bytes
  readonly nonce: Bytes
  readonly observed: boolean
}

const none = new Uint8Array()
/** The CBOR library takes no Buffers for byte strings. */
const exact = (bytes: Bytes): Bytes => new Uint8Array(bytes)
const joined = (...parts: readonly Bytes[]): Bytes => new Uint8Array(Buffer.concat(parts))

// --- RFC 5869

function hkdf(salt: Bytes, secret: Bytes, info: Bytes, length: number): Bytes {
  const prk = createHmac('sha256', salt.length > 0 ? salt : new Uint8Array(32))
    .update(secret)
    .digest()
  let block: Bytes = none
  let all: Bytes = none
  for (let i = 1; all.length < length; i++) {
    block = createHmac('sha256', prk).update(block).update(info).update(Uint8Array.of(i)).digest()
    all = joined(all, block)
  }
  return all.slice(0, length)
}

export function contextOf(
  secret: Bytes,
  salt: Bytes,
  id: Bytes,
  peerId: Bytes,
  idContext: Bytes | undefined = undefined,
): End {
  const key = (of: Bytes, type: string, length: number) =>
    hkdf(salt, secret, cbor([exact(of), idContext ? exact(idContext) : null, 10, type, length]), length)
  return { id, peerId, idContext, sends: key(id, 'Key', 16), receives: key(peerId, 'Key', 16), iv: key(none, 'IV', 13) }
}

// --- RFC 3610 with L = 2 and M = 8

const aes = (key: Bytes, block: Bytes): Bytes => {
  const cipher = createCipheriv('aes-128-ecb', key, null).setAutoPadding(false)
  return joined(cipher.update(block), cipher.final())
}
const xor = (a: Bytes, b: Bytes): Bytes => a.map((byte, i) => byte ^ (b[i] ?? 0))
const padded = (bytes: Bytes): Bytes => joined(bytes, new Uint8Array((16 - (bytes.length % 16)) % 16))
const two = (n: number): Bytes => Uint8Array.of(n >> 8, n & 255)

function tagOf(key: Bytes, nonce: Bytes, aad: Bytes, plain: Bytes): Bytes {
  const first = joined(Uint8Array.of(0x40 | (3 << 3) | 1), nonce, two(plain.length))
  const blocks = joined(first, padded(joined(two(aad.length), aad)), padded(plain))
  let state: Bytes = new Uint8Array(16)
  for (let at = 0; at < blocks.length; at += 16) state = aes(key, xor(state, blocks.subarray(at, at + 16)))
  return state.slice(0, 8)
}

const counter = (nonce: Bytes, i: number): Bytes => joined(Uint8Array.of(1), nonce, two(i))

function streamed(key: Bytes, nonce: Bytes, data: Bytes): Bytes {
  const out = new Uint8Array(data.length)
  for (let at = 0; at < data.length; at += 16)
    out.set(xor(data.subarray(at, at + 16), aes(key, counter(nonce, at / 16 + 1))), at)
  return out
}

const encrypted = (key: Bytes, nonce: Bytes, aad: Bytes, plain: Bytes): Bytes =>
  joined(streamed(key, nonce, plain), xor(tagOf(key, nonce, aad, plain), aes(key, counter(nonce, 0))))

function decrypted(key: Bytes, nonce: Bytes, aad: Bytes, sealed: Bytes): Bytes | undefined {
  if (sealed.length < 8) return undefined
  const plain = streamed(key, nonce, sealed.subarray(0, -8))
  const tag = xor(tagOf(key, nonce, aad, plain), aes(key, counter(nonce, 0)))
  return Buffer.compare(tag, sealed.subarray(-8)) === 0 ? plain : undefined
}

// --- RFC 8613 5

const shortest = (n: number): Bytes => {
  const digits = n.toString(16)
  return new Uint8Array(Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, 'hex'))
}
const right = (bytes: Bytes, length: number): Bytes => joined(new Uint8Array(length - bytes.length), bytes)
const nonceFrom = (iv: Bytes, id: Bytes, piv: Bytes): Bytes =>
  xor(joined(Uint8Array.of(id.length), right(id, 7), right(piv, 5)), iv)
const aadOf = (kid: Bytes, piv: Bytes): Bytes => cbor(['Encrypt0', none, cbor([1, [10], exact(kid), exact(piv), none])])

// --- RFC 7252 3.1, as a list of bytes

function written(pairs: readonly Pair[], payload: Bytes): Bytes {
  const bytes: number[] = []
  const nibble = (n: number) => (n < 13 ? n : n < 269 ? 13 : 14)
  const rest = (n: number) => (n < 13 ? [] : n < 269 ? [n - 13] : [...two(n - 269)])
  let last = 0
  for (const [number, value] of [...pairs].sort(([a], [b]) => a - b)) {
    bytes.push((nibble(number - last) << 4) | nibble(value.length), ...rest(number - last), ...rest(value.length))
    bytes.push(...value)
    last = number
  }
  return Uint8Array.from(payload.length > 0 ? [...bytes, 0xff, ...payload] : bytes)
}

function read(bytes: Bytes): { options: Pair[]; payload: Bytes } {
  const options: Pair[] = []
  let at = 0
  let number = 0
  const number13 = (n: number) => {
    if (n < 13) return n
    const value = n === 13 ? (bytes[at] ?? 0) + 13 : ((bytes[at] ?? 0) << 8) + (bytes[at + 1] ?? 0) + 269
    at += n - 12
    return value
  }
  while (at < bytes.length && bytes[at] !== 0xff) {
    const head = bytes[at++] ?? 0
    number += number13(head >> 4)
    const length = number13(head & 15)
    options.push([number, bytes.slice(at, at + length)])
    at += length
  }
  return { options, payload: bytes.slice(at + 1) }
}

// --- RFC 8613 4.1 and 8

const OSCORE = 9
const OBSERVE = 6
/** Uri-Host, Uri-Port, OSCORE, Hop-Limit, Proxy-Scheme. */
const OUTSIDE = new Set([3, 7, OSCORE, 16, 39])
const isInside = ([number]: Pair) => !OUTSIDE.has(number)

const has = (plain: Plain, number: number) => plain.options.some(([each]) => each === number)

/** The message outside, and what its response hangs on. */
export function ask(end: End, plain: Plain, sequence: number): { outside: Plain; asked: Asked } {
  const piv = shortest(sequence)
  const nonce = nonceFrom(end.iv, end.id, piv)
  const observed = has(plain, OBSERVE)
  const inside = joined(Uint8Array.of(plain.code), written(plain.options.filter(isInside), plain.payload))
  const flags = 8 | piv.length | (end.idContext ? 16 : 0)
  const context = end.idContext ? joined(Uint8Array.of(end.idContext.length), end.idContext) : none
  const options: Pair[] = [
    ...plain.options.filter(pair => !isInside(pair) || pair[0] === OBSERVE),
    [OSCORE, joined(Uint8Array.of(flags), piv, context, end.id)],
  ]
  const payload = encrypted(end.sends, nonce, aadOf(end.id, piv), inside)
  return { outside: { code: observed ? 5 : 2, options, payload }, asked: { kid: end.id, piv, nonce, observed } }
}

function opened(end: End, outside: Plain, nonce: Bytes, kid: Bytes, piv: Bytes): Plain | undefined {
  const inside = decrypted(end.receives, nonce, aadOf(kid, piv), outside.payload)
  if (inside === undefined) return undefined
  const { options, payload } = read(inside.subarray(1))
  const kept = outside.options.filter(pair => !isInside(pair) && pair[0] !== OSCORE)
  return { code: inside[0] ?? 0, options: [...kept, ...options].sort(([a], [b]) => a - b), payload }
}

export function asked(end: End, outside: Plain): { plain: Plain; asked: Asked } | undefined {
  const value = outside.options.find(([number]) => number === OSCORE)?.[1] ?? none
  const flags = value[0] ?? 0
  const piv = value.slice(1, 1 + (flags & 7))
  const skip = flags & 16 ? 1 + (value[1 + piv.length] ?? 0) : 0
  const kid = value.slice(1 + piv.length + skip)
  const nonce = nonceFrom(end.iv, end.peerId, piv)
  const plain = opened(end, outside, nonce, kid, piv)
  return plain && { plain, asked: { kid, piv, nonce, observed: has(plain, OBSERVE) } }
}

/** Without `sequence`: under the nonce of the request. */
export function answer(end: End, plain: Plain, { kid, piv, nonce, observed }: Asked, sequence?: number): Plain {
  const own = sequence === undefined ? none : shortest(sequence)
  const inside = plain.options
    .filter(isInside)
    .map(([number, value]): Pair => [number, number === OBSERVE ? none : value])
  const under = sequence === undefined ? nonce : nonceFrom(end.iv, end.id, own)
  const hidden = joined(Uint8Array.of(plain.code), written(inside, plain.payload))
  const options: Pair[] = [
    ...plain.options.filter(pair => !isInside(pair) || pair[0] === OBSERVE),
    [OSCORE, own.length === 0 ? none : joined(Uint8Array.of(own.length), own)],
  ]
  return { code: observed ? 0x45 : 0x44, options, payload: encrypted(end.sends, under, aadOf(kid, piv), hidden) }
}

export function answered(end: End, outside: Plain, { kid, piv, nonce }: Asked): Plain | undefined {
  const value = outside.options.find(([number]) => number === OSCORE)?.[1] ?? none
  const own = value.slice(1)
  return opened(end, outside, own.length === 0 ? nonce : nonceFrom(end.iv, end.peerId, own), kid, piv)
}
