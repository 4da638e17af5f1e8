// Topics as resources on the wire: publish, read, clear, list.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CODE, codeText } from '../../src/coap-wire/codes.ts'
import { readLinks } from '../../src/coap-wire/link-format.ts'
import { TYPE } from '../../src/coap-wire/message.ts'
import { OPTION, uintValue } from '../../src/coap-wire/options.ts'
import { FREE_PORTS_WITH_COAP, startBroker, type TestBroker } from '../fixtures/broker.ts'
import { CoapDevice, numberIn, told } from '../fixtures/coap-device.ts'
import { fetchRest, sendBlocks } from '../wire/coap-blocks.ts'
import { CoapClient } from '../wire/coap-wire.ts'

describe('topics over CoAP', () => {
  let broker: TestBroker
  let device: CoapDevice
  beforeAll(async () => {
    broker = await startBroker({ listeners: FREE_PORTS_WITH_COAP })
    await broker.device('t1')
    device = await CoapDevice.login(broker, 't1', (await broker.secret('t1')).secret)
  })
  afterAll(async () => {
    await device?.close()
    await broker?.close()
  })

  test('a value is put, read, known by its ETag, and cleared', async () => {
    expect(told(await device.get('device/t1/state'))).toBe('4.04')
    expect(told(await device.put('device/t1/state', 'on', { contentFormat: 0 }))).toBe('2.04')
    const got = await device.get('device/t1/state')
    expect([told(got), numberIn(got, OPTION.ContentFormat), got.type]).toEqual(['2.05 on', 0, TYPE.ACK])
    const etag = got.options.find(({ number }) => number === OPTION.ETag)
    expect(told(await device.get('device/t1/state', { options: etag ? [etag] : [] }))).toBe('2.03')
    expect(told(await device.delete('device/t1/state'))).toBe('2.02')
    expect(told(await device.get('device/t1/state'))).toBe('4.04')
  })

  test('non-confirmable requests are answered too', async () => {
    const answer = await device.put('device/t1/non', 'x', { type: TYPE.NON })
    expect([told(answer), answer.type]).toEqual(['2.04', TYPE.NON])
    expect(told(await device.get('device/t1/non', { type: TYPE.NON }))).toBe('2.05 x')
  })

  test('a topic has every method but these', async () => {
    for (const code of [CODE.FETCH, CODE.PATCH, CODE.iPATCH])
      expect(told(await device.client.request({ code, path: 'ps/device/t1/state', query: device.session }))).toBe(
        '4.05',
      )
  })

  test('FETCH gives the values of many topics, in blocks where they are long; Block1 and Block2 together', async () => {
    const names = Array.from({ length: 40 }, (_, i) => `device/t1/fetched/${i}/${'long'.repeat(10)}`)
    for (const name of names) await device.put(name, 'x'.repeat(200))
    const asked = { code: CODE.FETCH, path: 'ps', query: device.session, contentFormat: 50 }
    const first = await sendBlocks(device.client, asked, Buffer.from(JSON.stringify(names)))
    expect(first.code).toBe(CODE.Content)
    const text = (await fetchRest(device.client, first, asked)).toString()
    const found = JSON.parse(text) as { topic: string; payload: string }[]
    expect(found.map(({ topic }) => topic)).toEqual([...names].sort())
    expect(found.every(each => each.payload === 'x'.repeat(200))).toBe(true)
    for (const name of names) await device.delete(name)
  })

  test('a level may hold what a URI may not, but no slash', async () => {
    const path = (level: string) => ['ps', 'device', 't1', level]
    const put = (level: string) =>
      device.client.request({ code: CODE.PUT, path: path(level), query: device.session, payload: 'x' })
    expect(told(await put('Küche ? & = %'))).toBe('2.04')
    expect(told(await put('a/b'))).toBe('4.00')
    const links = readLinks((await device.get('', { path: ['ps'] })).payload.toString()) ?? []
    expect(links.map(({ target }) => target)).toContain('/ps/device/t1/K%C3%BCche%20%3F%20%26%20%3D%20%25')
  })

  test('what is not permitted is 4.03, whether it is there or not, and 4.01 without a session', async () => {
    await broker.device('t2')
    const other = await CoapDevice.login(broker, 't2', (await broker.secret('t2')).secret, device.client)
    await other.put('device/t2/there', 'x')
    for (const topic of ['device/t2/there', 'device/t2/not-there', '$SYS/version']) {
      expect(told(await device.get(topic))).toBe('4.03')
      expect(told(await device.put(topic, 'x'))).toBe('4.03')
      expect(told(await device.delete(topic))).toBe('4.03')
      expect(told(await device.client.request({ path: `ps/${topic}` }))).toBe('4.01')
    }
  })

  test('a value outlives the broker', async () => {
    const other = await startBroker({ listeners: FREE_PORTS_WITH_COAP })
    await other.device('t1')
    const { secret } = await other.secret('t1')
    const before = await CoapDevice.login(other, 't1', secret)
    const json = { contentFormat: 50, query: ['expiry=600'] }
    expect(told(await before.put('device/t1/state', '{"on":true}', json))).toBe('2.04')
    await before.close()
    await other.latchkey.close()
    const again = await startBroker({ listeners: FREE_PORTS_WITH_COAP }, { data: other.data })
    const after = await CoapDevice.login(again, 't1', secret)
    const got = await after.get('device/t1/state')
    expect([told(got), numberIn(got, OPTION.ContentFormat)]).toEqual(['2.05 {"on":true}', 50])
    expect(numberIn(got, OPTION.MaxAge)).toBeLessThanOrEqual(600)
    await after.close()
    await again.close()
    await other.close()
  })

  test('discovery shows each caller what is there for it, in blocks where it is long', async () => {
    for (let i = 0; i < 40; i++) await device.put(`device/t1/sensor/number-${i}`, `${i}`, { contentFormat: 0 })
    const link = '</ps/device/t1/sensor/number-7>;obs;ct=0'
    const query = [...device.session, 'href=/ps/device/t1/sensor/*']
    const read = async (path: string) => {
      let text = ''
      for (let number = 0; ; number++) {
        const options = [{ number: OPTION.Block2, value: uintValue((number << 4) | 6) }]
        const answer = await device.client.request({ path, query, options })
        expect(codeText(answer.code)).toBe('2.05')
        expect(numberIn(answer, OPTION.ContentFormat)).toBe(40)
        text += answer.payload.toString()
        if (((numberIn(answer, OPTION.Block2) ?? 0) & 8) === 0) return text
      }
    }
    for (const path of ['ps', '.well-known/core']) {
      const text = await read(path)
      expect(readLinks(text)).toHaveLength(40)
      expect(text.split(',')).toContain(link)
    }
    const stranger = await CoapClient.open(broker.port('coap'))
    const { payload } = await stranger.request({ path: '.well-known/core' })
    expect(readLinks(payload.toString())?.map(({ target }) => target)).toEqual([
      '/authz-info',
      '/mqtt/connection',
      '/ps',
    ])
    await stranger.close()
  })
})
