// Taking over a session, its queue and its subscriptions by using somebody else's client id. The proof of who one is
// stays one's own.
import { attacks } from '../fixtures/attack.ts'
import { FREE_PORTS, type TestBroker } from '../fixtures/broker.ts'
import { isAdmitted } from '../fixtures/clients.ts'

const asking =
  (clientId: string, who = 'thief') =>
  async (broker: TestBroker) => {
    const { secret } = await broker.secret(who)
    if (!(await isAdmitted(broker, who, { username: who, password: secret })))
      throw new Error('the own client id should have been good')
    return isAdmitted(broker, clientId, { username: who, password: secret })
  }

attacks(
  "somebody else's client id",
  [
    { name: 'of another device', attempt: asking('victim') },
    { name: 'under another device', attempt: asking('victim/1') },
    { name: 'under the own id, which the registry does not give', attempt: asking('thief/1') },
    { name: 'that begins like the own one', attempt: asking('thief2') },
    { name: 'in another case', attempt: asking('THIEF') },
    { name: 'of the own gateway', attempt: asking('hub', 'leaf') },
    { name: "of another gateway's child", attempt: asking('leaf', 'tree') },
    { name: 'of a service', attempt: asking('dashboard') },
    {
      name: 'of a device, with the secret of a service',
      attempt: asking('victim', 'dashboard'),
    },
    {
      name: 'of another device, with a certificate',
      attempt: async broker => {
        const { certificate, chain, privateKey } = await broker.certificate('thief')
        return isAdmitted(broker, 'victim', { cert: certificate + chain, key: privateKey })
      },
    },
  ],
  {
    prepare: async broker => {
      for (const id of ['victim', 'thief', 'hub']) await broker.device(id)
      await broker.device('tree', { clientIds: 'under' })
      await broker.device('leaf', { parent: 'hub' })
      await broker.api('POST', '/v1/clients', { id: 'dashboard', roles: ['reader'] })
    },
  },
)

attacks(
  "an anonymous client with a device's client id",
  ['victim', 'dashboard'].map(clientId => ({
    name: clientId,
    attempt: (broker: TestBroker) => isAdmitted(broker, clientId, { listener: 'mqtt' }),
  })),
  {
    configuration: { auth: { anonymous: { role: 'reader' } }, listeners: FREE_PORTS },
    prepare: async broker => {
      await broker.device('victim')
      await broker.api('POST', '/v1/clients', { id: 'dashboard', roles: ['reader'] })
    },
  },
)
