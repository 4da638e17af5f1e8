// The npm `coap` server with what the scenarios need of it: values by path, put and read, and notifications to observers.
// Usage: coap-npm-server.js PORT [roomy]. It has a socket as the package makes it, or, if roomy, one with a receive buffer of 4 MB.
import { createSocket } from 'node:dgram'
import { createServer, type IncomingMessage, type ObserveWriteStream, type OutgoingMessage } from 'coap'

const HOST = '127.0.0.1'
const port = Number(process.argv[2])

const values = new Map<string, Buffer>()
const observers = new Map<string, Set<ObserveWriteStream>>()

const server = createServer({ type: 'udp4' })
server.on('request', (request: IncomingMessage, response: OutgoingMessage | ObserveWriteStream) => {
  const path = request.url.split('?')[0] ?? ''
  if (request.method === 'PUT') {
    values.set(path, request.payload)
    response.code = '2.04'
    response.end()
    for (const observer of observers.get(path) ?? []) observer.write(request.payload)
    return
  }
  const value = values.get(path)
  if (isObserver(response)) {
    const all = observers.get(path) ?? new Set()
    observers.set(path, all.add(response))
    response.on('finish', () => all.delete(response))
    response.write(value ?? Buffer.alloc(0))
  } else if (value) {
    response.end(value)
  } else {
    response.code = '4.04'
    response.end()
  }
})
const ready = () => process.stdout.write(`${port}\n`)
if (process.argv[3] === 'roomy') {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 4 << 20 })
  socket.bind(port, HOST, () => server.listen(socket, ready))
} else {
  server.listen(port, HOST, ready)
}

function isObserver(response: OutgoingMessage | ObserveWriteStream): response is ObserveWriteStream {
  return response.constructor.name === 'ObserveWriteStream'
}
