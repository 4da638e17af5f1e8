// One SUBSCRIBE with an allowed and a denied filter: the denied one must not be kept, and nothing be queued through it.
import { attacks } from '../fixtures/attack.ts'
import type { TestBroker } from '../fixtures/broker.ts'
import { MqttWire } from '../wire/mqtt-wire.ts'

const LASTING = { clean: false, properties: { sessionExpiryInterval: 600 } }
const secrets = new WeakMap<TestBroker, Map<string, string>>()

async function connect(broker: TestBroker, id: string, options = {}): Promise<MqttWire> {
  const wire = MqttWire.tcp(broker.port('mqtt'))
  await wire.connect({
    clientId: id,
    username: id,
    password: Buffer.from(secrets.get(broker)?.get(id) ?? ''),
    ...options,
  })
  return wire
}

async function prepare(broker: TestBroker): Promise<void> {
  const made = new Map<string, string>()
  secrets.set(broker, made)
  for (const [id, room] of [
    ['spy', 'kitchen'],
    ['victim', 'bedroom'],
  ] as const) {
    await broker.device(id, { attributes: { room } })
    made.set(id, (await broker.secret(id)).secret)
  }
}

/** Subscribes, leaves, lets the victim publish, comes back; whether the victim's message is there. */
async function spies(broker: TestBroker, filter: string): Promise<boolean> {
  const spy = await connect(broker, 'spy', { ...LASTING, clean: true })
  await spy.subscribeAll([
    { topic: 'home/kitchen/+', qos: 1 },
    { topic: filter, qos: 1 },
  ])
  await spy.leave()
  const victim = await connect(broker, 'victim')
  await victim.publish('home/bedroom/temperature', 'secret', { qos: 1, retain: true })
  await victim.leave()
  const again = await connect(broker, 'spy', LASTING)
  await again.subscribe('device/spy/x', 1)
  const seen = (await again.waiting()).some(({ payload }) => payload.toString() === 'secret')
  again.destroy()
  return seen
}

attacks(
  'a denied filter beside an allowed one',
  [
    { name: 'another room', attempt: broker => spies(broker, 'home/bedroom/+') },
    { name: 'all rooms', attempt: broker => spies(broker, 'home/+/temperature') },
    { name: 'everything', attempt: broker => spies(broker, '#') },
    { name: 'as a shared subscription', attempt: broker => spies(broker, '$share/spies/home/bedroom/#') },
  ],
  { prepare },
)
