// Observe on the wire (RFC 7641): what comes, in which order and type, and everything that ends it.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { CODE } from '../../src/coap-wire/codes.ts'
import { type CoapMessage, TYPE } from '../../src/coap-wire/message.ts'
import { OPTION, optionOf, uintOf, uintValue } from '../../src/coap-wire/options.ts'
import { decodeTopicMessage } from '../../src/coap-wire/topic-message.ts'
import { FREE_PORTS_WITH_COAP, POLICY, startBroker, type TestBroker } from '../fixtures/broker.ts'
import { connectDevice } from '../fixtures/clients.ts'
import { CoapDevice, observeIn, told } from '../fixtures/coap-device.ts'
import { CoapClient } from '../wire/coap-wire.ts'

const TOPIC = 'device/t1/state'

/** RFC 7641 3.4, for notifications that follow each other at once. */
const isNewer = (before: CoapMessage, after: CoapMessage) => {
  const step = ((observeIn(after) ?? 0) - (observeIn(before) ?? 0)) & 0xffffff
  return step > 0 && step < 2 ** 23
}

describe('observations', () => {
  let broker: TestBroker
  let device: CoapDevice
  let writer: CoapDevice
  let credential: { id: string; secret: string }
  const opened: CoapDevice[] = []

  const login = async (id: string, secret: string) => {
    const made = await CoapDevice.login(broker, id, secret)
    opened.push(made)
    return made
  }

  beforeAll(async () => {
    broker = await startBroker({
      listeners: FREE_PORTS_WITH_COAP,
      limits: { coap: { ackTimeout: 100, maxRetransmit: 1, observationsPerPeer: 5 } },
    })
    await broker.device('t1')
    await broker.device('t2')
    credential = await broker.secret('t1')
    device = await login('t1', credential.secret)
    writer = await login('t2', (await broker.secret('t2')).secret)
  })
  afterEach(() => broker.api('PUT', '/v1/policies', { files: [{ path: 'policy.yaml', text: POLICY }] }))
  afterAll(async () => {
    await Promise.all(opened.map(each => each.close()))
    await broker?.close()
  })

  /** Whatever was on its way to this client has come. */
  const settled = (who: CoapDevice) => who.client.ping()

  test('of a retained value longer than a block the first comes, and GET gives the rest by the same ETag', async () => {
    const large = Array.from({ length: 900 }, (_, i) => `line ${i}`).join('\n')
    const observation = await device.observe('device/t1/large')
    const mqtt = await connectDevice(broker, 't1', { username: 't1', password: credential.secret })
    await mqtt.publishAsync('device/t1/large', large, { qos: 1, retain: true })
    await mqtt.endAsync(true)
    const first = await observation.next()
    const etag = optionOf(first, OPTION.ETag)
    expect(first.payload.length).toBe(1024)
    const blocks = [first.payload]
    for (let more = true, number = 1; more; number++) {
      const value = uintValue((number << 4) | 6)
      const answer = await device.get('device/t1/large', { options: [{ number: OPTION.Block2, value }] })
      expect(optionOf(answer, OPTION.ETag)).toEqual(etag)
      blocks.push(answer.payload)
      more = (uintOf(optionOf(answer, OPTION.Block2) ?? Buffer.alloc(0)) & 8) !== 0
    }
    expect(Buffer.concat(blocks).toString()).toBe(large)
    await observation.cancel()
  })

  test('notifications bear the token, newer numbers, and the type of their QoS', async () => {
    await device.put(TOPIC, 'first')
    const observation = await device.observe(TOPIC)
    expect(told(observation.first)).toBe('2.05 first')
    const got = [observation.first]
    for (const [query, type] of [
      ['qos=0', TYPE.NON],
      ['qos=1', TYPE.CON],
      ['qos=2', TYPE.CON],
    ] as const) {
      await device.put(TOPIC, query, { query: [query] })
      const message = await observation.next()
      expect([told(message), message.type]).toEqual([`2.05 ${query}`, type])
      got.push(message)
    }
    for (let i = 1; i < got.length; i++) expect(isNewer(got[i - 1] as CoapMessage, got[i] as CoapMessage)).toBe(true)
    await device.delete(TOPIC)
    expect(told(await observation.next())).toBe('2.05')
    expect(observeIn(await observation.cancel())).toBeNull()
  })

  test('a token of 64 bytes is that of every notification (RFC 8974)', async () => {
    const token = Buffer.alloc(64, 7)
    const observation = await device.observe('device/t1/token', { token, query: ['qos=1'] })
    await device.post('device/t1/token', 'one')
    expect(await observation.next()).toMatchObject({ token, payload: Buffer.from('one') })
    await observation.cancel()
  })

  test('a filter brings topic, content format and payload, what is retained first', async () => {
    await writer.put('device/t2/a', '1', { contentFormat: 50 })
    await writer.put('device/t2/b', '2')
    const observation = await writer.observe('device/t2/#')
    expect(told(observation.first)).toBe('2.05')
    const all = [
      decodeTopicMessage((await observation.next()).payload),
      decodeTopicMessage((await observation.next()).payload),
    ]
    await writer.post('device/t2/c', '3')
    all.push(decodeTopicMessage((await observation.next()).payload))
    expect(all.map(each => [each?.topic, each?.contentFormat, each?.payload.toString()])).toEqual([
      ['device/t2/a', 50, '1'],
      ['device/t2/b', null, '2'],
      ['device/t2/c', null, '3'],
    ])
    await observation.cancel()
  })

  test('QoS 1 messages all arrive, in order, though the observer acknowledges slowly', async () => {
    const observation = await device.observe(TOPIC, { ack: 'none' })
    for (let i = 0; i < 20; i++) await device.post(TOPIC, `${i}`)
    const first = await observation.next()
    expect(told(first)).toBe('2.05 0')
    observation.ack = 'auto'
    device.client.sendEmpty(TYPE.ACK, first.messageId)
    for (let i = 1; i < 20; i++) expect(told(await observation.next())).toBe(`2.05 ${i}`)
    await observation.cancel()
  })

  const silentEnds: [string, (from: CoapDevice) => Promise<unknown>][] = [
    [
      'a reset of a NON',
      async from => {
        const observation = await from.observe(TOPIC, { ack: 'reset' })
        await device.post(TOPIC, 'x', { query: ['qos=0'] })
        await observation.next()
        return observation
      },
    ],
    [
      'a reset of a CON',
      async from => {
        const observation = await from.observe(TOPIC, { ack: 'reset' })
        await device.post(TOPIC, 'x')
        await observation.next()
        return observation
      },
    ],
    [
      'Observe: 1',
      async from => {
        const observation = await from.observe(TOPIC)
        await observation.cancel()
        return observation
      },
    ],
  ]
  test.each(silentEnds)('%s ends it', async (_, end) => {
    await end(device)
    await settled(device)
    await device.post(TOPIC, 'late', { query: ['qos=0'] })
    await settled(device)
    expect(device.client.received.map(told)).not.toContain('2.05 late')
  })

  test('an observer who never acknowledges is not one any more', async () => {
    const from = await login('t1', credential.secret)
    device = from
    const observation = await from.observe(TOPIC, { ack: 'none' })
    await from.post(TOPIC, 'x')
    await observation.next()
    const ended = async () => (await metrics()).get('latchkey_coap_observations_ended_total{reason="timeout"}') ?? 0
    await expect.poll(ended).toBe(1)
    await from.post(TOPIC, 'late', { query: ['qos=0'] })
    await settled(from)
    expect(from.client.received.map(told)).not.toContain('2.05 late')
  })

  const metrics = async () => {
    const { body } = await broker.call('GET', '/metrics')
    const lines = String(body)
      .split('\n')
      .filter(line => line !== '' && !line.startsWith('#'))
    return new Map(lines.map(line => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]))
  }

  test('the same token asks anew: the older observation is replaced', async () => {
    const first = await device.observe(TOPIC)
    const second = await device.observe('device/t1/other', { token: first.token })
    await device.post(TOPIC, 'old', { query: ['qos=0'] })
    await device.post('device/t1/other', 'new')
    expect(told(await second.next())).toBe('2.05 new')
    expect(device.client.received.map(told)).not.toContain('2.05 old')
    await second.cancel()
  })

  test('one peer has so many, and no more', async () => {
    const all = []
    for (let i = 0; i < 5; i++) all.push(await device.observe(`device/t1/${i}`))
    const refused = await device.observe('device/t1/6')
    expect([told(refused.first), observeIn(refused.first)]).toEqual(['4.29', null])
    for (const each of all) await each.cancel()
  })

  test('a policy that takes the right away says so with 4.03, and nothing comes after', async () => {
    const kept = await device.observe(TOPIC)
    const lost = await device.observe('home/kitchen/+')
    await broker.api('PUT', '/v1/policies', {
      files: [{ path: 'policy.yaml', text: POLICY.replace(/ +- \{ id: listen.*\n/, '') }],
    })
    await writer.post('home/kitchen/temperature', 'late')
    const goodbye = await lost.next()
    expect([told(goodbye), observeIn(goodbye)]).toEqual(['4.03', null])
    await device.post(TOPIC, 'still')
    expect(told(await kept.next())).toBe('2.05 still')
    expect(device.client.received.map(told)).not.toContain('2.05 late')
    await kept.cancel()
  })

  const ends: [string, (id: string, credential: string) => Promise<unknown>][] = [
    ['revoking its credential', (_, id) => broker.api('POST', `/v1/credentials/${id}/revoke`, { reason: 'lost' })],
    ['suspending the device', id => broker.api('POST', `/v1/devices/${id}/suspend`)],
    ['removing the device', id => broker.api('DELETE', `/v1/devices/${id}`)],
  ]
  test.each(ends)('%s: 4.01 before the operator has an answer, and nothing after it', async (name, end) => {
    const id = `end-${name.split(' ')[0]}`
    await broker.device(id)
    const issued = await broker.secret(id)
    const watcher = await login(id, issued.secret)
    const [live, slow] = [
      await watcher.observe('home/kitchen/+', { ack: 'none' }),
      await watcher.observe(`device/${id}/x`),
    ]
    await writer.post('home/kitchen/temperature', 'before')
    await live.next()
    await writer.post('home/kitchen/temperature', 'waiting')
    live.ack = 'auto'
    await end(id, issued.id)
    await settled(watcher)
    // At once, though the message before it was never acknowledged.
    expect(watcher.client.received.map(told)).toContain('4.01')
    const then = watcher.client.received.length
    await writer.post('home/kitchen/temperature', 'after the answer')
    for (const each of [live, slow]) {
      const goodbye = await each.next(({ code }) => code !== CODE.Content)
      expect([told(goodbye), observeIn(goodbye)]).toEqual(['4.01', null])
    }
    await settled(watcher)
    const came = watcher.client.received.map(({ payload }) => payload.toString())
    expect(watcher.client.received.slice(then).filter(({ code }) => code === CODE.Content)).toEqual([])
    for (const late of ['waiting', 'after the answer']) expect(came.filter(text => text.includes(late))).toEqual([])
    expect(told(await watcher.get(`device/${id}/x`))).toBe('4.01')
  })

  test('500 observers each get every message', async () => {
    const wide = await startBroker({
      listeners: FREE_PORTS_WITH_COAP,
      limits: { coap: { observationsPerPeer: 1000, observationsPerSession: 1000 } },
    })
    await wide.device('t1')
    const many = await CoapDevice.login(wide, 't1', (await wide.secret('t1')).secret)
    const observations = []
    for (let i = 0; i < 500; i++) observations.push(await many.observe(TOPIC))
    await many.post(TOPIC, 'x', { query: ['qos=0'] })
    const got = await Promise.all(observations.map(each => each.next()))
    expect(got.map(told)).toEqual(Array(500).fill('2.05 x'))
    await many.close()
    await wide.close()
  })

  test('the end of the broker is told with 5.03', async () => {
    const other = await startBroker({ listeners: FREE_PORTS_WITH_COAP })
    await other.device('t1')
    const watcher = await CoapDevice.login(other, 't1', (await other.secret('t1')).secret)
    const observation = await watcher.observe(TOPIC)
    await other.close()
    expect(told(await observation.next())).toBe('5.03')
    await watcher.close()
  })

  test('the client of another address goes on with the same session', async () => {
    const elsewhere = await CoapClient.open(broker.port('coap'))
    await device.put(TOPIC, 'here')
    const answer = await elsewhere.request({ path: `ps/${TOPIC}`, query: device.session })
    expect(told(answer)).toBe('2.05 here')
    await elsewhere.close()
  })
})
