// Payloads beyond a datagram, from CoAP to MQTT and back, in blocks (RFC 7959).
import { createHash } from 'node:crypto'
import type { MqttClient } from 'mqtt'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CODE, codeText } from '../../src/coap-wire/codes.ts'
import type { CoapMessage } from '../../src/coap-wire/message.ts'
import { OPTION, optionOf } from '../../src/coap-wire/options.ts'
import { decodeTopicMessage } from '../../src/coap-wire/topic-message.ts'
import { FREE_PORTS_WITH_COAP, startBroker, type TestBroker } from '../fixtures/broker.ts'
import { connectDevice } from '../fixtures/clients.ts'
import { CoapDevice, numberIn } from '../fixtures/coap-device.ts'
import { blockOption, fetchRest, sendBlocks, shownBlock } from '../wire/coap-blocks.ts'

const LARGE = 100_000
/** Bytes that no two places have alike. */
const body = (seed: string, length = LARGE): Buffer => {
  const parts = Array.from({ length: Math.ceil(length / 32) }, (_, i) =>
    createHash('sha256').update(`${seed} ${i}`).digest(),
  )
  return Buffer.concat(parts).subarray(0, length)
}

describe('100 kB', () => {
  let broker: TestBroker
  let device: CoapDevice
  let mqtt: MqttClient
  const came: { topic: string; payload: Buffer; retain: boolean; type: string | undefined }[] = []

  const put = (
    topic: string,
    payload: Buffer,
    how: { code?: number; exponent?: number; contentFormat?: number } = {},
  ) => {
    const { code = CODE.PUT, exponent = 6, ...more } = how
    return sendBlocks(device.client, { code, path: `ps/${topic}`, query: device.session, ...more }, payload, exponent)
  }
  const rest = (topic: string, first: CoapMessage, withEtag = false) => {
    const etag = optionOf(first, OPTION.ETag)
    const options = withEtag && etag !== null ? [{ number: OPTION.ETag, value: etag }] : []
    return fetchRest(device.client, first, { path: `ps/${topic}`, query: device.session, options })
  }

  beforeAll(async () => {
    broker = await startBroker({
      listeners: FREE_PORTS_WITH_COAP,
      limits: { coap: { bodyBytes: 200_000, transferTimeout: 60_000, eventsPerResource: 2 } },
    })
    await broker.device('t1')
    await broker.device('t2')
    const { secret } = await broker.secret('t1')
    device = await CoapDevice.login(broker, 't1', secret)
    mqtt = await connectDevice(broker, 't1', { username: 't1', password: secret })
    mqtt.on('message', (topic, payload, { retain, properties }) =>
      came.push({ topic, payload, retain, type: properties?.contentType }),
    )
    await mqtt.subscribeAsync('device/t1/#', { qos: 1, rap: true })
  })
  afterAll(async () => {
    await mqtt?.endAsync(true)
    await device?.close()
    await broker?.close()
  })

  test.each([
    ['PUT', CODE.PUT, true, 6],
    ['POST', CODE.POST, false, 5],
  ])('a %s is one message of MQTT, and durable when it is answered', async (name, code, retain, exponent) => {
    const payload = body(name)
    came.length = 0
    const answer = await put(`device/t1/${name}`, payload, { code, exponent, contentFormat: 42 })
    expect([codeText(answer.code), numberIn(answer, OPTION.Observe)]).toEqual(['2.04', null])
    await expect.poll(() => came.length).toBe(1)
    expect(came[0]?.payload.equals(payload)).toBe(true)
    expect(came[0]).toMatchObject({ topic: `device/t1/${name}`, retain, type: 'application/octet-stream' })
    const got = await device.get(`device/t1/${name}`)
    if (retain) expect((await rest(`device/t1/${name}`, got)).equals(payload)).toBe(true)
    else expect(codeText(got.code)).toBe('4.04')
  })

  test('a body larger than bodyBytes is refused as soon as that is known', async () => {
    const size1 = { number: OPTION.Size1, value: Buffer.from([3, 13, 65]) } // 200 001
    const asked = { code: CODE.PUT, path: 'ps/device/t1/huge', query: device.session }
    const announced = await sendBlocks(device.client, { ...asked, options: [size1] }, body('huge', 2048))
    expect([codeText(announced.code), numberIn(announced, OPTION.Size1)]).toEqual(['4.13', 200_000])
    const sent = await sendBlocks(device.client, asked, body('huge', 210_000))
    expect([codeText(sent.code), numberIn(sent, OPTION.Size1)]).toEqual(['4.13', 200_000])
    expect(codeText((await device.get('device/t1/huge')).code)).toBe('4.04')
  })

  test('whoever may not publish there is told at the first block', async () => {
    const first = blockOption(OPTION.Block1, { number: 0, more: true, sizeExponent: 0 })
    const asked = { code: CODE.PUT, options: [first], payload: 'x'.repeat(16) }
    const denied = await device.client.request({ ...asked, path: 'ps/device/t2/large', query: device.session })
    const stranger = await device.client.request({ ...asked, path: 'ps/device/t1/large' })
    const wrong = await device.client.request({ ...asked, path: 'ps/device/t1/+', query: device.session })
    expect([denied, stranger, wrong].map(({ code }) => codeText(code))).toEqual(['4.03', '4.01', '4.00'])
  })

  test('a retained message of MQTT reaches an observer: the first block, then GET', async () => {
    const payload = body('state')
    const observation = await device.observe('device/t1/state')
    await mqtt.publishAsync('device/t1/state', payload, { qos: 1, retain: true })
    const first = await observation.next()
    expect([first.payload.length, shownBlock(first, OPTION.Block2), numberIn(first, OPTION.Size2)]).toEqual([
      1024,
      '0/1/1024',
      LARGE,
    ])
    expect((await rest('device/t1/state', first)).equals(payload)).toBe(true)
    await observation.cancel()
  })

  test.each([
    ['by its ETag', true, 1],
    ['as the last one', false, 0],
  ] as const)('an event of MQTT reaches an observer, who asks for the rest %s', async (_, withEtag, qos) => {
    const payload = body(`event ${qos}`)
    const observation = await device.observe('device/t1/event')
    await mqtt.publishAsync('device/t1/event', payload, { qos, properties: { contentType: 'application/cbor' } })
    const first = await observation.next()
    expect([shownBlock(first, OPTION.Block2), numberIn(first, OPTION.ContentFormat)]).toEqual(['0/1/1024', 60])
    expect((await rest('device/t1/event', first, withEtag)).equals(payload)).toBe(true)
    await observation.cancel()
  })

  test('an event reaches an observer of a filter with its topic, in CBOR and in blocks', async () => {
    const payload = body('filter')
    const observation = await device.observe('device/t1/many/+', { query: ['rh=2'] })
    await mqtt.publishAsync('device/t1/many/one', payload, { qos: 1 })
    const whole = await rest('device/t1/many/+', await observation.next())
    expect(decodeTopicMessage(whole)).toEqual({ topic: 'device/t1/many/one', contentFormat: null, payload })
    await observation.cancel()
  })

  test('the last events are kept, each under its ETag; one that is gone is 4.08', async () => {
    const observation = await device.observe('device/t1/series', { query: ['qos=1'] })
    const firsts: CoapMessage[] = []
    for (const name of ['a', 'b', 'c']) {
      await mqtt.publishAsync('device/t1/series', body(name, 3000), { qos: 1 })
      firsts.push(await observation.next())
    }
    const [a, b, c] = firsts
    if (a === undefined || b === undefined || c === undefined) throw new Error('three events were to come')
    await expect(rest('device/t1/series', a, true)).rejects.toThrow('block 1: 4.08')
    expect((await rest('device/t1/series', b, true)).equals(body('b', 3000))).toBe(true)
    expect((await rest('device/t1/series', c, true)).equals(body('c', 3000))).toBe(true)
    await observation.cancel()
  })

  test('of a topic with a state and events, GET from the first block on is the state', async () => {
    const [state, event] = [body('the state', 3000), body('the event', 3000)]
    await put('device/t1/both', state)
    const observation = await device.observe('device/t1/both')
    await mqtt.publishAsync('device/t1/both', event, { qos: 0 })
    const first = await observation.next()
    const got = await device.get('device/t1/both')
    expect((await rest('device/t1/both', got)).equals(state)).toBe(true)
    expect((await rest('device/t1/both', first, true)).equals(event)).toBe(true)
    expect((await rest('device/t1/both', got, true)).equals(state)).toBe(true)
    await observation.cancel()
  })

  test('what was not observed cannot be asked for: no topic of somebody else, no ETag at random', async () => {
    const observation = await device.observe('device/t1/mine')
    await mqtt.publishAsync('device/t1/mine', body('mine', 3000), { qos: 1 })
    const first = await observation.next()
    const other = await CoapDevice.login(broker, 't2', (await broker.secret('t2')).secret)
    const later = blockOption(OPTION.Block2, { number: 1, more: false, sizeExponent: 6 })
    const etag = { number: OPTION.ETag, value: optionOf(first, OPTION.ETag) ?? Buffer.alloc(0) }
    const codes = [
      await other.get('device/t1/mine', { options: [etag, later] }),
      await other.get('device/t1/mine', { options: [later] }),
      await device.get('device/t1/mine', { options: [{ ...etag, value: Buffer.alloc(8) }, later] }),
      await device.get('device/t1/other', { options: [later] }),
    ].map(({ code }) => codeText(code))
    expect(codes).toEqual(['4.03', '4.03', '4.08', '4.04'])
    await other.close()
    await observation.cancel()
  })
})
