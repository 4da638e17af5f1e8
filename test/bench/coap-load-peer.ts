// One client address of the load generator.

import { randomBytes } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { CODE } from '../../src/coap-wire/codes.ts'
import { encode } from '../../src/coap-wire/encode.ts'
import { type CoapOption, TYPE } from '../../src/coap-wire/message.ts'
import { OPTION } from '../../src/coap-wire/options.ts'

export const LOOPBACK = '127.0.0.1'
/** Bytes; a burst of notifications waits here while the generator is busy. */
const RECEIVE_BUFFER = 1 << 20

/**
 * A socket connected to the server: no name is looked up, and the kernel drops what others send. Confirmable messages are
 * acknowledged at once, or they would come again (RFC 7252 4.2).
 */
export async function openSocket(port: number): Promise<Socket> {
  const socket = createSocket({
    type: 'udp4',
    recvBufferSize: RECEIVE_BUFFER,
    lookup: (host, _options, callback) => callback(null, host, 4),
  })
  await new Promise<void>(resolve => socket.connect(port, LOOPBACK, resolve))
  socket.on('message', bytes => {
    if (((bytes[0]! >> 4) & 3) === TYPE.CON) socket.send(Buffer.from([0x60, CODE.Empty, bytes[2]!, bytes[3]!]))
  })
  return socket
}

export interface RequestForm {
  readonly confirmable: boolean
  readonly method: number
  readonly path: readonly string[]
  readonly query: readonly string[]
  readonly observe?: boolean
  readonly echo?: Buffer
  readonly payload?: Buffer
}

/** Of the last request: ids come one after the other, because one that comes again within minutes is a duplicate. */
let messageId = randomBytes(2).readUInt16BE()

/** The datagram of a request with a random token and the next message id; `renumber` makes the next one of it. */
export function datagramOf({ confirmable, method, path, query, observe, echo, payload }: RequestForm): Buffer {
  const options: CoapOption[] = []
  if (observe) options.push({ number: OPTION.Observe, value: Buffer.alloc(0) })
  for (const level of path) options.push({ number: OPTION.UriPath, value: Buffer.from(level) })
  for (const parameter of query) options.push({ number: OPTION.UriQuery, value: Buffer.from(parameter) })
  if (echo) options.push({ number: OPTION.Echo, value: echo })
  messageId = (messageId + 1) & 0xffff
  return encode({
    type: confirmable ? TYPE.CON : TYPE.NON,
    code: method,
    messageId,
    token: randomBytes(4),
    options,
    payload: payload ?? Buffer.alloc(0),
  })
}

export function renumber(datagram: Buffer): void {
  datagram.writeUInt16BE((datagram.readUInt16BE(2) + 1) & 0xffff, 2)
}

/** Whether `bytes` answers the request of `datagram`: by message id where it is an acknowledgement, always by token. */
export function answers(bytes: Buffer, datagram: Buffer): boolean {
  const type = (bytes[0]! >> 4) & 3
  if (bytes.length < 8 || (bytes[0]! & 0x0f) !== 4 || bytes[1]! >> 5 < 2) return false
  if (type === TYPE.ACK && bytes.readUInt16BE(2) !== datagram.readUInt16BE(2)) return false
  return bytes.readUInt32BE(4) === datagram.readUInt32BE(4)
}
