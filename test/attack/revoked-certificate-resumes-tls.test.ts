// TLS resumes a session without looking at certificates again, so a revoked one must be met by the door: on every
// connection, resumed or not, on every listener that takes certificates.
import { connect, type TLSSocket } from 'node:tls'
import { CODE } from '../../src/coap-wire/codes.ts'
import { attacks } from '../fixtures/attack.ts'
import { FREE_PORTS_WITH_COAP_STREAMS, type TestBroker } from '../fixtures/broker.ts'
import { putTo } from '../fixtures/coap-stream-device.ts'
import { type Visit, visit } from '../fixtures/tls-visit.ts'
import { CoapStreamClient, ROOMY } from '../wire/coap-stream-client.ts'
import { openCoapWebSocket } from '../wire/coap-websocket-wire.ts'

const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const
const LISTENERS = ['mqtts', 'wss', 'coaps+tcp', 'coaps+ws'] as const

/** Writes to the device's own topic, and leaves. */
async function visitByCoap(
  broker: TestBroker,
  listener: 'coaps+tcp' | 'coaps+ws',
  id: string,
  options: object,
): Promise<Pick<Visit, 'admitted' | 'session'>> {
  const socket: TLSSocket = connect({
    host: '127.0.0.1',
    port: broker.port(listener),
    servername: 'localhost',
    ca: broker.ca,
    ALPNProtocols: [listener === 'coaps+ws' ? 'http/1.1' : 'coap'],
    ...options,
  })
  socket.on('error', () => {})
  let session: Buffer | undefined
  socket.on('session', fresh => {
    session = fresh
  })
  try {
    const client = await (listener === 'coaps+ws'
      ? openCoapWebSocket(`wss://localhost:${broker.port(listener)}/.well-known/coap`, {
          createConnection: () => socket,
        })
      : CoapStreamClient.begin(new CoapStreamClient(socket), ROOMY))
    const { code } = await putTo(client, `device/${id}/state`, 'on')
    await client.close()
    return { admitted: code === CODE.Changed, session }
  } catch {
    return { admitted: false, session }
  }
}

attacks(
  'a revoked certificate and a resumed TLS session',
  LISTENERS.flatMap(listener =>
    VERSIONS.map(version => ({
      name: `${listener} ${version}`,
      attempt: async (broker: TestBroker) => {
        const id = `r-${listener.replace('+', '-')}-${version.replace('.', '')}`
        const come = (options: object) =>
          listener === 'mqtts' || listener === 'wss'
            ? visit(broker, listener, id, options)
            : visitByCoap(broker, listener, id, options)
        await broker.device(id)
        const issued = await broker.certificate(id)
        const options = {
          cert: issued.certificate + issued.chain,
          key: issued.privateKey,
          minVersion: version,
          maxVersion: version,
        }
        const before = await come(options)
        if (!before.admitted) throw new Error('the certificate should have been good')
        await broker.api('POST', `/v1/credentials/${issued.id}/revoke`, { reason: 'stolen' })
        const fresh = await come(options)
        const again = await come({ ...options, ...(before.session ? { session: before.session } : {}) })
        return fresh.admitted || again.admitted
      },
    })),
  ),
  { configuration: { listeners: FREE_PORTS_WITH_COAP_STREAMS } },
)
