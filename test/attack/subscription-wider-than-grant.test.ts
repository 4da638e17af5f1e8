// A filter that matches one topic more than its sender may read is refused whole, whatever wildcard, share name or
// dollar it hides behind.
import { expect } from 'vitest'
import { attacks } from '../fixtures/attack.ts'
import type { TestBroker } from '../fixtures/broker.ts'
import { connectDevice, isGranted } from '../fixtures/clients.ts'

const WIDER = [
  '#',
  '+/#',
  'home/#',
  'home/+/temperature',
  'home/+/+',
  'home/kitchen/#',
  'home/kitchen/+/+',
  '+/kitchen/+',
  'home/attic/temperature',
  'device/#',
  'device/+',
  'device/+/#',
  'device/t1',
  '$share/g/#',
  '$share/g/home/+/temperature',
  '$share/t1/device/t2/#',
  '$SYS/#',
  '$SYS/broker/clients',
  '/home/kitchen/temperature',
]
/** `device/t1` is inside `device/t1/#` [MQTT-4.7.1-2]; a broker that refused it would be wrong as well. */
const WITHIN = [
  'home/kitchen/+',
  'home/kitchen/temperature',
  'device/t1/#',
  'device/t1/+/x',
  'device/t1',
  '$share/g/home/kitchen/+',
]

let secret = ''
attacks(
  'subscription wider than the grant',
  WIDER.filter(filter => !WITHIN.includes(filter)).map(filter => ({
    name: filter,
    attempt: async (broker: TestBroker) => {
      const client = await connectDevice(broker, 't1', { username: 't1', password: secret })
      try {
        for (const within of WITHIN) expect(await isGranted(client, within), within).toBe(true)
        return await isGranted(client, filter)
      } finally {
        await client.endAsync(true)
      }
    },
  })),
  {
    prepare: async broker => {
      await broker.device('t1')
      secret = (await broker.secret('t1')).secret
    },
  },
)
