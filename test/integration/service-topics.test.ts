// Requests to a service topic packet by packet: repetitions, pipelined requests, and askers that are gone.
import { connect as connectTls } from 'node:tls'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { startBroker, type TestBroker } from '../fixtures/broker.ts'
import type { Json } from '../fixtures/https-json.ts'
import { RENEW, RENEWED } from '../fixtures/renewal.ts'
import { MqttWire, type Version } from '../wire/mqtt-wire.ts'

let broker: TestBroker
let number = 0
let id: string
let secret: string
beforeAll(async () => {
  broker = await startBroker()
})
afterAll(() => broker?.close())
beforeEach(async () => {
  id = `d${++number}`
  await broker.device(id)
  secret = (await broker.secret(id)).secret
})

async function open(version: Version = 5, options = {}): Promise<MqttWire> {
  const tls = { host: '127.0.0.1', servername: 'localhost', port: broker.port('mqtts'), ca: broker.ca }
  const wire = new MqttWire(connectTls({ ...tls, ALPNProtocols: ['mqtt'] }), version)
  await wire.connect({ clientId: id, username: id, password: Buffer.from(secret), ...options })
  return wire
}
const REQUEST = '{"id":"x"}'
const credentials = async (): Promise<Json[]> => (await broker.api('GET', `/v1/credentials?owner=${id}`)).items

test.each([3, 4, 5] as const)(
  'version %i: a QoS 2 request that is repeated before PUBREL is not asked twice',
  async version => {
    const wire = await open(version)
    const messageId = wire.sendPublish(RENEW, REQUEST, { qos: 2 })
    await wire.next('pubrec')
    wire.sendPublish(RENEW, REQUEST, { qos: 2, dup: true, messageId })
    await wire.next('pubrec')
    wire.send({ cmd: 'pubrel', messageId })
    await wire.next('pubcomp')
    expect((await wire.waiting()).map(({ topic, qos, retain }) => [topic, qos, retain])).toEqual([[RENEWED, 0, false]])
    expect(await credentials()).toHaveLength(2)

    wire.sendPublish(RENEW, REQUEST, { qos: 2, messageId })
    await wire.next('pubrec')
    expect(await wire.waiting()).toHaveLength(2)
  },
)

test('requests in one segment are answered in turn, and leave two live credentials', async () => {
  const wire = await open()
  const ids = ['a', 'b', 'c', 'd']
  for (const each of ids) wire.sendPublish(RENEW, `{"id":"${each}"}`, { qos: 1 })
  const answers: Json[] = []
  for (const text of await wire.messages(ids.length)) answers.push(JSON.parse(text))
  expect(answers.map(answer => answer.id)).toEqual(ids)
  const live = (await credentials()).filter(({ status }) => status === 'active')
  expect(live.map(credential => credential.id)).toContain(answers.at(-1)?.credential.id)
  expect(live).toHaveLength(2)
})

test('a topic alias reaches it as well, and the answer uses those of the client', async () => {
  const wire = await open(5, { properties: { topicAliasMaximum: 5 } })
  wire.sendPublish(RENEW, REQUEST, { qos: 1, properties: { topicAlias: 1 } })
  const first = await wire.next('publish')
  wire.sendPublish('', REQUEST, { qos: 1, properties: { topicAlias: 1 } })
  const second = await wire.next('publish')
  expect([first.topic, second.topic]).toEqual([RENEWED, ''])
  expect(second.properties?.topicAlias).toBe(first.properties?.topicAlias)
})

test('an asker that has gone gets nothing later: neither it nor its queue nor its next connection', async () => {
  const lasting = { clean: false, properties: { sessionExpiryInterval: 600 } }
  const wire = await open(5, lasting)
  wire.sendPublish(RENEW, REQUEST, { qos: 1 })
  wire.send({ cmd: 'disconnect' })
  await wire.closed()
  const again = await open(5, lasting)
  expect(await again.waiting()).toEqual([])
  expect(JSON.stringify(again.packets)).not.toContain('lk_mqtt_')
})

test('other topics of the broker are nobody’s, and a service’s own are not guessed by case or slash', async () => {
  const wire = await open()
  for (const topic of ['$latchkey/credential', '$latchkey/credential/RENEW', `${RENEW}/`, '$latchkey/x', RENEWED])
    expect(await wire.publish(topic, REQUEST, { qos: 1 })).toBe(0x87)
  expect(await wire.waiting()).toEqual([])
  expect(await credentials()).toHaveLength(1)
})
