import { decode, encode } from 'cbor2'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { OPTION } from '../../../src/coap-wire/options.ts'
import { type Ask, METHOD, type Served, serve, TestPeer } from './served.ts'

const JSON_FORMAT = 50
const CBOR = 60
const FETCH = 5

describe('FETCH on /ps', () => {
  let served: Served
  let peer: TestPeer
  let who: string
  beforeEach(async () => {
    served = await serve({ listedTopics: 3, examinedTopics: 20, bodyBytes: 5000 })
    peer = new TestPeer()
    who = await served.login(peer, 't1', await served.device('t1'))
    const json = { contentType: 'application/json' }
    await served.publish('home/kitchen/temperature', '{"v":21}', { retain: true, properties: json })
    for (const topic of ['home/kitchen/a', 'home/kitchen/lock', 'home/hall/a'])
      await served.publish(topic, 'x', { retain: true })
    await served.publish('home/kitchen/bytes', '', { retain: true, payload: Buffer.from([0xff, 0]) })
  })
  afterEach(() => served.close())

  const ask = (payload: string | Buffer, how: Ask = {}, path = '/ps') =>
    served.ask(peer, FETCH, path, { query: who, contentFormat: JSON_FORMAT, payload, ...how })
  const fetch = async (asked: unknown, how: Ask = {}): Promise<unknown> => {
    const answer = await ask(JSON.stringify(asked), how)
    return answer.code === '2.05' ? (JSON.parse(answer.text) as unknown) : answer.code
  }

  const A = { topic: 'home/kitchen/a', payload: 'x' }
  const BYTES = { topic: 'home/kitchen/bytes', base64: '/wA=' }
  const TEMPERATURE = { topic: 'home/kitchen/temperature', contentFormat: JSON_FORMAT, payload: '{"v":21}' }

  test.each<[string, unknown, unknown]>([
    ['a topic', 'home/kitchen/temperature', [TEMPERATURE]],
    ['a filter', 'home/kitchen/+', [A, BYTES, TEMPERATURE]],
    ['topics, in order and once', ['home/kitchen/temperature', 'home/kitchen/a', 'home/kitchen/a'], [A, TEMPERATURE]],
    ['a topic and a filter that holds it', ['home/kitchen/a', 'home/+/a'], [A]],
    ['nothing', [], []],
    ['what is not there', 'home/kitchen/none', []],
    ['what may not be read: left out, as if it were not there', ['home/hall/a', 'home/kitchen/lock'], []],
    ['a number', 7, '4.22'],
    ['an object', { topic: 'a' }, '4.22'],
    ['a list in a list', [['home/kitchen/a']], '4.22'],
    ['no filter', 'home/#/a', '4.22'],
    ['the empty name', '', '4.22'],
    ['more names than are listed', ['a', 'b', 'c', 'd'], '4.22'],
  ])('%s', async (_, asked, expected) => {
    expect(await fetch(asked)).toEqual(expected)
  })

  test('more than may be listed, looked at or sent is 4.22, not a part of it', async () => {
    await served.publish('home/kitchen/z', 'x', { retain: true })
    expect(await fetch('home/kitchen/+')).toBe('4.22')
    for (let i = 0; i < 20; i++) await served.publish(`home/hall/${i}`, 'x', { retain: true })
    expect(await fetch('home/hall/+')).toBe('4.22')
    await served.publish('home/kitchen/a', 'x'.repeat(5000), { retain: true })
    expect(await fetch('home/kitchen/a')).toBe('4.22')
  })

  test('CBOR is answered in CBOR, as observers of filters have it; Accept chooses', async () => {
    const answer = await ask(Buffer.from(encode(['home/kitchen/+'])), { contentFormat: CBOR })
    expect(answer.option(OPTION.ContentFormat)).toBe(CBOR)
    expect(decode(answer.payload)).toEqual([
      ['home/kitchen/a', null, Buffer.from('x')],
      ['home/kitchen/bytes', null, Buffer.from([0xff, 0])],
      ['home/kitchen/temperature', JSON_FORMAT, Buffer.from('{"v":21}')],
    ])
    const chosen = await ask('"home/kitchen/a"', { accept: CBOR })
    expect(decode(chosen.payload)).toEqual([['home/kitchen/a', null, Buffer.from('x')]])
    expect((await ask('"home/kitchen/a"', { accept: 0 })).code).toBe('4.06')
  })

  test.each<[string, string | Buffer, Ask]>([
    ['half of JSON', '["a"', {}],
    ['JSON that is no UTF-8', Buffer.from([0x22, 0xff, 0x22]), {}],
    ['no payload', '', {}],
    ['a CBOR array longer than the payload', Buffer.from('9affffffff', 'hex'), { contentFormat: CBOR }],
    ['a CBOR string longer than the payload', Buffer.from('7affffffff61', 'hex'), { contentFormat: CBOR }],
    ['CBOR arrays in arrays', Buffer.alloc(1000, 0x81), { contentFormat: CBOR }],
  ])('%s is 4.00', async (_, payload, how) => {
    expect((await ask(payload, how)).code).toBe('4.00')
  })

  test('other formats are 4.15, other places 4.05, preconditions 4.02, strangers 4.01', async () => {
    expect((await ask('home/kitchen/a', { contentFormat: 0 })).code).toBe('4.15')
    expect((await served.ask(peer, FETCH, '/ps', { query: who, payload: '"a"' })).code).toBe('4.15')
    expect((await ask('"a"', {}, '/ps/home')).code).toBe('4.05')
    const options = [{ number: OPTION.IfNoneMatch, value: Buffer.alloc(0) }]
    expect((await ask('"a"', { options })).code).toBe('4.02')
    expect((await ask('"a"', { query: '' })).code).toBe('4.01')
    expect((await served.ask(peer, METHOD.POST, '/ps', { query: who, payload: '"a"' })).code).toBe('4.05')
  })
})
