// The floor of Node: a process that answers CONNECT and SUBSCRIBE, and then passes on what comes in as it comes in. It asks
// nobody who they are, judges nothing, frames nothing, and knows no session: what it costs, no broker in Node can save.
// Right for publishers who keep to one topic, each with subscribers of its own; acknowledgements go back the same way.
// Arguments, for TLS: key, certificate with its issuer, root. Prints its ports as JSON.
import { readFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'

const HOST = '127.0.0.1'
const CONNECT = 1
const PUBLISH = 3
const SUBSCRIBE = 8
const CONNACK = Buffer.from([0x20, 2, 0, 0])

const subscribers = new Map<string, Socket[]>()
/** Where the bytes of a connection go, once it is known. */
const peers = new WeakMap<Socket, Socket[]>()

function serve(socket: Socket): void {
  socket.setNoDelay(true)
  socket.on('error', () => socket.destroy())
  socket.on('data', (bytes: Buffer) => {
    const to = peers.get(socket)
    if (to === undefined) answer(socket, bytes)
    else for (const peer of to) peer.write(bytes)
  })
}

/** Clients wait for each answer before they go on, so a packet of this kind comes alone and whole. */
function answer(socket: Socket, bytes: Buffer): void {
  const first = bytes[0] ?? 0
  const body = bodyOf(bytes)
  switch (first >> 4) {
    case CONNECT:
      socket.write(CONNACK)
      return
    case SUBSCRIBE: {
      const filter = textAt(body, 2)
      subscribers.set(filter, [...(subscribers.get(filter) ?? []), socket])
      socket.write(Buffer.from([0x90, 3, body[0] ?? 0, body[1] ?? 0, body.at(-1) ?? 0]))
      socket.once('close', () => subscribers.delete(filter))
      return
    }
    case PUBLISH: {
      const to = subscribers.get(textAt(body, 0)) ?? []
      peers.set(socket, to)
      for (const peer of to) {
        peers.set(peer, [socket])
        peer.write(bytes)
      }
      return
    }
    default:
      socket.end()
  }
}

function bodyOf(bytes: Buffer): Buffer {
  let at = 1
  while (((bytes[at] ?? 0) & 128) !== 0) at++
  return bytes.subarray(at + 1)
}

const textAt = (bytes: Buffer, at: number) => bytes.toString('utf8', at + 2, at + 2 + bytes.readUInt16BE(at))

function listen(server: Server): Promise<number> {
  return new Promise(resolve => server.listen(0, HOST, () => resolve((server.address() as AddressInfo).port)))
}

const [key = '', chain = '', root = ''] = process.argv.slice(2).map(file => readFileSync(file, 'utf8'))
const settings = { key, cert: chain, minVersion: 'TLSv1.3' } as const
const tcp = await listen(createServer(serve))
const tls = await listen(createTlsServer(settings, serve))
const mutual = await listen(createTlsServer({ ...settings, ca: root, requestCert: true }, serve))
process.stdout.write(`${JSON.stringify({ tcp, tls, 'mutual-tls': mutual })}\n`)
