// libcoap's clients over OpenSSL and GnuTLS (Debian's libcoap3-bin) against CoAP over DTLS and TLS, and `openssl s_client`
// against the former.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  FREE_PORTS_WITH_COAP_STREAMS,
  FREE_PORTS_WITH_COAPS,
  startBroker,
  type TestBroker,
} from '../fixtures/broker.ts'
import { connectDevice } from '../fixtures/clients.ts'
import {
  CertificateFiles,
  carriesLarge,
  hasLibcoap,
  isCutOff,
  LARGE,
  observesThree,
  psk,
  said,
  undated,
} from '../fixtures/libcoap-client.ts'
import { has, run } from '../fixtures/programs.ts'
import { TestAuthority } from '../fixtures/test-authority.ts'

const DAY = 86_400_000
const KEY = 'sixteen bytes it has, and more..'

let broker: TestBroker
let past: TestBroker
const files = new CertificateFiles(() => broker.folder)

const LISTENERS = { ...FREE_PORTS_WITH_COAP_STREAMS, coaps: FREE_PORTS_WITH_COAPS.coaps }

/** What goes without blocks over the one goes with them over the other. */
const CARRIED = [
  ['coaps', 'in blocks of 1024 bytes', ['-b', '1024']],
  ['coaps+tcp', 'in one message each', []],
  ['coaps+tcp', 'in blocks of 1024 bytes', ['-b', '1024']],
  ['coaps+tcp', 'in what fits into 5000 bytes', ['-X', '5000']],
] as const

beforeAll(async () => {
  // OpenSSL goes by the clock of this machine, so what has expired has to be old.
  past = await startBroker({}, { clock: { now: () => Date.now() - 20 * DAY } })
  await past.device('t2')
  const short = { owner: 't2', kind: 'x509', lifetime: (2 * DAY) / 1000 }
  const old = await past.api('POST', '/v1/credentials', short)
  await past.latchkey.close()
  const limits = { dtls: { handshakeTimeout: 3000 } }
  broker = await startBroker({ listeners: LISTENERS, limits }, { data: past.data })
  await files.write('that has expired', old.certificate + old.chain, old.privateKey)
  for (const id of ['t1', 't3']) await broker.device(id)
  const key = Buffer.from(KEY).toString('hex')
  await broker.api('POST', '/v1/credentials', { owner: 't1', kind: 'psk', key })
  const own = await broker.certificate('t2')
  await files.write('right', own.certificate + own.chain, own.privateKey)
  const lost = await broker.certificate('t3')
  await files.write('revoked', lost.certificate + lost.chain, lost.privateKey)
  await broker.api('POST', `/v1/credentials/${lost.id}/revoke`, { reason: 'lost' })
  const elsewhere = await TestAuthority.create('Elsewhere')
  const stranger = await elsewhere.device('t2')
  await files.write('of another authority', stranger.pem, stranger.privateKeyPem)
  const { secret } = await broker.secret('t1')
  const writer = await connectDevice(broker, 't1', { username: 't1', password: secret })
  await writer.publishAsync('device/t1/large', LARGE, { qos: 1, retain: true })
  await writer.endAsync(true)
})
afterAll(async () => {
  await broker?.close()
  await past?.close()
})

const CLIENTS = ['coap-client-openssl', 'coap-client-gnutls']
const SCHEMES = ['coaps', 'coaps+tcp'] as const

describe.each(CLIENTS.flatMap(client => SCHEMES.map(scheme => ({ client, scheme }))))(
  '$client',
  ({ client, scheme }) => {
    describe.skipIf(!hasLibcoap(client))(`against ${scheme}`, () => {
      const uri = (path: string) => `${scheme}://127.0.0.1:${broker.port(scheme)}/${path}`
      const certificate = (name: string) => files.arguments(name, broker.caFile)
      const coap = async (method: string, who: readonly string[], path: string, ...more: string[]) =>
        said(await run(client, ['-B', '5', '-m', method, ...who, ...more, uri(path)]))

      test('a pre-shared key is the device', async () => {
        const who = psk('t1', KEY)
        expect(await coap('put', who, 'ps/device/t1/state', '-e', `by ${client}`)).toBe('')
        expect(await coap('get', who, 'ps/device/t1/state')).toBe(`by ${client}`)
        expect(await coap('put', who, 'ps/device/t2/state', '-e', 'on')).toMatch(/4\.03/)
      })

      test('a wrong key and an unknown identity get nowhere, and look alike', async () => {
        const wrong = await coap('get', psk('t1', 'another key, as long as that one'), 'ps/device/t1/state')
        const unknown = await coap('get', psk('t9', KEY), 'ps/device/t1/state')
        // How often a flight was repeated before the client gave up is its patience, not our answer.
        const plain = (text: string) => new Set(undated(text).split('\n'))
        expect(wrong).not.toContain('by ')
        expect(plain(unknown)).toEqual(plain(wrong))
      })

      test('a certificate is the device', async () => {
        const who = certificate('right')
        expect(await coap('put', who, 'ps/device/t2/state', '-e', 'on')).toBe('')
        expect(await coap('get', who, 'ps/device/t2/state')).toBe('on')
        expect(await coap('get', who, 'ps/device/t1/state')).toMatch(/4\.03/)
      })

      test.each(['of another authority', 'revoked', 'that has expired'])('a certificate %s is nobody', async name => {
        expect(await coap('put', certificate(name), 'ps/device/t2/state', '-e', 'stolen')).not.toBe('')
        expect(await coap('get', certificate('right'), 'ps/device/t2/state')).toBe('on')
      })

      test('without a certificate there is a session, and 4.01 in it', async () => {
        expect(await coap('get', ['-C', broker.caFile], 'ps/device/t2/state')).toMatch(/4\.01/)
      })

      test('who does not believe our authority is the one that hangs up', async () => {
        const { certificate: other } = files.of('of another authority')
        expect(await coap('get', ['-R', other], 'ps/device/t2/state')).not.toMatch(/4\.01/)
      })

      test('Observe brings what others publish', async () => {
        const who = psk('t1', KEY)
        const topic = `ps/device/t1/${client}-counter`
        await observesThree(client, who, uri(topic), value => coap('put', who, topic, '-e', value))
      })

      test('100 kB that somebody has published come', async () => {
        const read = join(broker.folder, `${client}.published`)
        await run(client, ['-B', '30', ...psk('t1', KEY), '-o', read, uri('ps/device/t1/large')], { timeout: 40_000 })
        expect(await readFile(read, 'utf8')).toBe(LARGE)
      })

      test.each(CARRIED.filter(([name]) => name === scheme))('%s: 100 kB go and come %s', async (_, __, how) => {
        // Over GnuTLS it fails to send what is longer than a TLS record (`cannot send CoAP pdu`); receive it can.
        const sending = client === 'coap-client-gnutls' ? ['-b', '1024'] : how
        const target = uri(`ps/device/t1/${client}-sent`)
        await carriesLarge(client, psk('t1', KEY), target, { folder: broker.folder, sending, reading: how })
      })

      test('revoking the key cuts its observer off', async () => {
        const key = `${client}, its own key`
        const identity = `${client}-${scheme}`
        const input = { owner: 't1', kind: 'psk', identity, key: Buffer.from(key).toString('hex') }
        const { credential } = await broker.api('POST', '/v1/credentials', input)
        await isCutOff(client, psk(identity, key), uri('ps/device/t1/x'), () =>
          broker.api('POST', `/v1/credentials/${credential.id}/revoke`, { reason: 'lost' }),
        )
      })
    })
  },
)

describe.skipIf(!has('openssl', 'openssl', 'version'))('openssl s_client', () => {
  const connect = (...args: string[]) =>
    run('openssl', ['s_client', '-dtls1_2', '-connect', `127.0.0.1:${broker.port('coaps')}`, ...args], {
      input: 'Q\n',
      timeout: 5_000,
    })

  test('shows the broker’s certificate under its root, and asks for one of the device', async () => {
    const { stdout } = await connect('-CAfile', broker.caFile, '-verify_hostname', 'localhost')
    expect(stdout).toContain('Verify return code: 0 (ok)')
    expect(stdout).toMatch(/Acceptable client certificate CA names/)
  })

  test('who offers suites of both kinds and has a key is asked for the key', async () => {
    const { stdout } = await connect('-psk_identity', 't1', '-psk', Buffer.from(KEY).toString('hex'))
    expect(stdout).toMatch(/Cipher is ECDHE-PSK-CHACHA20-POLY1305/)
  })

  test('what has expired is told to be', async () => {
    const { certificate, key } = files.of('that has expired')
    const { stdout, stderr } = await connect('-cert', certificate, '-key', key)
    expect(`${stdout}${stderr}`).toContain('alert certificate expired')
  })
})
