// TLS resumes a session without looking at certificates again, so a revoked one must be met by the door: on every
// connection, resumed or not, on every listener that takes certificates.

import type { Duplex } from 'node:stream'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import { generate, type IConnackPacket, parser } from 'mqtt-packet'
import WebSocket, { createWebSocketStream } from 'ws'
import { attacks } from '../fixtures/attack.ts'
import type { TestBroker } from '../fixtures/broker.ts'

interface Visit {
  readonly admitted: boolean
  readonly resumed: boolean
  readonly session: Buffer | undefined
}

function visit(broker: TestBroker, listener: 'mqtts' | 'wss', id: string, options: ConnectionOptions): Promise<Visit> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({
      host: '127.0.0.1',
      port: broker.port(listener),
      servername: 'localhost',
      ca: broker.ca,
      ALPNProtocols: [listener === 'wss' ? 'http/1.1' : 'mqtt'],
      ...options,
    })
    let session: Buffer | undefined
    socket.on('session', fresh => {
      session = fresh
    })
    const stream: Duplex =
      listener === 'mqtts'
        ? socket
        : createWebSocketStream(
            new WebSocket(`wss://localhost:${broker.port('wss')}/mqtt`, ['mqtt'], {
              createConnection: () => socket,
              perMessageDeflate: false,
            }),
          )
    const decoder = parser({ protocolVersion: 4 })
    decoder.on('packet', packet => {
      const { returnCode } = packet as IConnackPacket
      // A ticket of TLS 1.3 may follow the first application data.
      setImmediate(() => {
        resolve({ admitted: returnCode === 0, resumed: socket.isSessionReused(), session })
        socket.destroy()
      })
    })
    stream.on('data', bytes => decoder.parse(bytes))
    stream.on('error', reject)
    socket.on('error', reject)
    stream.on('close', () => resolve({ admitted: false, resumed: false, session }))
    stream.write(
      generate({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId: id, clean: true, keepalive: 10 }),
    )
  })
}

attacks(
  'a revoked certificate and a resumed TLS session',
  (['mqtts', 'wss'] as const).flatMap(listener =>
    (['TLSv1.2', 'TLSv1.3'] as const).map(version => ({
      name: `${listener} ${version}`,
      attempt: async (broker: TestBroker) => {
        const id = `r-${listener}-${version.replace('.', '')}`
        await broker.device(id)
        const issued = await broker.certificate(id)
        const options = {
          cert: issued.certificate + issued.chain,
          key: issued.privateKey,
          minVersion: version,
          maxVersion: version,
        }
        const before = await visit(broker, listener, id, options)
        if (!before.admitted) throw new Error('the certificate should have been good')
        await broker.api('POST', `/v1/credentials/${issued.id}/revoke`, { reason: 'stolen' })
        const fresh = await visit(broker, listener, id, options)
        const again = await visit(broker, listener, id, {
          ...options,
          ...(before.session ? { session: before.session } : {}),
        })
        return fresh.admitted || again.admitted
      },
    })),
  ),
)
