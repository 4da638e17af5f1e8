// A gateway connected under the id of a child is cut off when the child leaves it, and cannot come back under that id.
import { attacks } from '../fixtures/attack.ts'
import type { TestBroker } from '../fixtures/broker.ts'
import { connectDevice, isAdmitted } from '../fixtures/clients.ts'

let secret = ''
attacks(
  'a gateway and the child it lost',
  [
    {
      name: 'stays connected under its id',
      attempt: async (broker: TestBroker) => {
        await broker.device('child-1', { parent: 'gateway' })
        const client = await connectDevice(broker, 'child-1', { username: 'gateway', password: secret })
        const closed = new Promise<false>(resolve => client.stream.once('close', () => resolve(false)))
        await broker.api('PATCH', '/v1/devices/child-1', { parent: null })
        const published = client.publishAsync('device/gateway/x', 'still here', { qos: 1 }).then(() => true as const)
        const survived = await Promise.race([closed, published.catch(() => false as const)])
        await client.endAsync(true)
        return survived
      },
    },
    {
      name: 'goes on under the id of a suspended child',
      attempt: async (broker: TestBroker) => {
        await broker.device('child-3', { parent: 'gateway' })
        const client = await connectDevice(broker, 'child-3', { username: 'gateway', password: secret })
        const closed = new Promise<false>(resolve => client.stream.once('close', () => resolve(false)))
        await broker.api('POST', '/v1/devices/child-3/suspend')
        const published = client.publishAsync('device/gateway/x', 'still here', { qos: 1 }).then(() => true as const)
        const survived = await Promise.race([closed, published.catch(() => false as const)])
        await client.endAsync(true)
        return survived
      },
    },
    {
      name: 'comes back under its id',
      attempt: async (broker: TestBroker) => {
        await broker.device('child-2', { parent: 'gateway' })
        const asGateway = { username: 'gateway', password: secret }
        if (!(await isAdmitted(broker, 'child-2', asGateway))) throw new Error('a gateway may use the id of its child')
        await broker.api('PATCH', '/v1/devices/child-2', { parent: null })
        return isAdmitted(broker, 'child-2', asGateway)
      },
    },
  ],
  {
    prepare: async broker => {
      await broker.device('gateway', { attributes: { room: 'hall' } })
      secret = (await broker.secret('gateway')).secret
    },
  },
)
