// Attack: somebody listens wherever a listener may, to get the credential that another device is given in its session;
// or answers in the broker's place.
import type { MqttClient } from 'mqtt'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { POLICY, startBroker, type TestBroker } from '../fixtures/broker.ts'
import { connectDevice, isAdmitted, isGranted, isPublished } from '../fixtures/clients.ts'
import { RENEW, RENEWED, renewed } from '../fixtures/renewal.ts'

/** A policy as careless as can be: this one device may subscribe and publish whatever a policy can permit. */
const CARELESS = `${POLICY}
  - { type: spy, roles: [spy] }
`.replace(
  'roles:\n',
  `roles:
  spy:
    permit:
      - { id: all, allow: "#" }
      - { id: system, subscribe: ["$SYS/#", "$latchkey/#"] }
`,
)
const FILTERS = ['#', '$latchkey/#', '$latchkey/credential/+', RENEWED, RENEW, '$share/g/#', '$share/g/$latchkey/#']

let broker: TestBroker
const secrets = new Map<string, string>()
beforeAll(async () => {
  broker = await startBroker({}, { policy: CARELESS })
  await broker.device('t1')
  for (const id of ['spy', 'spy-later']) await broker.device(id, { type: 'spy' })
  for (const id of ['t1', 'spy', 'spy-later']) secrets.set(id, (await broker.secret(id)).secret)
})
afterAll(() => broker?.close())

const connect = (id: string, more = {}, clientId = id) =>
  connectDevice(broker, clientId, { username: id, password: secrets.get(id) ?? '', ...more })

/** `permitted`: who may listen, so that what it does not hear was not said. */
async function listen(client: MqttClient, { permitted }: { permitted: boolean }): Promise<string[]> {
  const heard: string[] = []
  client.on('message', (topic, payload) => heard.push(`${topic} ${payload}`))
  for (const filter of FILTERS) expect(await isGranted(client, filter)).toBe(permitted)
  return heard
}

/** What comes after everything that was sent before it. */
async function end(client: MqttClient, heard: readonly string[]): Promise<void> {
  const last = new Promise<void>(resolve =>
    client.on('message', topic => {
      if (topic === 'spied/end') resolve()
    }),
  )
  await client.publishAsync('spied/end', '', { qos: 1 })
  await last
  expect(heard.some(each => each.startsWith('spied/end'))).toBe(true)
}

test('neither now, nor later, nor by another session of the same device', async () => {
  const kept = { clean: false, properties: { sessionExpiryInterval: 600 } }
  const away = await connect('spy-later', kept)
  await listen(away, { permitted: true })
  await away.endAsync(true)

  const spy = await connect('spy')
  const heard = await listen(spy, { permitted: true })
  await broker.api('PATCH', '/v1/devices/t1', { clientIds: 'under' })
  const sibling = await connect('t1', {}, 't1/sibling')
  const siblingHeard = await listen(sibling, { permitted: false })

  const device = await connect('t1')
  const answers = []
  for (const qos of [0, 1, 2] as const) answers.push(await renewed(device, { id: `${qos}` }, { qos }))
  device.publish(RENEW, '{"id":"kept"}', { qos: 1, retain: true })
  await isPublished(device, 'device/t1/after')
  expect(answers.every(({ secret }) => secret.startsWith('lk_mqtt_'))).toBe(true)

  await end(spy, heard)
  const back = await connect('spy-later', kept)
  const backHeard = await listen(back, { permitted: true })
  await end(back, backHeard)
  const everything = [...heard, ...backHeard, ...siblingHeard].filter(each => each.includes('$latchkey'))
  expect(everything).toEqual([])
  expect(JSON.stringify([heard, backHeard, siblingHeard])).not.toContain('lk_mqtt_')
  await Promise.all([spy, back, sibling, device].map(client => client.endAsync(true)))
})

test('nobody answers in the place of the broker, and a will asks for nothing', async () => {
  const spy = await connect('spy')
  const device = await connect('t1')
  const heard: string[] = []
  device.on('message', topic => heard.push(topic))
  await device.subscribeAsync('device/t1/#', { qos: 1 })
  expect(await isPublished(spy, RENEWED, '{"id":"x","secret":"lk_mqtt_forged"}')).toBe(false)
  await spy.endAsync(true)
  const will = (topic: string) =>
    ({ username: 'spy', password: secrets.get('spy') ?? '', will: { topic, payload: '{"id":"w"}', qos: 1 } }) as const
  expect(await isAdmitted(broker, 'spy', will(RENEW))).toBe(false)
  expect(await isAdmitted(broker, 'spy', will('spied/will'))).toBe(true)
  await isPublished(device, 'device/t1/x')
  expect(heard.filter(topic => topic.startsWith('$'))).toEqual([])
  await device.endAsync(true)
})
