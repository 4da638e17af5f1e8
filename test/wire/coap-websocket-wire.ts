// CoAP over WebSocket for tests (RFC 8323 4.2), written from its text and from RFC 7252 3.1 and sharing nothing with src:
// no program in Debian speaks it. Long tokens are those of RFC 8974 2.1.
import { type ClientOptions, createWebSocketStream, WebSocket } from 'ws'
import type { FramedMessage } from '../../src/coap-wire/frame.ts'
import type { CoapOption } from '../../src/coap-wire/message.ts'
import { type Capabilities, csm } from '../../src/coap-wire/signalling.ts'
import { CoapStreamClient, ROOMY, type Wire } from './coap-stream-client.ts'

/** Nibble and the bytes behind it. */
function split(n: number): { nibble: number; extension: number[] } {
  if (n < 13) return { nibble: n, extension: [] }
  if (n < 269) return { nibble: 13, extension: [n - 13] }
  return { nibble: 14, extension: [(n - 269) >> 8, (n - 269) & 255] }
}

function encode({ code, token, options, payload }: FramedMessage): Buffer {
  const length = split(token.length)
  const bytes: number[] = [length.nibble, code, ...length.extension, ...token] // Len 0
  let number = 0
  for (const option of options) {
    const delta = split(option.number - number)
    const length = split(option.value.length)
    bytes.push((delta.nibble << 4) + length.nibble, ...delta.extension, ...length.extension, ...option.value)
    number = option.number
  }
  return Buffer.concat([Buffer.from(bytes), ...(payload.length > 0 ? [Buffer.from([0xff]), payload] : [])])
}

function decode(bytes: Buffer): FramedMessage {
  const first = bytes[0] ?? 0
  if (first >> 4 !== 0) throw new Error(`Len is ${first >> 4}, and must be 0 over WebSocket`)
  let at = 2
  const byte = () => bytes[at++] ?? 0
  const extended = (nibble: number) =>
    nibble === 13 ? byte() + 13 : nibble === 14 ? byte() * 256 + byte() + 269 : nibble
  const tokenLength = extended(first & 15)
  const token = bytes.subarray(at, at + tokenLength)
  at += tokenLength
  const options: CoapOption[] = []
  let number = 0
  let payload = Buffer.alloc(0)
  while (at < bytes.length) {
    const head = byte()
    if (head === 0xff) {
      payload = Buffer.from(bytes.subarray(at))
      break
    }
    number += extended(head >> 4)
    const length = extended(head & 15)
    options.push({ number, value: bytes.subarray(at, at + length) })
    at += length
  }
  return { code: bytes[1] ?? 0, token, options, payload }
}

const WIRE: Wire = { encode, read: chunk => [decode(chunk)] }

/** Opens a WebSocket as RFC 8323 4.1 has it; rejects when it is refused. CSMs are exchanged unless `says` is null. */
export async function openCoapWebSocket(
  url: string,
  options: ClientOptions = {},
  { subprotocol = 'coap', says = ROOMY }: { subprotocol?: string; says?: Capabilities | null } = {},
): Promise<CoapStreamClient> {
  const socket = new WebSocket(url, [subprotocol], { perMessageDeflate: false, ...options })
  const stream = createWebSocketStream(socket, { readableObjectMode: true })
  await new Promise<void>((resolve, reject) => {
    socket.once('open', () => resolve())
    stream.once('error', reject)
  })
  const client = new CoapStreamClient(stream, WIRE)
  if (says === null) return client
  client.send(csm(says))
  await client.signal('csm')
  return client
}
