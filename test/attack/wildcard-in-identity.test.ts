// An identity that holds `+`, `#`, `/` or a variable would widen every rule it is put into: `device/${device.id}/#` of a
// device called `+` reaches all devices (Mosquitto's CVE-2017-7650). Three lines of defence, each tested: nothing of the
// kind can be registered; nobody gets in by such a name; and a name that came in nevertheless matches no rule.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bind } from '../../src/policy/bind.ts'
import { attacks } from '../fixtures/attack.ts'
import { POLICY, startBroker, type TestBroker } from '../fixtures/broker.ts'
import { connectDevice, isAdmitted, isGranted } from '../fixtures/clients.ts'
import { type DeviceKey, deviceWithKey, honestClaims, signedBy, UNLIMITED_ATTEMPTS } from '../fixtures/device-token.ts'
import { TestAuthority } from '../fixtures/test-authority.ts'
import { device, NOON, policyOf, publish, subscribe } from '../unit/policy/policies.ts'

// biome-ignore lint/suspicious/noTemplateCurlyInString: it is what an attacker writes
const VARIABLE = '${device.id}'
const WIDE = ['+', '#', '+/#', 't2/+', 't2/#', 'x/../t2', '/', VARIABLE, '$SYS', '$share', 't2/', '/t2', 'a+b', 'a#']

let secret: string
let key: DeviceKey

async function prepare(broker: TestBroker): Promise<void> {
  key = await deviceWithKey(broker, 't1')
  secret = (await broker.secret('t1')).secret
  await broker.device('many', { clientIds: 'under' })
  if (!(await isAdmitted(broker, 't1', { username: 't1', password: secret })))
    throw new Error('the secret should have been good')
}

attacks(
  'a wildcard in an identity',
  [
    ...WIDE.map(name => ({
      name: `client id ${name}`,
      attempt: (broker: TestBroker) => isAdmitted(broker, name, { username: 't1', password: secret }),
    })),
    ...['many/+', 'many/#', 'many/a/+/b', '+/many'].map(name => ({
      name: `client id ${name}, of a device that may use ids under its own`,
      attempt: async (broker: TestBroker) => {
        const { secret: own } = await broker.secret('many')
        return isAdmitted(broker, name, { username: 'many', password: own })
      },
    })),
    ...WIDE.map(name => ({
      name: `username ${name}`,
      attempt: (broker: TestBroker) => isAdmitted(broker, 't1', { username: name, password: secret }),
    })),
    ...WIDE.map(name => ({
      name: `JWT of ${name}`,
      attempt: (broker: TestBroker) =>
        isAdmitted(broker, name, { username: name, password: signedBy(key, honestClaims(name)) }),
    })),
    ...WIDE.map(name => ({
      name: `JWT of t1 that names the subject ${name}`,
      attempt: (broker: TestBroker) =>
        isAdmitted(broker, 't1', { username: 't1', password: signedBy(key, { ...honestClaims('t1'), sub: name }) }),
    })),
    ...WIDE.map(name => ({
      name: `certificate of ${name}`,
      attempt: async (broker: TestBroker) => {
        const { pem, privateKeyPem } = await (await TestAuthority.create()).device(name, { commonName: 't1' })
        return isAdmitted(broker, 't1', { cert: pem, key: privateKeyPem })
      },
    })),
    {
      // Any printable text may be the identity of a key; who has it is its owner all the same.
      name: 'PSK identity #',
      attempt: async broker => {
        const id = 'wide-psk'
        await broker.device(id)
        const { psk } = await broker.api('POST', '/v1/credentials', { owner: id, kind: 'psk', identity: '#' })
        const how = {
          ciphers: 'TLS_AES_128_GCM_SHA256',
          pskCallback: () => ({ identity: psk.identity, psk: Buffer.from(psk.key, 'hex') }),
          checkServerIdentity: () => undefined,
        } as object
        const client = await connectDevice(broker, id, how)
        const grants = []
        for (const filter of [`device/${id}/#`, 'device/t1/#', 'device/+/x', 'device/#/x'])
          grants.push(await isGranted(client, filter))
        await client.endAsync(true)
        if (grants[0] !== true) throw new Error('its own topics should have been granted')
        return grants.slice(1).includes(true)
      },
    },
  ],
  { configuration: UNLIMITED_ATTEMPTS, prepare },
)

describe('registration', () => {
  let broker: TestBroker
  beforeAll(async () => {
    broker = await startBroker()
    await prepare(broker)
  })
  afterAll(() => broker?.close())

  const types = (id: string) => ({ id, type: 'thermostat', attributes: { room: 'kitchen' } })
  const REGISTRATIONS: readonly [string, string, (name: string) => [string, object]][] = [
    ['a device', 'POST', name => ['/v1/devices', types(name)]],
    ['the type of a device', 'POST', name => ['/v1/devices', { ...types('t9'), type: name }]],
    ['an attribute of a device', 'POST', name => ['/v1/devices', { ...types('t9'), attributes: { room: name } }]],
    ['an attribute, later', 'PATCH', name => ['/v1/devices/t1', { attributes: { room: name } }]],
    ['the name of an attribute', 'PATCH', name => ['/v1/devices/t1', { attributes: { [name]: 'x' } }]],
    ['a group', 'PATCH', name => ['/v1/devices/t1', { groups: [name] }]],
    ['a role', 'PATCH', name => ['/v1/devices/t1', { roles: [name] }]],
    ['a parent', 'PATCH', name => ['/v1/devices/t1', { parent: name }]],
    ['a client', 'POST', name => ['/v1/clients', { id: name, kind: 'service' }]],
    ['the device of an enrolment', 'POST', name => ['/v1/enrolments', { type: 'thermostat', ttl: 60, device: name }]],
  ]

  it.each(REGISTRATIONS)('of %s is refused and leaves nothing', async (what, method, order) => {
    for (const name of WIDE) {
      const [path, body] = order(name)
      const { status } = await broker.call(method, path, body)
      expect(status, `${what} ${name}`).toBe(400)
    }
    const { items } = await broker.api('GET', '/v1/devices')
    expect(items.map(({ id }: { id: string }) => id).sort()).toEqual(['many', 't1'])
    expect((await broker.api('GET', '/v1/devices/t1')).attributes).toEqual({ room: 'kitchen' })
    expect((await broker.api('GET', '/v1/clients')).items).toEqual([])
  })
})

describe('a name that came in nevertheless', () => {
  const policy = policyOf(POLICY)
  /** What the rule would mean if the name were put into it as it is: the attack that is tested. */
  const naive = (name: string) => `device/${name}/#`
  const reaches = (filter: string, topic: string) =>
    new RegExp(`^${filter.replace('/#', '(/.*)?').replace(/^#$/, '.*').replaceAll('+', '[^/]*')}$`).test(topic)

  it.each(['+', '#', '+/x'])('%s would reach another device if names were put in as they are', name => {
    expect(reaches(name === '#' ? 'device/#' : naive(name), 'device/t2/x')).toBe(true)
  })

  it.each(WIDE)('%s matches no rule', name => {
    const subject = device({ id: name, type: 'thermostat', attributes: { room: name } })
    const bound = bind(policy, subject, null)
    for (const request of [
      publish('device/t2/x'),
      publish(`device/${name}/x`),
      publish(`home/${name}/temperature`),
      subscribe('device/t2/#'),
      subscribe(naive(name)),
      subscribe('home/kitchen/temperature'),
      subscribe(`home/${name}/+`),
    ])
      expect(bound.decide(request, NOON), `${request.action} ${request.target}`).toMatchObject({ permit: false })
  })
})
