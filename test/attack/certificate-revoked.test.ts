// A revocation reaches the live session before the request that ordered it is answered, and from then on the certificate
// opens nothing: not the listener it was used on, and none of the others.
import { once } from 'node:events'
import { request } from 'node:https'
import { connect as connectTls } from 'node:tls'
import { attacks } from '../fixtures/attack.ts'
import type { TestBroker } from '../fixtures/broker.ts'
import { connectDevice, isAdmitted, isPublished } from '../fixtures/clients.ts'
import { UNLIMITED_ATTEMPTS } from '../fixtures/device-token.ts'
import { MqttWire } from '../wire/mqtt-wire.ts'

interface Holder {
  readonly id: string
  readonly credential: string
  readonly shown: { readonly cert: string; readonly key: string }
}

let holders = 0
async function holder(broker: TestBroker): Promise<Holder> {
  const id = `h${++holders}`
  await broker.device(id)
  const { id: credential, certificate, chain, privateKey } = await broker.certificate(id)
  return { id, credential, shown: { cert: certificate + chain, key: privateKey } }
}

type Listener = 'mqtts' | 'wss'
type Ending = (broker: TestBroker, holder: Holder) => Promise<unknown>

const revoke: Ending = (broker, { credential }) =>
  broker.api('POST', `/v1/credentials/${credential}/revoke`, { reason: 'stolen' })

/** Removal revokes; a namesake made later has no part in what its forerunner held. */
const replace: Ending = async (broker, { id }) => {
  await broker.api('DELETE', `/v1/devices/${id}`)
  await broker.device(id)
}

/** Whether a live session still gets a message acknowledged once the API has answered. */
const livesOn = (listener: Listener) => async (broker: TestBroker) => {
  const device = await holder(broker)
  const client = await connectDevice(broker, device.id, { listener, ...device.shown })
  if (!(await isPublished(client, `device/${device.id}/x`))) throw new Error('the certificate should have been good')
  const closed = new Promise<false>(resolve => client.stream.once('close', () => resolve(false)))
  await revoke(broker, device)
  const survived = await Promise.race([closed, isPublished(client, `device/${device.id}/x`)])
  await client.endAsync(true)
  return survived
}

const comesBack = (from: Listener, to: Listener, end: Ending) => async (broker: TestBroker) => {
  const device = await holder(broker)
  if (!(await isAdmitted(broker, device.id, { listener: from, ...device.shown })))
    throw new Error('the certificate should have been good')
  await end(broker, device)
  return isAdmitted(broker, device.id, { listener: to, ...device.shown })
}

/** A device renews over HTTPS by its certificate: the status that it gets. */
function renewal(broker: TestBroker, { shown }: Holder): Promise<number> {
  return new Promise((resolve, reject) => {
    const body = JSON.stringify({ csr: 'none' })
    const outgoing = request(
      `https://localhost:${broker.port('https')}/v1/enrolments/renew`,
      {
        method: 'POST',
        ca: broker.ca,
        agent: false,
        headers: { 'content-type': 'application/json', 'content-length': body.length },
        ...shown,
      },
      incoming => {
        incoming.resume()
        resolve(incoming.statusCode ?? 0)
      },
    )
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

/** Whether a TLS connection that was open before gets in when its CONNECT comes afterwards. */
const waitsInTheHall = async (broker: TestBroker) => {
  const { id, credential, shown } = await holder(broker)
  const port = broker.port('mqtts')
  const socket = connectTls({ host: '127.0.0.1', servername: 'localhost', port, ca: broker.ca, ...shown })
  const wire = new MqttWire(socket)
  await once(socket, 'secureConnect')
  await revoke(broker, { id, credential, shown })
  const { reasonCode } = await wire.connect({ clientId: id })
  wire.destroy()
  return reasonCode === 0
}

attacks(
  'a revoked certificate',
  [
    ...(['mqtts', 'wss'] as const).map(listener => ({
      name: `its session on ${listener} lives on`,
      attempt: livesOn(listener),
    })),
    ...(
      [
        ['mqtts', 'mqtts'],
        ['mqtts', 'wss'],
        ['wss', 'mqtts'],
      ] as const
    ).flatMap(([from, to]) => [
      { name: `it comes back from ${from} to ${to}`, attempt: comesBack(from, to, revoke) },
      { name: `it comes back from ${from} to ${to}, its device made anew`, attempt: comesBack(from, to, replace) },
    ]),
    { name: 'its connection was open before', attempt: waitsInTheHall },
    {
      name: 'it asks for its successor over https',
      attempt: async (broker: TestBroker) => {
        const device = await holder(broker)
        // What is asked for is nonsense: anything but 401 says that the door let the device in.
        if ((await renewal(broker, device)) === 401) throw new Error('the certificate should have been good')
        await revoke(broker, device)
        return (await renewal(broker, device)) !== 401
      },
    },
  ],
  { configuration: UNLIMITED_ATTEMPTS },
)
