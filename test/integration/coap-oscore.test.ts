// OSCORE (RFC 8613) as a way in, over raw datagrams: what devices do with a context, and what ends it.
import { connectAsync } from 'mqtt'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { CODE } from '../../src/coap-wire/codes.ts'
import { type CoapMessage, TYPE } from '../../src/coap-wire/message.ts'
import { OPTION, optionOf, uintValue } from '../../src/coap-wire/options.ts'
import type { OscoreExchange } from '../../src/coap-wire/oscore-client.ts'
import { FREE_PORTS, startBroker, type TestBroker } from '../fixtures/broker.ts'
import { observeIn, told } from '../fixtures/coap-device.ts'
import { contextOf, issueContext, OscoreDevice } from '../fixtures/oscore-device.ts'
import { CoapStreamClient, type StreamRequest } from '../wire/coap-stream-client.ts'
import { CoapClient } from '../wire/coap-wire.ts'

/** Nothing but what is protected is served. */
const LISTENERS = { ...FREE_PORTS, coaps: false, coap: { port: 0 }, 'coap+tcp': { port: 0 } } as const

let broker: TestBroker
const opened: { close(): Promise<void> }[] = []
beforeAll(async () => {
  broker = await startBroker({ listeners: LISTENERS })
})
afterAll(() => broker?.close())
beforeEach(async () => {
  for (const each of opened.splice(0)) await each.close()
})

let count = 0
async function device(more: object = {}) {
  count += 1
  const id = `o${count}`
  await broker.device(id)
  const issued = await issueContext(broker, id, more)
  const speaks = await OscoreDevice.open(broker.port('coap'), contextOf(issued.oscore))
  opened.push(speaks)
  return { id, credential: issued.id, oscore: issued.oscore, speaks, own: `device/${id}/a` }
}

describe('a device with an OSCORE context', () => {
  test('publishes and reads, and nothing of it is in the clear', async () => {
    const { speaks, own } = await device()
    expect(told(await speaks.put(own, 'nineteen degrees'))).toBe('2.04')
    expect(told(await speaks.get(own))).toBe('2.05 nineteen degrees')
    const wire = Buffer.concat([...speaks.left, ...speaks.came])
    expect(wire.includes('nineteen')).toBe(false)
    expect(wire.includes('device')).toBe(false)
  })

  test('may do what its device may, and no more', async () => {
    const { speaks } = await device()
    expect(told(await speaks.put('home/kitchen/temperature', '20'))).toBe('2.04')
    expect(told(await speaks.put('home/kitchen/lock', 'open'))).toBe('4.03')
    expect(told(await speaks.get('home/attic/temperature'))).toBe('4.03')
  })

  test('observes, and cancels', async () => {
    const { speaks, own } = await device()
    const observation = await speaks.observe(own)
    expect(told(observation.first)).toBe('2.05')
    expect(observeIn(observation.first)).not.toBeNull()
    await speaks.put(own, 'one')
    const one = await observation.next()
    expect(told(one)).toBe('2.05 one')
    await speaks.put(own, 'two')
    const two = await observation.next()
    expect(told(two)).toBe('2.05 two')
    expect(observeIn(two)).toBeGreaterThan(observeIn(one) ?? Number.NaN)
    expect(told(await observation.cancel())).toBe('2.05 two')
    await speaks.put(own, 'three')
    await speaks.client.ping()
    expect(observation.inbox.messages).toEqual([])
    expect(speaks.refused).toEqual([])
  })

  test('carries payloads longer than a block both ways, in blocks inside', async () => {
    const { speaks, own } = await device()
    const half = Buffer.alloc(1024, 'x')
    const block = (number: number, more: boolean) => ({
      number: OPTION.Block1,
      value: uintValue((number << 4) | (more ? 8 : 0) | 6),
    })
    expect(told(await speaks.put(own, half, { options: [block(0, true)] }))).toBe('2.31')
    expect(told(await speaks.put(own, 'the end', { options: [block(1, false)] }))).toBe('2.04')
    const first = await speaks.get(own)
    expect(first.payload).toEqual(half)
    const second = await speaks.get(own, { options: [{ number: OPTION.Block2, value: uintValue((1 << 4) | 6) }] })
    expect(told(second)).toBe('2.05 the end')
  })

  test('is told nothing where it wants nothing (No-Response, RFC 7967)', async () => {
    const { speaks, own } = await device()
    expect(told(await speaks.put(own, 'heard'))).toBe('2.04')
    const options = [{ number: OPTION.NoResponse, value: uintValue(26) }]
    const silent = speaks.client.compose({
      type: TYPE.NON,
      code: CODE.PUT,
      path: `ps/${own}`,
      payload: 'quiet',
      options,
    })
    speaks.client.send(silent)
    await speaks.client.ping()
    expect(told(await speaks.get(own))).toBe('2.05 quiet')
    expect(speaks.client.received.filter(({ token }) => token.equals(silent.token))).toEqual([])
  })

  test('with an ID Context, an empty sender id, and a long one', async () => {
    for (const more of [{ idContext: '37cbf3210017a2d3' }, { senderId: '' }, { senderId: '01020304050607' }]) {
      const { speaks, own } = await device(more)
      expect(told(await speaks.put(own, 'here'))).toBe('2.04')
    }
  })

  test('stays who it is when its port changes, also for what was not acknowledged', async () => {
    const { speaks, own } = await device()
    const observation = await speaks.observe(own, { query: ['qos=1'] })
    observation.ack = 'none'
    await speaks.put(own, 'before')
    expect(told(await observation.next())).toBe('2.05 before')
    await speaks.move()
    observation.ack = 'auto'
    expect(told(await speaks.get(own))).toBe('2.05 before')
    expect(told(await observation.next())).toBe('2.05 before')
    await speaks.put(own, 'after')
    expect(told(await observation.next(({ payload }) => payload.toString() !== 'before'))).toBe('2.05 after')
    const sessions = (await broker.api('GET', '/v1/sessions')) as { items: { principal: { id: string } }[] }
    expect(JSON.stringify(sessions.items)).toContain(own.split('/')[1])
  })
})

describe('over TCP (RFC 8323)', () => {
  test('requests, observation and revocation are as over datagrams', async () => {
    const { own, oscore, credential } = await device()
    const context = contextOf(oscore)
    const client = await CoapStreamClient.tcp(broker.port('coap+tcp'))
    opened.push(client)
    const protect = (asked: StreamRequest) =>
      context.protectRequest({ type: TYPE.CON, messageId: 0, ...client.compose(asked) })
    const read = (message: CoapMessage, exchange: OscoreExchange): CoapMessage => {
      const inner = context.unprotectResponse(message, exchange)
      if (typeof inner === 'string') throw new Error(inner)
      return inner
    }
    const ask = async (asked: StreamRequest) => {
      const exchange = protect(asked)
      const answer = client.answerTo(exchange.message.token)
      client.send(exchange.message)
      return { exchange, answer: read(await answer, exchange) }
    }
    expect(told((await ask({ code: CODE.PUT, path: `ps/${own}`, payload: 'one' })).answer)).toBe('2.04')
    const { exchange, answer } = await ask({ path: `ps/${own}`, observe: 0 })
    expect(told(answer)).toBe('2.05 one')
    const long = Buffer.alloc(3000, 'x')
    expect(told((await ask({ code: CODE.PUT, path: `ps/${own}`, payload: long })).answer)).toBe('2.04')
    const notified = read(await client.next(), exchange)
    expect(notified.payload).toEqual(long.subarray(0, 1024)) // and the rest by GET
    await broker.api('POST', `/v1/credentials/${credential}/revoke`, { reason: 'stolen' })
    expect(told(read(await client.next(), exchange))).toBe('4.01')
    const late = protect({ path: `ps/${own}` })
    const refused = client.answerTo(late.message.token)
    client.send(late.message)
    expect((await refused).payload.toString()).toBe('Security context not found')
  })
})

describe('what ends a context', () => {
  test('revocation: observers are told, protected, and the next request finds nothing', async () => {
    const { speaks, own, credential, id } = await device()
    const observation = await speaks.observe(own)
    await broker.api('POST', `/v1/credentials/${credential}/revoke`, { reason: 'stolen' })
    const last = await observation.next()
    expect(told(last)).toBe('4.01')
    expect(observeIn(last)).toBeNull()
    const { secret } = await broker.secret(id)
    const other = await connectAsync(`mqtt://127.0.0.1:${broker.port('mqtt')}`, {
      clientId: id,
      username: id,
      password: secret,
    })
    await other.publishAsync(own, 'not for thieves', { qos: 1 })
    await other.endAsync()
    await speaks.client.ping()
    expect(observation.inbox.messages).toEqual([])
    const next = await speaks.get(own, { echo: false })
    expect(told(next)).toBe('4.01')
    expect(next.payload.toString()).toBe('Security context not found')
  })

  test('rotation: both work during the overlap, then the new one alone', async () => {
    const { speaks, own, credential } = await device()
    expect(told(await speaks.put(own, 'old'))).toBe('2.04')
    const next = await broker.api('POST', `/v1/credentials/${credential}/rotate`, { overlap: 600 })
    const fresh = await OscoreDevice.open(broker.port('coap'), contextOf(next.oscore))
    opened.push(fresh)
    expect(told(await fresh.put(own, 'new'))).toBe('2.04')
    expect(told(await speaks.get(own))).toBe('2.05 new')
    await broker.api('POST', `/v1/credentials/${credential}/revoke`, { reason: 'done' })
    expect((await speaks.get(own, { echo: false })).payload.toString()).toBe('Security context not found')
    expect(told(await fresh.get(own))).toBe('2.05 new')
  })

  test('a suspended device is turned away under its protection, and comes back', async () => {
    const { speaks, own, id } = await device()
    expect(told(await speaks.put(own, 'here'))).toBe('2.04')
    await broker.api('POST', `/v1/devices/${id}/suspend`)
    const refused = await speaks.get(own, { echo: false })
    expect(told(refused)).toBe('4.01')
    expect(refused.payload.toString()).toBe('Not authorized.')
    await broker.api('POST', `/v1/devices/${id}/resume`)
    expect(told(await speaks.get(own))).toBe('2.05 here')
  })
})

describe('a listener that serves what is protected', () => {
  test('turns everything else away with 4.01, and still answers pings', async () => {
    const stranger = await CoapClient.open(broker.port('coap'))
    opened.push(stranger)
    for (const path of ['.well-known/core', 'ps/a', 'nowhere'])
      expect(told(await stranger.request({ path, echo: false }))).toBe('4.01')
    const login = await stranger.request({ code: CODE.POST, path: 'mqtt/connection', query: ['clientid=x'] })
    expect(told(login)).toBe('4.01')
    expect(optionOf(login, OPTION.Echo)).toBeNull()
    await stranger.ping()
  })
})
