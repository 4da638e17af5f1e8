// Whoever connects under the client id of another ends its connection and gets its queue. What `client-id-of-another` tries
// with a secret is tried here with every kind of proof, and for what it is worth.
import { attacks } from '../fixtures/attack.ts'
import type { TestBroker } from '../fixtures/broker.ts'
import { connectDevice, isAdmitted } from '../fixtures/clients.ts'
import { accessToken, deviceWithKey, honestClaims, signedBy, UNLIMITED_ATTEMPTS } from '../fixtures/device-token.ts'
import { MqttWire } from '../wire/mqtt-wire.ts'

type Shown = Parameters<typeof isAdmitted>[2]

const KINDS = ['secret', 'client certificate', 'pre-shared key', 'JWT of its own', 'access token'] as const
let secrets: Map<string, string>
let proofs: Record<(typeof KINDS)[number], () => Shown | Promise<Shown>>

const bySecret = (id: string) => ({ username: id, password: secrets.get(id) ?? '' })

async function prepare(broker: TestBroker): Promise<void> {
  const key = await deviceWithKey(broker, 'thief')
  await broker.device('hub')
  for (const id of ['victim', 'sender']) await broker.device(id, { attributes: { room: 'attic' } })
  secrets = new Map()
  for (const id of ['thief', 'hub', 'victim', 'sender']) secrets.set(id, (await broker.secret(id)).secret)
  const { certificate, chain, privateKey } = await broker.certificate('thief')
  const psk = await broker.psk('thief')
  const { secret: tokenSecret } = await broker.secret('thief', 'token')
  const pskOptions = {
    ciphers: 'TLS_AES_128_GCM_SHA256',
    pskCallback: () => ({ identity: psk.identity, psk: Buffer.from(psk.key, 'hex') }),
    checkServerIdentity: () => undefined,
  }
  proofs = {
    secret: () => bySecret('thief'),
    'client certificate': () => ({ cert: certificate + chain, key: privateKey }),
    'pre-shared key': () => pskOptions as object,
    'JWT of its own': () => ({ username: 'thief', password: signedBy(key, honestClaims('thief')) }),
    'access token': async () => ({ username: 'thief', password: await accessToken(broker, 'thief', tokenSecret) }),
  }
}

/** Whether a connected victim is harmed by what the thief does. */
async function harmsVictim(broker: TestBroker, steal: () => Promise<unknown>): Promise<boolean> {
  const victim = await connectDevice(broker, 'victim', bySecret('victim'))
  const ended = new Promise<true>(resolve => victim.stream.once('close', () => resolve(true)))
  await steal()
  // The thief has had its answer, so whatever its CONNECT does to the victim is done before this publish is answered.
  const unharmed = victim.publishAsync('device/victim/x', 'x', { qos: 1 }).then(
    () => false as const,
    () => true as const,
  )
  const harmed = await Promise.race([ended, unharmed])
  await victim.endAsync(true)
  return harmed
}

async function connectWire(broker: TestBroker, clientId: string, password: string, more: object = {}) {
  const wire = MqttWire.tcp(broker.port('mqtt'))
  const connack = await wire.connect({ clientId, username: clientId, password: Buffer.from(password), ...more })
  return { wire, admitted: connack.reasonCode === 0 }
}

attacks(
  'the session of another',
  [
    ...KINDS.flatMap(kind =>
      ([4, 5] as const).map(protocolVersion => ({
        name: `is taken over by a ${kind}, MQTT ${protocolVersion === 4 ? '3.1.1' : '5'}`,
        attempt: async (broker: TestBroker) => {
          const how = { ...(await proofs[kind]()), protocolVersion }
          if (!(await isAdmitted(broker, 'thief', how))) throw new Error('the proof should have been good')
          return harmsVictim(broker, () => isAdmitted(broker, 'victim', how))
        },
      })),
    ),
    {
      name: 'is taken over by a gateway that it is behind no longer',
      attempt: async broker => {
        await broker.api('PATCH', '/v1/devices/victim', { parent: 'hub' })
        if (!(await isAdmitted(broker, 'victim', bySecret('hub')))) throw new Error('the gateway should be let in')
        await broker.api('PATCH', '/v1/devices/victim', { parent: null })
        return harmsVictim(broker, () => isAdmitted(broker, 'victim', bySecret('hub')))
      },
    },
    {
      name: 'hands its queue over',
      attempt: async broker => {
        const lasting = { clean: false, properties: { sessionExpiryInterval: 600 } }
        const victim = await connectWire(broker, 'victim', secrets.get('victim') ?? '', lasting)
        await victim.wire.subscribe('home/attic/temperature', 1)
        await victim.wire.leave()
        const sender = await connectWire(broker, 'sender', secrets.get('sender') ?? '')
        await sender.wire.publish('home/attic/temperature', 'private', { qos: 1 })
        await sender.wire.leave()
        const thief = await connectWire(broker, 'victim', secrets.get('thief') ?? '', lasting)
        const read = thief.admitted && (await thief.wire.message()) === 'private'
        thief.wire.destroy()
        return read
      },
    },
  ],
  { configuration: UNLIMITED_ATTEMPTS, prepare },
)
