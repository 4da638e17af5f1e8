// libcoap's client (Debian's libcoap3-bin) against CoAP over plain TCP. WebSocket it does not speak.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FREE_PORTS_WITH_COAP_STREAMS, startBroker, type TestBroker } from '../fixtures/broker.ts'
import { carriesLarge, hasLibcoap, observesThree, said } from '../fixtures/libcoap-client.ts'
import { run } from '../fixtures/programs.ts'

let broker: TestBroker
let session = ''

const uri = (path: string, query = '') =>
  `coap+tcp://127.0.0.1:${broker.port('coap+tcp')}/${path}${query === '' ? '' : `?${query}`}`

beforeAll(async () => {
  broker = await startBroker({ listeners: FREE_PORTS_WITH_COAP_STREAMS })
  await broker.device('t1')
  session = (await broker.secret('t1')).secret
})
afterAll(() => broker?.close())

const BLOCKS = [
  ['in one message each', []],
  ['in blocks of 1024 bytes', ['-b', '1024']],
  ['in what fits into 5000 bytes', ['-X', '5000']],
] as const

describe.skipIf(!hasLibcoap('coap-client-notls'))('coap-client-notls against coap+tcp', () => {
  const client = 'coap-client-notls'
  let query = ''
  const coap = async (method: string, path: string, ...more: string[]) =>
    said(await run(client, ['-B', '10', '-m', method, ...more, uri(path, query)]))

  beforeAll(async () => {
    const target = uri('mqtt/connection', 'clientid=t1')
    const answer = await run(client, ['-B', '10', '-m', 'post', '-e', session, target])
    expect(answer.stdout.trim(), answer.stderr).toMatch(/^[\w-]{22,}$/)
    query = `clientid=t1&token=${answer.stdout.trim()}`
  })

  test('PUT keeps a value, GET reads it, DELETE removes it', async () => {
    expect(await coap('put', 'ps/device/t1/plain', '-e', 'on')).toBe('')
    expect(await coap('get', 'ps/device/t1/plain')).toBe('on')
    expect(await coap('delete', 'ps/device/t1/plain')).toBe('')
    expect(await coap('get', 'ps/device/t1/plain')).toMatch(/4\.04/)
    expect(await coap('put', 'ps/home/attic/temperature', '-e', '21')).toMatch(/4\.03/)
  })

  test('Observe brings what others publish', async () => {
    const target = uri('ps/device/t1/plain-counter', query)
    await observesThree(client, [], target, value => coap('put', 'ps/device/t1/plain-counter', '-e', value))
  })

  test.each(BLOCKS)('100 kB go and come %s', async (_, how) => {
    const target = uri('ps/device/t1/plain-large', query)
    await carriesLarge(client, [], target, { folder: broker.folder, sending: how, reading: how })
  })

  test('who has no session is told nothing but 4.01', async () => {
    const target = uri('ps/device/t1/plain', 'clientid=t1&token=wrong')
    expect(said(await run(client, ['-B', '10', target]))).toMatch(/4\.01/)
  })
})
