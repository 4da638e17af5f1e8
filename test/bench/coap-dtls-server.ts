// The floor of DTLS: src/dtls over a UDP socket of ours, which sends back what comes in a session and knows no CoAP, no door and
// no policy. Usage: coap-dtls-server.js CREDENTIALS, a JSON file: { psk: [{ identity, key }], chain, privateKey, authorities }.
import { readFileSync } from 'node:fs'
import { UdpSocket } from '../../src/coap/udp-socket.ts'
import { DtlsServer } from '../../src/dtls/server.ts'
import { silentLog } from '../../src/model/log.ts'
import type { ServerCredentials } from './coap-dtls-floor.ts'

const { psk, chain, privateKey, authorities } = JSON.parse(
  readFileSync(process.argv[2] ?? '', 'utf8'),
) as ServerCredentials
const keys = new Map(psk.map(({ identity, key }) => [identity, Buffer.from(key, 'hex')]))

const socket = await UdpSocket.open({
  name: 'coaps',
  host: '127.0.0.1',
  port: 0,
  receiveBufferBytes: 4 << 20,
  sendQueueBytes: 4 << 20,
  log: silentLog,
  dropped: () => {},
})
const server = new DtlsServer({
  certificate: { chain, privateKey },
  authorities: { certificates: authorities },
  clientCertificate: 'optional',
  keyOf: identity => keys.get(identity),
  limits: { pendingPerAddress: 1000 },
  events: {
    send: (datagram, to) => socket.send(datagram, to),
    opened: () => {},
    message: (payload, session) => session.send(payload),
    closed: () => {},
    failed: () => {},
  },
})
socket.onMessage((bytes, from) => server.receive(bytes, from))
process.stdout.write(`${socket.port}\n`)
