// `$SYS` and every other topic that begins with `$` belong to the broker: nobody publishes there, whatever the policy
// grants (in bare Aedes a publish to `$SYS/+/new/clients` disconnects others), and reading needs a grant of its own.
import { attacks } from '../fixtures/attack.ts'
import { POLICY, type TestBroker } from '../fixtures/broker.ts'
import { MqttWire } from '../wire/mqtt-wire.ts'

/** A device with the widest rights that a policy can give without naming `$SYS`. */
const WIDE = POLICY.replace('    forbid:', '      - { id: wide, allow: "#" }\n    forbid:')
const secrets = new WeakMap<TestBroker, Map<string, string>>()

async function prepare(broker: TestBroker): Promise<void> {
  await broker.api('PUT', '/v1/policies', { files: [{ path: 'policy.yaml', text: WIDE }] })
  const made = new Map<string, string>()
  secrets.set(broker, made)
  for (const [id, more] of [
    ['attacker', {}],
    ['victim', {}],
    ['watcher', { type: 'display', roles: ['watcher'] }],
  ] as const) {
    await broker.device(id, more)
    made.set(id, (await broker.secret(id)).secret)
  }
}

async function connect(broker: TestBroker, id: string, options = {}): Promise<{ wire: MqttWire; code: number }> {
  const wire = MqttWire.tcp(broker.port('mqtt'))
  const password = Buffer.from(secrets.get(broker)?.get(id) ?? '')
  const { reasonCode } = await wire.connect({ clientId: id, username: id, password, ...options })
  return { wire, code: reasonCode ?? 0 }
}

/** Whether somebody who may read `$SYS` hears what the attacker says there. */
async function isHeard(
  broker: TestBroker,
  speak: (attacker: MqttWire) => Promise<unknown>,
  options = {},
): Promise<boolean> {
  const { wire: watcher } = await connect(broker, 'watcher')
  await watcher.subscribeAll([
    { topic: '$SYS/#', qos: 1 },
    { topic: 'marker', qos: 1 },
  ])
  const { wire: attacker, code } = await connect(broker, 'attacker', options)
  if (code === 0) await speak(attacker)
  const { wire: marker } = await connect(broker, 'victim')
  await marker.publish('marker', 'marker', { qos: 1 })
  const topic = (await watcher.next('publish')).topic
  for (const wire of [watcher, attacker, marker]) wire.destroy()
  return topic.startsWith('$')
}

attacks(
  '$SYS',
  [
    ...([0, 1, 2] as const).map(qos => ({
      name: `publish at QoS ${qos}`,
      attempt: (broker: TestBroker) =>
        isHeard(broker, wire => wire.publish('$SYS/broker/new/clients', 'victim', { qos })),
    })),
    {
      name: 'publish retained',
      attempt: broker => isHeard(broker, wire => wire.publish('$SYS/state', 'x', { qos: 1, retain: true })),
    },
    {
      name: 'publish through a topic alias',
      attempt: broker =>
        isHeard(broker, async wire => {
          await wire.publish('$SYS/alias', 'x', { properties: { topicAlias: 1 } })
          await wire.publish('', 'x', { qos: 1, properties: { topicAlias: 1 } })
        }),
    },
    {
      name: 'a will',
      attempt: broker =>
        isHeard(
          broker,
          async wire => {
            wire.destroy()
            await wire.closed()
          },
          { will: { topic: '$SYS/will', payload: Buffer.from('x'), qos: 1, retain: false } },
        ),
    },
    {
      name: 'subscribe without the grant',
      attempt: async broker => {
        const { wire } = await connect(broker, 'attacker')
        const granted = await wire.subscribe('$SYS/#', 1)
        wire.destroy()
        return granted < 0x80
      },
    },
  ],
  { configuration: { limits: { sysInterval: 0 } }, prepare }, // what is heard there is the attacker's
)
