// The npm package `coap` as a client: what developers in JavaScript have at hand. It hands 4.01 with Echo to its caller.
import { createSocket, type Socket } from 'node:dgram'
import coap, { type IncomingMessage, type ObserveReadStream } from 'coap'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FREE_PORTS_WITH_COAP, startBroker, type TestBroker } from '../fixtures/broker.ts'
import { connectDevice } from '../fixtures/clients.ts'

/** It has no name in the package, which takes the number for one. */
const ECHO = '252'

describe('the npm coap client', () => {
  let broker: TestBroker
  let agent: InstanceType<typeof coap.Agent>
  let socket: Socket
  let session = ''
  let secret = ''

  interface Asked {
    method?: 'GET' | 'POST' | 'PUT' | 'DELETE'
    pathname: string
    query?: string
    payload?: string | Buffer
    /** Size exponent of the blocks it is sent in. */
    block1?: number | undefined
    observe?: boolean
    echo?: Buffer
  }

  const ask = ({ payload = '', echo, block1, query = session, ...asked }: Asked): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const request = coap.request({ hostname: '127.0.0.1', port: broker.port('coap'), query, agent, ...asked })
      if (echo !== undefined) request.setOption(ECHO, echo)
      if (block1 !== undefined) request.setOption('Block1', Buffer.from([block1]))
      request.on('error', reject)
      request.on('response', (response: IncomingMessage) => {
        const asksEcho = response._packet.options?.find(({ name }) => String(name) === ECHO)
        if (response.code === '4.01' && asksEcho !== undefined && echo === undefined)
          resolve(ask({ ...asked, payload, query, block1, echo: asksEcho.value as Buffer }))
        else resolve(response)
      })
      request.end(payload)
    })

  beforeAll(async () => {
    broker = await startBroker({ listeners: FREE_PORTS_WITH_COAP })
    // On a socket of its own: the package closes one that it made when no request is left, and trips over it.
    socket = createSocket('udp4')
    agent = new coap.Agent({ socket })
    await broker.device('t1')
    secret = (await broker.secret('t1')).secret
    const answer = await ask({ method: 'POST', pathname: '/mqtt/connection', query: 'clientid=t1', payload: secret })
    expect(answer.code).toBe('2.01')
    session = `clientid=t1&token=${answer.payload.toString()}`
  })
  afterAll(async () => {
    socket?.close()
    await broker?.close()
  })

  test('PUT, GET, POST and DELETE', async () => {
    const pathname = '/ps/device/t1/state'
    expect((await ask({ method: 'PUT', pathname, payload: 'on' })).code).toBe('2.04')
    const got = await ask({ pathname })
    expect([got.code, got.payload.toString()]).toEqual(['2.05', 'on'])
    expect((await ask({ method: 'POST', pathname, payload: 'event' })).code).toBe('2.04')
    expect((await ask({ pathname })).payload.toString()).toBe('on')
    expect((await ask({ method: 'DELETE', pathname })).code).toBe('2.02')
    expect((await ask({ pathname })).code).toBe('4.04')
  })

  test('100 kB are put and read in blocks, under a token of their own', async () => {
    const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, i) => (i * 7 + (i >> 8)) % 256))
    const pathname = '/ps/device/t1/large'
    expect((await ask({ method: 'PUT', pathname, payload: bytes, block1: 6 })).code).toBe('2.04')
    const got = await ask({ pathname })
    expect([got.code, got.payload.equals(bytes)]).toEqual(['2.05', true])
  })

  test('Observe with notifications of both kinds, and its end', async () => {
    const writer = await connectDevice(broker, 't1', { username: 't1', password: secret })
    await writer.publishAsync('device/t1/counter', 'value 0', { qos: 1, retain: true })
    const stream = (await ask({ pathname: '/ps/device/t1/counter', observe: true })) as ObserveReadStream
    const values: string[] = []
    stream.on('data', (payload: Buffer) => values.push(payload.toString()))
    await expect.poll(() => values, { timeout: 15_000 }).toEqual(['value 0'])
    for (let i = 1; i <= 4; i++) {
      await writer.publishAsync('device/t1/counter', `value ${i}`, { qos: i % 2 ? 1 : 0 })
      await expect.poll(() => values.at(-1), { timeout: 15_000 }).toBe(`value ${i}`)
    }
    const ended = new Promise(resolve => stream.once('close', resolve))
    stream.close()
    await ended
    await writer.endAsync(true)
  })
})
