// The statistics under `$SYS` tell how many are connected and how much they say: they are for those alone whom a permit
// that names `$SYS` lets read them, whatever else a device may.
import { attacks } from '../fixtures/attack.ts'
import { FREE_PORTS_WITH_COAP, POLICY, type TestBroker } from '../fixtures/broker.ts'
import { CoapDevice, told } from '../fixtures/coap-device.ts'
import { MqttWire } from '../wire/mqtt-wire.ts'

/** The widest rights that a policy can give without naming `$SYS`. */
const WIDE = POLICY.replace('    forbid:', '      - { id: wide, allow: ["#", "+/broker/uptime"] }\n    forbid:')

let secret = ''

async function hears(broker: TestBroker, filter: string): Promise<boolean> {
  const wire = MqttWire.tcp(broker.port('mqtt'))
  await wire.connect({ clientId: 'd1', username: 'd1', password: Buffer.from(secret) })
  await wire.subscribe(filter)
  const heard = await wire.waiting()
  wire.destroy()
  return heard.some(({ topic }) => topic.startsWith('$SYS/'))
}

async function overCoap(broker: TestBroker, ask: (device: CoapDevice) => Promise<string>): Promise<boolean> {
  const device = await CoapDevice.login(broker, 'd1', secret)
  const answer = await ask(device)
  await device.close()
  return answer.startsWith('2.05 ')
}

attacks(
  'statistics without the grant',
  [
    ...['$SYS/#', '$SYS/broker/uptime', '$SYS/+/uptime'].map(filter => ({
      name: `subscribe to ${filter}`,
      attempt: (broker: TestBroker) => hears(broker, filter),
    })),
    {
      name: 'CoAP GET',
      attempt: broker => overCoap(broker, async device => told(await device.get('$SYS/broker/uptime'))),
    },
    {
      name: 'CoAP Observe',
      attempt: broker => overCoap(broker, async device => told((await device.observe('$SYS/broker/uptime')).first)),
    },
  ],
  {
    configuration: { listeners: FREE_PORTS_WITH_COAP },
    options: () => ({ policy: WIDE }),
    prepare: async broker => {
      await broker.device('d1')
      secret = (await broker.secret('d1')).secret
    },
  },
)
