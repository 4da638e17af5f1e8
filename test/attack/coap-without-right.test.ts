// What a device over CoAP is not permitted: other rooms, wider filters, other names, other sessions. And what a session
// could still do after its ground is gone.
import { CODE, codeClass } from '../../src/coap-wire/codes.ts'
import type { CoapMessage } from '../../src/coap-wire/message.ts'
import { attacks } from '../fixtures/attack.ts'
import { FREE_PORTS_WITH_COAP, type TestBroker } from '../fixtures/broker.ts'
import { CoapClient, type RequestOptions } from '../wire/coap-wire.ts'

const SECRETS = new Map<string, { id: string; secret: string }>()
/** What an honest neighbour leaves in its room. */
const ATTIC = ['ps', 'home', 'attic', 'temperature']

const succeeded = ({ code }: CoapMessage): boolean => codeClass(code) === 2

async function logIn(client: CoapClient, clientId: string, by = clientId): Promise<string[]> {
  const answer = await client.request({
    code: CODE.POST,
    path: ['mqtt', 'connection'],
    query: [`clientid=${clientId}`],
    payload: SECRETS.get(by)?.secret ?? '',
  })
  if (answer.code !== CODE.Created) throw new Error(`${clientId} was not let in`)
  return [`clientid=${clientId}`, `token=${answer.payload.toString()}`]
}

/** One request of a device that is logged in. */
const asks = (request: RequestOptions) => async (broker: TestBroker) => {
  const client = await CoapClient.open(broker.port('coap'))
  try {
    const query = [...(await logIn(client, 't1')), ...(request.query ?? [])]
    return succeeded(await client.request({ ...request, query }))
  } finally {
    await client.close()
  }
}

/** What somebody can read of the attic's temperature. */
const reads = (request: RequestOptions) => async (broker: TestBroker) => {
  const client = await CoapClient.open(broker.port('coap'))
  try {
    const neighbour = await logIn(client, 't2')
    const report = () => client.request({ code: CODE.PUT, path: ATTIC, query: neighbour, payload: '31.5' })
    await report()
    const query = await logIn(client, 't1')
    const answer = await client.request({ ...request, query: [...query, ...(request.query ?? [])] })
    await report()
    await client.ping()
    return [answer, ...client.received].some(({ payload }) => payload.includes('31.5') || payload.includes('attic'))
  } finally {
    await client.close()
  }
}

attacks(
  'CoAP without the right to it',
  [
    { name: 'publishes in another room', attempt: asks({ code: CODE.POST, path: ATTIC, payload: '99' }) },
    { name: 'puts a retained value there', attempt: asks({ code: CODE.PUT, path: ATTIC, payload: '99' }) },
    { name: 'clears what is retained there', attempt: asks({ code: CODE.DELETE, path: ATTIC }) },
    {
      name: 'publishes what is forbidden',
      attempt: asks({ code: CODE.POST, path: 'ps/home/kitchen/lock', payload: '0' }),
    },
    { name: 'reads another room', attempt: reads({ path: ATTIC }) },
    { name: 'observes another room', attempt: reads({ path: ATTIC, observe: 0 }) },
    { name: 'observes all rooms', attempt: reads({ path: ['ps', 'home', '+', 'temperature'], observe: 0 }) },
    { name: 'observes everything', attempt: reads({ path: ['ps', '#'], observe: 0 }) },
    { name: 'observes everything as a share', attempt: reads({ path: ['ps', '$share', 'g', '#'], observe: 0 }) },
    { name: 'discovers another room', attempt: reads({ path: ['.well-known', 'core'] }) },
    { name: 'discovers another room below /ps', attempt: reads({ path: ['ps'] }) },
  ],
  {
    configuration: { listeners: FREE_PORTS_WITH_COAP },
    without: { unsafeForTests: { policy: true } },
    prepare: people,
  },
)

attacks(
  'CoAP as somebody else',
  [
    {
      name: 'logs in as another with its own secret',
      attempt: async broker => {
        const client = await CoapClient.open(broker.port('coap'))
        try {
          return await logIn(client, 't2', 't1').then(
            () => true,
            () => false,
          )
        } finally {
          await client.close()
        }
      },
    },
    {
      name: 'logs in with a secret that was revoked',
      attempt: async broker => {
        const client = await CoapClient.open(broker.port('coap'))
        try {
          return await logIn(client, 't3').then(
            () => true,
            () => false,
          )
        } finally {
          await client.close()
        }
      },
    },
    {
      name: 'logs in with no secret at all',
      attempt: async broker => {
        const client = await CoapClient.open(broker.port('coap'))
        try {
          const path = ['mqtt', 'connection']
          const query = ['clientid=t1', 'username=t1', 'password=x']
          return succeeded(await client.request({ code: CODE.POST, path, query }))
        } finally {
          await client.close()
        }
      },
    },
  ],
  {
    configuration: { listeners: FREE_PORTS_WITH_COAP },
    prepare: async broker => {
      await people(broker)
      await broker.device('t3')
      const credential = await broker.secret('t3')
      SECRETS.set('t3', credential)
      await broker.api('POST', `/v1/credentials/${credential.id}/revoke`, { reason: 'stolen' })
    },
  },
)

async function people(broker: TestBroker): Promise<void> {
  await broker.device('t1')
  await broker.device('t2', { attributes: { room: 'attic' } })
  for (const id of ['t1', 't2']) SECRETS.set(id, await broker.secret(id))
}
