// What the operator sees of DTLS: numbers, the log of failed handshakes, and the audit trail.
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Log } from '../../src/model/log.ts'
import { FREE_PORTS_WITH_COAPS, startBroker, type TestBroker } from '../fixtures/broker.ts'
import { bareOf, byCertificate, byPsk, openChannel } from '../fixtures/coaps-device.ts'
import type { Json } from '../fixtures/https-json.ts'
import { TestAuthority } from '../fixtures/test-authority.ts'

interface Line {
  readonly level: string
  readonly fields: Readonly<Record<string, unknown>>
  readonly text: string
}

let broker: TestBroker
let lines: Line[]
beforeEach(async () => {
  lines = []
  const write =
    (level: string) =>
    (fields: object, text = '') => {
      lines.push({ level, fields: { ...fields }, text })
    }
  const log: Log = {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    child: () => log,
  }
  const limits = { dtls: { handshakeTimeout: 300 } }
  broker = await startBroker({ listeners: FREE_PORTS_WITH_COAPS, limits }, { log })
  await broker.device('t1')
})
afterEach(() => broker?.close())

const failures = () => lines.filter(({ text }) => text === 'a DTLS handshake failed').map(({ fields }) => fields)

const wrong = (identity: string) => ({
  psk: { identity, key: Buffer.alloc(32, 1) },
  limits: { handshakeTimeout: 1_000 },
})

test('a wrong key and an unknown identity look alike to the peer; the operator sees which, and no key', async () => {
  const { key } = await broker.psk('t1')
  const ends = []
  for (const identity of ['t1', 't9'])
    ends.push(await openChannel(broker, wrong(identity)).catch((error: Error) => error.message))
  expect(ends[0]).toBe(ends[1])
  expect(failures()).toEqual([
    expect.objectContaining({
      listener: 'coaps',
      address: '127.0.0.1',
      identity: 't1',
      known: true,
      reason: 'timeout',
    }),
    expect.objectContaining({
      listener: 'coaps',
      address: '127.0.0.1',
      identity: 't9',
      known: false,
      reason: 'timeout',
    }),
  ])
  expect(JSON.stringify(lines)).not.toContain(key)
  const { items } = await broker.api('GET', '/v1/audit?type=authentication')
  const coaps = items.map(({ event }: Json) => event).filter(({ transport }: Json) => transport === 'coaps')
  expect(coaps).toEqual([
    expect.objectContaining({ result: 'refused', failure: 'bad-secret', principal: 't1', credentialKind: 'psk' }),
  ])
})

test('strangers cannot fill the log', async () => {
  for (let i = 0; i < 30; i += 5)
    await Promise.all(Array.from({ length: 5 }, (_, n) => openChannel(broker, wrong(`t${i + n}`)).catch(() => null)))
  expect(failures()).toHaveLength(20)
})

test('a certificate that the door refuses is in the trail, and its channel is closed', async () => {
  const { id, ...credentials } = await byCertificate(broker, 't1')
  await broker.api('POST', `/v1/credentials/${id}/revoke`, { reason: 'lost' })
  const channel = await openChannel(broker, credentials)
  await channel.ended
  await channel.client.close()
  const { items } = await broker.api('GET', '/v1/audit?type=authentication&principal=t1')
  expect(items.at(-1).event).toMatchObject({ result: 'refused', failure: 'credential-revoked', transport: 'coaps' })
  expect(lines).toContainEqual({
    level: 'debug',
    fields: { transport: 'coaps', address: '127.0.0.1', failure: 'credential-revoked' },
    text: 'a CoAP channel was refused',
  })
})

test('numbers: sessions, and what became of handshakes', async () => {
  const elsewhere = await (await TestAuthority.create('Elsewhere')).device('t1')
  const stranger = {
    certificate: { chain: elsewhere.pem, privateKey: elsewhere.privateKeyPem },
    authorities: broker.ca,
  }
  const credentials = await byPsk(broker, 't1')
  const first = await openChannel(broker, credentials)
  const saved = first.session.saved()
  const again = await openChannel(broker, credentials, { saved })
  const bare = await openChannel(broker, bareOf(broker))
  await expect(openChannel(broker, stranger)).rejects.toThrow('no DTLS session')
  const text = async () => String((await broker.call('GET', '/metrics')).body)
  await expect.poll(text, { timeout: 10_000 }).toContain('latchkey_dtls_handshakes_total{result="failed"} 1\n')
  const shown = await text()
  expect(shown).toContain('latchkey_dtls_handshakes_total{result="opened"} 3\n')
  expect(shown).toContain('latchkey_dtls_handshakes_total{result="resumed"} 1\n')
  expect(shown).toMatch(/latchkey_dtls_sessions(\{[^}]*\})? 3\n/)
  expect(shown).toMatch(/latchkey_dtls_pending(\{[^}]*\})? 0\n/)
  expect(shown).toMatch(/latchkey_dtls_hellos_total \d+\n/)
  for (const { client } of [first, again, bare]) await client.close()
})
