// libcoap's clients over OpenSSL and GnuTLS (Debian's libcoap3-bin), and `openssl s_client`, against CoAP over DTLS.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FREE_PORTS_WITH_COAPS, startBroker, type TestBroker } from '../fixtures/broker.ts'
import { connectDevice } from '../fixtures/clients.ts'
import { has, type Outcome, run, start } from '../fixtures/programs.ts'
import { TestAuthority } from '../fixtures/test-authority.ts'

const DAY = 86_400_000
const KEY = 'sixteen bytes it has, and more..'

let broker: TestBroker
let past: TestBroker
const files = new Map<string, readonly string[]>()

const uri = (path: string, query = '') => `coaps://127.0.0.1:${broker.port('coaps')}/${path}${query}`
const said = ({ stdout, stderr }: Outcome) => `${stdout}${stderr}`.trim()

beforeAll(async () => {
  // OpenSSL goes by the clock of this machine, so what has expired has to be old.
  past = await startBroker({}, { clock: { now: () => Date.now() - 20 * DAY } })
  await past.device('t2')
  const short = { owner: 't2', kind: 'x509', lifetime: (2 * DAY) / 1000 }
  const old = await past.api('POST', '/v1/credentials', short)
  await past.latchkey.close()
  const limits = { dtls: { handshakeTimeout: 3000 } }
  broker = await startBroker({ listeners: FREE_PORTS_WITH_COAPS, limits }, { data: past.data })
  await write('that has expired', old.certificate, old.privateKey)
  for (const id of ['t1', 't3']) await broker.device(id)
  const key = Buffer.from(KEY).toString('hex')
  await broker.api('POST', '/v1/credentials', { owner: 't1', kind: 'psk', key })
  const own = await broker.certificate('t2')
  await write('right', own.certificate, own.privateKey)
  const lost = await broker.certificate('t3')
  await write('revoked', lost.certificate, lost.privateKey)
  await broker.api('POST', `/v1/credentials/${lost.id}/revoke`, { reason: 'lost' })
  const elsewhere = await TestAuthority.create('Elsewhere')
  const stranger = await elsewhere.device('t2')
  await write('of another authority', stranger.pem, stranger.privateKeyPem)
  const { secret } = await broker.secret('t1')
  const writer = await connectDevice(broker, 't1', { username: 't1', password: secret })
  await writer.publishAsync('device/t1/large', large, { qos: 1, retain: true })
  await writer.endAsync(true)
})
afterAll(async () => {
  await broker?.close()
  await past?.close()
})

/** 100 kB that show where something is missing. */
const large = Array.from({ length: 10_000 }, (_, i) => String(i).padStart(9, '0')).join('\n')

async function write(name: string, certificate: string, key: string) {
  const stem = join(broker.folder, name.replaceAll(' ', '-'))
  await writeFile(`${stem}.pem`, certificate)
  await writeFile(`${stem}.key`, key)
  files.set(name, [`${stem}.pem`, `${stem}.key`])
}

describe.each(['coap-client-openssl', 'coap-client-gnutls'])('%s', client => {
  const available = has(client, 'libcoap3-bin')

  describe.skipIf(!available)('against coaps', () => {
    const psk = (identity: string, key: string) => ['-u', identity, '-k', key]
    const certificate = (name: string) => {
      const [chain = '', key = ''] = files.get(name) ?? []
      return ['-c', chain, '-j', key, '-C', broker.caFile]
    }
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
      const plain = (text: string) =>
        new Set(
          text
            .replace(/^\w{3} \d+ [\d:.]+ /gm, '')
            .replace(/:\d+/g, '')
            .split('\n'),
        )
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
      const [other = ''] = files.get('of another authority') ?? []
      expect(await coap('get', ['-R', other], 'ps/device/t2/state')).not.toMatch(/4\.01/)
    })

    test('Observe brings what others publish', async () => {
      const args = ['-oL', client, ...psk('t1', KEY), '-w', '-s', '30', uri('ps/device/t1/counter')]
      await coap('put', psk('t1', KEY), 'ps/device/t1/counter', '-e', 'value 0')
      const observer = await start('stdbuf', args, 'value 0')
      for (let i = 1; i <= 3; i++) {
        await coap('put', psk('t1', KEY), 'ps/device/t1/counter', '-e', `value ${i}`)
        await expect.poll(() => observer.output(), { timeout: 15_000 }).toContain(`value ${i}`)
      }
      observer.stop()
      await observer.ended
    })

    test('100 kB come in blocks, and go', async () => {
      const who = psk('t1', KEY)
      const [read, sent] = [join(broker.folder, `${client}.read`), join(broker.folder, `${client}.sent`)]
      await run(client, ['-B', '30', ...who, '-o', read, uri('ps/device/t1/large')], { timeout: 40_000 })
      expect(await readFile(read, 'utf8')).toBe(large)
      await writeFile(sent, `${large}${client}`)
      const args = ['-B', '30', '-m', 'put', ...who, '-b', '1024', '-f', sent, uri('ps/device/t1/sent')]
      expect(said(await run(client, args, { timeout: 40_000 }))).toBe('')
      await run(client, ['-B', '30', ...who, '-o', read, uri('ps/device/t1/sent')], { timeout: 40_000 })
      expect(await readFile(read, 'utf8')).toBe(`${large}${client}`)
    })

    test('revoking the key cuts its observer off', async () => {
      const { psk: other, id } = await further(client)
      const args = [
        '-oL',
        client,
        ...psk(other.identity, other.key),
        '-w',
        '-v',
        '7',
        '-s',
        '30',
        uri('ps/device/t1/x'),
      ]
      const observer = await start('stdbuf', args, /c:2\.05/)
      await broker.api('POST', `/v1/credentials/${id}/revoke`, { reason: 'lost' })
      await expect.poll(() => observer.output(), { timeout: 15_000 }).toMatch(/4\.01/)
      observer.stop()
      await observer.ended
    })
  })
})

/** One more key of t1. */
async function further(identity: string) {
  const key = `${identity}, its own key`
  const input = { owner: 't1', kind: 'psk', identity, key: Buffer.from(key).toString('hex') }
  const { credential } = await broker.api('POST', '/v1/credentials', input)
  return { id: credential.id, psk: { identity, key } }
}

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
    const [certificate = '', key = ''] = files.get('that has expired') ?? []
    const { stdout, stderr } = await connect('-cert', certificate, '-key', key)
    expect(`${stdout}${stderr}`).toContain('alert certificate expired')
  })
})
