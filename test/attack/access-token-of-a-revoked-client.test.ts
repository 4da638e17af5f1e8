// An access token outlives the request it was given for, but not what it was given on: with its secret, its client or
// itself revoked it opens nothing, on no listener, and its session has ended when the revocation is answered. That the
// token server was asked nothing meanwhile, and the token's signature was seen to be good before, changes nothing.
import { attacks } from '../fixtures/attack.ts'
import type { TestBroker } from '../fixtures/broker.ts'
import { connectDevice, isAdmitted, isPublished } from '../fixtures/clients.ts'
import { accessToken, UNLIMITED_ATTEMPTS } from '../fixtures/device-token.ts'

interface Holder {
  readonly id: string
  readonly kind: 'clients' | 'devices'
  readonly credential: string
  readonly secret: string
  readonly token: string
}

async function create(broker: TestBroker, id: string, kind: Holder['kind']): Promise<void> {
  const service = { id, kind: 'service', roles: ['thermostat'], authMethod: 'client_secret_post' }
  if (kind === 'clients') await broker.api('POST', '/v1/clients', service)
  else await broker.device(id)
}

let holders = 0
async function holder(broker: TestBroker, kind: Holder['kind']): Promise<Holder> {
  const id = `h${++holders}`
  await create(broker, id, kind)
  const { id: credential, secret } = await broker.secret(id, 'token')
  return { id, kind, credential, secret, token: await accessToken(broker, id, secret) }
}

const admits = (broker: TestBroker, { id, token }: Holder, listener: 'mqtt' | 'mqtts' | 'ws' | 'wss') =>
  isAdmitted(broker, id, { listener, username: id, password: token })

type Ending = (broker: TestBroker, holder: Holder) => Promise<unknown>

/** What the believing broker does not look at. That it looks at standing devices and clients is access's own business. */
const REVOCATIONS: Readonly<Record<string, Ending>> = {
  'its secret was revoked': (broker, { credential }) =>
    broker.api('POST', `/v1/credentials/${credential}/revoke`, { reason: 'leaked' }),
  'the token was revoked': async (broker, { id, secret, token }) => {
    const form = new URLSearchParams({ token, client_id: id, client_secret: secret })
    const { status } = await broker.call('POST', '/oauth2/revoke', form.toString(), null)
    if (status !== 200) throw new Error(`revocation was answered by ${status}`)
  },
}

const RETURNS: Readonly<Record<string, Ending>> = {
  ...REVOCATIONS,
  'its client was suspended and resumed': async (broker, { id, kind }) => {
    await broker.api('POST', `/v1/${kind}/${id}/suspend`)
    await broker.api('POST', `/v1/${kind}/${id}/resume`)
  },
  'its client was removed and made again': async (broker, { id, kind }) => {
    await broker.api('DELETE', `/v1/${kind}/${id}`)
    await create(broker, id, kind)
  },
  'its client was removed and a stranger has its name': async (broker, { id, kind }) => {
    await broker.api('DELETE', `/v1/${kind}/${id}`)
    await create(broker, id, kind === 'clients' ? 'devices' : 'clients')
  },
  'its secret was rotated': async (broker, { credential }) => {
    await broker.api('POST', `/v1/credentials/${credential}/rotate`, { overlap: 0 })
  },
}

const livesOn = (kind: Holder['kind'], revoke: Ending) => async (broker: TestBroker) => {
  const owner = await holder(broker, kind)
  const client = await connectDevice(broker, owner.id, { username: owner.id, password: owner.token })
  if (!(await isPublished(client, `device/${owner.id}/x`))) throw new Error('the token should have been good')
  const closed = new Promise<false>(resolve => client.stream.once('close', () => resolve(false)))
  await revoke(broker, owner)
  const survived = await Promise.race([closed, isPublished(client, `device/${owner.id}/x`)])
  await client.endAsync(true)
  return survived
}

const comesBack = (kind: Holder['kind'], end: Ending) => async (broker: TestBroker) => {
  const owner = await holder(broker, kind)
  if (!(await admits(broker, owner, 'mqtts'))) throw new Error('the token should have been good')
  await end(broker, owner)
  for (const listener of ['mqtt', 'mqtts', 'ws', 'wss'] as const) if (await admits(broker, owner, listener)) return true
  return false
}

attacks(
  'an access token',
  (['clients', 'devices'] as const).flatMap(kind => [
    ...Object.entries(REVOCATIONS).map(([name, revoke]) => ({
      name: `${kind}: its session lives on after ${name}`,
      attempt: livesOn(kind, revoke),
    })),
    ...Object.entries(RETURNS).map(([name, end]) => ({
      name: `${kind}: it is good although ${name}`,
      attempt: comesBack(kind, end),
    })),
  ]),
  { configuration: UNLIMITED_ATTEMPTS },
)
