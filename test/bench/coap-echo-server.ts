// The floor of Node: one datagram in, one out, and no more of CoAP than a client needs to go on. It reads neither path nor
// options, remembers nobody but observers, repeats nothing. Usage: coap-echo-server.js CON|NON
import { createSocket } from 'node:dgram'
import { CODE } from '../../src/coap-wire/codes.ts'
import { TYPE } from '../../src/coap-wire/message.ts'

const HOST = '127.0.0.1'
const NOTIFICATION_TYPE = process.argv[2] === 'NON' ? TYPE.NON : TYPE.CON
/** A GET that registers begins its options with an empty Observe: number 6, length 0. */
const OBSERVE = 0x60
const PAYLOAD_MARKER = 0xff

const observers: { readonly port: number; readonly address: string; readonly token: Buffer }[] = []
let value: Buffer = Buffer.alloc(0)
let messageId = 0

const socket = createSocket({
  type: 'udp4',
  recvBufferSize: 4 << 20,
  lookup: (host, _options, callback) => callback(null, host, 4),
})

function message(type: number, code: number, id: number, token: Buffer, observe: boolean): Buffer {
  const options = observe ? 1 : 0
  const bytes = Buffer.allocUnsafe(4 + token.length + options + 1 + value.length)
  bytes[0] = 0x40 | (type << 4) | token.length
  bytes[1] = code
  bytes.writeUInt16BE(id, 2)
  bytes.set(token, 4)
  if (observe) bytes[4 + token.length] = OBSERVE
  bytes[4 + token.length + options] = PAYLOAD_MARKER
  bytes.set(value, 5 + token.length + options)
  return bytes
}

socket.on('message', (bytes, { port, address }) => {
  const type = (bytes[0]! >> 4) & 3
  if (type === TYPE.ACK) return
  const end = 4 + (bytes[0]! & 15)
  const token = bytes.subarray(4, end)
  const put = bytes[1] === CODE.PUT
  const observe = bytes[end] === OBSERVE
  if (put) value = bytes.subarray(bytes.indexOf(PAYLOAD_MARKER, end) + 1)
  if (observe) observers.push({ port, address, token })
  const replyType = type === TYPE.CON ? TYPE.ACK : TYPE.NON
  const code = put ? CODE.Changed : CODE.Content
  socket.send(message(replyType, code, bytes.readUInt16BE(2), token, observe), port, address)
  if (!put) return
  for (const observer of observers) {
    messageId = (messageId + 1) & 0xffff
    socket.send(
      message(NOTIFICATION_TYPE, CODE.Content, messageId, observer.token, true),
      observer.port,
      observer.address,
    )
  }
})
socket.bind(0, HOST, () => process.stdout.write(`${socket.address().port}\n`))
