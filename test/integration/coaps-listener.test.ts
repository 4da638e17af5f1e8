// DTLS in front of the message layer alone, with time moved by hand and keys of the test's choice.
import { X509Certificate } from 'node:crypto'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { DtlsKeys, DtlsMaterial } from '../../src/coap/dtls-listener.ts'
import { DtlsClient, type DtlsClientOptions } from '../../src/dtls/client.ts'
import { DTLS_SERVER_LIMITS } from '../../src/dtls/limits.ts'
import { type CoapTestServer, startCoapServer } from '../fixtures/coap-server.ts'
import { type Network, type Receive, udp } from '../fixtures/datagram-network.ts'
import { type ClientEnd, type DtlsCredentials, dial, dtlsCredentials, IDENTITY, KEY, PSK } from '../fixtures/dtls.ts'
import { TestAuthority, type TestCertificate } from '../fixtures/test-authority.ts'

let server: CoapTestServer
let credentials: DtlsCredentials
let port = 0
let pskKey: DtlsKeys['pskKey']
const ends: ClientEnd[] = []

const materialOf = ({ pem, privateKeyPem }: TestCertificate, authority = credentials.authority): DtlsMaterial => ({
  certificatePem: pem,
  privateKeyPem,
  caPem: [authority.pem],
})

beforeEach(async () => {
  pskKey = identity => (identity === IDENTITY ? KEY : null)
  credentials = await dtlsCredentials()
  server = await startCoapServer({ exchangeLifetime: 60_000 })
  const address = await server.server.listenDtls({
    host: '127.0.0.1',
    port: 0,
    keys: { pskKey: identity => pskKey(identity), mayResume: () => true },
    material: materialOf(credentials.server),
    limits: DTLS_SERVER_LIMITS,
    recordFailedProof: () => {},
  })
  port = address.port
})
afterEach(async () => {
  for (const end of ends.splice(0)) end.stop()
  await server?.close()
})

async function open(options: DtlsClientOptions, saved?: Buffer): Promise<ClientEnd> {
  const end = await dial(udp, new DtlsClient(options), { address: '127.0.0.1', port }, { saved })
  ends.push(end)
  expect(await end.opened).toBe(true)
  return end
}

const bare = (): DtlsClientOptions => ({ authorities: credentials.authority.pem })
const serialOf = ({ pem }: { pem: string }) => new X509Certificate(pem).serialNumber
const shownBy = ({ session }: ClientEnd) =>
  new X509Certificate(session.evidence.chain[0] ?? Buffer.alloc(0)).serialNumber

test('who has shown nothing is forgotten after a silence, and told; who is known stays', async () => {
  const stranger = await open(bare())
  const known = await open(PSK)
  expect(server.metric('peers yes')).toBe(1)
  expect(server.metric('peers no')).toBe(1)
  server.time.advance(59_000)
  expect(stranger.session.isOpen).toBe(true)
  server.time.advance(60_000)
  expect(await stranger.ended).toMatchObject({ reason: 'peer' })
  expect(known.session.isOpen).toBe(true)
  expect(server.metric('peers yes')).toBe(1)
})

test('a renewed certificate is what the next sees; sessions stay, and tickets while the authorities are the same', async () => {
  const before = await open(bare())
  expect(shownBy(before)).toBe(serialOf(credentials.server))
  const renewed = await credentials.authority.server('localhost')
  server.server.setMaterial(materialOf(renewed))
  expect(shownBy(await open(bare()))).toBe(serialOf(renewed))
  const device = {
    certificate: { chain: credentials.device.pem, privateKey: credentials.device.privateKeyPem },
    ...bare(),
  }
  const proved = (await open(device)).session.saved()
  expect((await open(device, proved)).session.evidence.resumed).toBe(true)
  const further = await TestAuthority.create('Further')
  server.server.setMaterial({ ...materialOf(renewed), caPem: [credentials.authority.pem, further.pem] })
  expect((await open(device, proved)).session.evidence.resumed).toBe(false)
  expect(before.session.isOpen).toBe(true)
})

test('a key that was replaced while the handshake was under way proves nothing', async () => {
  let asked = 0
  pskKey = () => (asked++ === 0 ? KEY : Buffer.alloc(KEY.length, 1))
  await open(PSK)
  expect(server.admitted.map(({ endpoint }) => endpoint.shown)).toEqual([{ certificates: [], pskIdentity: '' }])
  pskKey = () => KEY
  await open(PSK)
  expect(server.admitted.at(-1)?.endpoint.shown).toEqual({ certificates: [], pskIdentity: IDENTITY })
})

test('a device that begins anew from the same port has one session, the newer', async () => {
  let receive: Receive = () => {}
  const socket = await udp.bind((datagram, from) => receive(datagram, from))
  const samePort: Network = {
    async bind(take) {
      receive = take
      return { ...socket, close() {} }
    },
  }
  for (let begun = 1; begun <= 2; begun++) {
    const end = await dial(samePort, new DtlsClient(PSK), { address: '127.0.0.1', port })
    expect(await end.opened).toBe(true)
    expect(server.admitted).toHaveLength(begun)
    expect(server.metric('peers yes')).toBe(1)
  }
  socket.close()
})
