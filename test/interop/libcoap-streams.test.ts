// libcoap's clients (Debian's libcoap3-bin) against CoAP over TCP and TLS. WebSocket they do not speak.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FREE_PORTS_WITH_COAP_STREAMS, startBroker, type TestBroker } from '../fixtures/broker.ts'
import {
  CertificateFiles,
  carriesLarge,
  hasLibcoap,
  isCutOff,
  observesThree,
  psk,
  said,
  undated,
} from '../fixtures/libcoap-client.ts'
import { run } from '../fixtures/programs.ts'
import { TestAuthority } from '../fixtures/test-authority.ts'

const KEY = 'sixteen bytes it has, and more..'

let broker: TestBroker
let session = ''
const files = new CertificateFiles(() => broker.folder)

const uri = (scheme: 'coap+tcp' | 'coaps+tcp', path: string, query = '') =>
  `${scheme}://127.0.0.1:${broker.port(scheme)}/${path}${query === '' ? '' : `?${query}`}`

beforeAll(async () => {
  broker = await startBroker({ listeners: FREE_PORTS_WITH_COAP_STREAMS })
  for (const id of ['t1', 't2', 't3']) await broker.device(id)
  await broker.api('POST', '/v1/credentials', { owner: 't1', kind: 'psk', key: Buffer.from(KEY).toString('hex') })
  const { secret } = await broker.secret('t1')
  session = secret
  const own = await broker.certificate('t2')
  await files.write('right', own.certificate + own.chain, own.privateKey)
  const lost = await broker.certificate('t3')
  await files.write('revoked', lost.certificate + lost.chain, lost.privateKey)
  await broker.api('POST', `/v1/credentials/${lost.id}/revoke`, { reason: 'lost' })
  const elsewhere = await TestAuthority.create('Elsewhere')
  const stranger = await elsewhere.device('t2')
  await files.write('of another authority', stranger.pem, stranger.privateKeyPem)
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
    said(await run(client, ['-B', '10', '-m', method, ...more, uri('coap+tcp', path, query)]))

  beforeAll(async () => {
    const target = uri('coap+tcp', 'mqtt/connection', 'clientid=t1')
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
    const target = uri('coap+tcp', 'ps/device/t1/plain-counter', query)
    await observesThree(client, [], target, value => coap('put', 'ps/device/t1/plain-counter', '-e', value))
  })

  test.each(BLOCKS)('100 kB go and come %s', async (_, how) => {
    const target = uri('coap+tcp', 'ps/device/t1/plain-large', query)
    await carriesLarge(client, [], target, { folder: broker.folder, sending: how, reading: how })
  })

  test('who has no session is told nothing but 4.01', async () => {
    const target = uri('coap+tcp', 'ps/device/t1/plain', 'clientid=t1&token=wrong')
    expect(said(await run(client, ['-B', '10', target]))).toMatch(/4\.01/)
  })
})

describe.each(['coap-client-openssl', 'coap-client-gnutls'])('%s', client => {
  describe.skipIf(!hasLibcoap(client))('against coaps+tcp', () => {
    const certificate = (name: string) => files.arguments(name, broker.caFile)
    const coap = async (method: string, who: readonly string[], path: string, ...more: string[]) =>
      said(await run(client, ['-B', '5', '-m', method, ...who, ...more, uri('coaps+tcp', path)]))

    test('a pre-shared key is the device', async () => {
      const who = psk('t1', KEY)
      expect(await coap('put', who, 'ps/device/t1/state', '-e', `by ${client}`)).toBe('')
      expect(await coap('get', who, 'ps/device/t1/state')).toBe(`by ${client}`)
      expect(await coap('put', who, 'ps/device/t2/state', '-e', 'on')).toMatch(/4\.03/)
    })

    test('a wrong key and an unknown identity get nowhere, and look alike', async () => {
      const wrong = await coap('get', psk('t1', 'another key, as long as that one'), 'ps/device/t1/state')
      const unknown = await coap('get', psk('t9', KEY), 'ps/device/t1/state')
      expect(wrong).not.toContain('by ')
      expect(undated(unknown)).toBe(undated(wrong))
    })

    test('a certificate is the device', async () => {
      const who = certificate('right')
      expect(await coap('put', who, 'ps/device/t2/state', '-e', 'on')).toBe('')
      expect(await coap('get', who, 'ps/device/t2/state')).toBe('on')
      expect(await coap('get', who, 'ps/device/t1/state')).toMatch(/4\.03/)
    })

    test.each(['of another authority', 'revoked'])('a certificate %s is nobody', async name => {
      await coap('put', certificate(name), 'ps/device/t2/state', '-e', 'stolen')
      expect(await coap('get', certificate('right'), 'ps/device/t2/state')).toBe('on')
    })

    test('without a certificate there is a connection, and 4.01 on it', async () => {
      expect(await coap('get', ['-C', broker.caFile], 'ps/device/t2/state')).toMatch(/4\.01/)
    })

    test('Observe brings what others publish', async () => {
      const who = psk('t1', KEY)
      const topic = `ps/device/t1/${client}`
      await observesThree(client, who, uri('coaps+tcp', topic), value => coap('put', who, topic, '-e', value))
    })

    test.each(BLOCKS)('100 kB go and come %s', async (_, how) => {
      // Over GnuTLS it fails to send what is longer than a TLS record (`cannot send CoAP pdu`); receive it can.
      const sending = client === 'coap-client-gnutls' ? ['-b', '1024'] : how
      const target = uri('coaps+tcp', `ps/device/t1/${client}-large`)
      await carriesLarge(client, psk('t1', KEY), target, { folder: broker.folder, sending, reading: how })
    })

    test('revoking the key cuts its observer off', async () => {
      const key = `${client}, its own key`
      const input = { owner: 't1', kind: 'psk', identity: client, key: Buffer.from(key).toString('hex') }
      const { credential } = await broker.api('POST', '/v1/credentials', input)
      await isCutOff(client, psk(client, key), uri('coaps+tcp', 'ps/device/t1/x'), () =>
        broker.api('POST', `/v1/credentials/${credential.id}/revoke`, { reason: 'lost' }),
      )
    })
  })
})
