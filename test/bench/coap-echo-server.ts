// The floor of Node: one datagram in, one out, and no more of CoAP than a client needs to go on. It reads neither path nor
// options, remembers nobody but observers, repeats nothing. Usage: coap-echo-server.js CON|NON [none]; by node:dgram with the
// latter, otherwise in batches where there is an addon for it.
import { udpAddon } from '../../src/coap/udp-addon.ts'
import type { UdpRemote } from '../../src/coap/udp-carrier.ts'
import { UdpSocket } from '../../src/coap/udp-socket.ts'
import { CODE } from '../../src/coap-wire/codes.ts'
import { TYPE } from '../../src/coap-wire/message.ts'
import { silentLog } from '../../src/model/log.ts'

const HOST = '127.0.0.1'
const NOTIFICATION_TYPE = process.argv[2] === 'NON' ? TYPE.NON : TYPE.CON
/** A GET that registers begins its options with an empty Observe: number 6, length 0. */
const OBSERVE = 0x60
const PAYLOAD_MARKER = 0xff

const observers: { readonly from: UdpRemote; readonly token: Buffer }[] = []
let value: Buffer = Buffer.alloc(0)
let messageId = 0

const socket = await UdpSocket.open(
  {
    name: 'echo',
    host: HOST,
    port: 0,
    receiveBufferBytes: 4 << 20,
    sendQueueBytes: 4 << 20,
    log: silentLog,
    dropped: () => {},
  },
  process.argv[3] === 'none' ? null : udpAddon(),
)

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

socket.onMessage((bytes, from) => {
  const type = (bytes[0]! >> 4) & 3
  if (type === TYPE.ACK) return
  const end = 4 + (bytes[0]! & 15)
  const token = bytes.subarray(4, end)
  const put = bytes[1] === CODE.PUT
  const observe = bytes[end] === OBSERVE
  if (put) value = bytes.subarray(bytes.indexOf(PAYLOAD_MARKER, end) + 1)
  if (observe) observers.push({ from, token })
  const replyType = type === TYPE.CON ? TYPE.ACK : TYPE.NON
  const code = put ? CODE.Changed : CODE.Content
  socket.send(message(replyType, code, bytes.readUInt16BE(2), token, observe), from)
  if (!put) return
  for (const observer of observers) {
    messageId = (messageId + 1) & 0xffff
    socket.send(message(NOTIFICATION_TYPE, CODE.Content, messageId, observer.token, true), observer.from)
  }
})
process.stdout.write(`${socket.port}\n`)
