// ClientHellos from addresses that are not the sender's: each gets at most one small answer, and nothing is kept for any. From
// true addresses, with right cookies, handshakes begin up to a bound.
import { expect, test } from 'vitest'
import { DtlsClient } from '../../src/dtls/client.ts'
import { DtlsServer } from '../../src/dtls/server.ts'
import { type Address, MemoryNetwork } from '../fixtures/datagram-network.ts'
import { dial, dtlsCredentials, keyOf, PSK, serverWith, startServer } from '../fixtures/dtls.ts'
import { HandTime } from '../fixtures/hand-time.ts'

const HELLOS = 100_000
const MEGABYTE = 1 << 20
/** Where the type of a datagram's first handshake message stands. */
const HANDSHAKE_TYPE = 13
const CLIENT_HELLO = 1

/** The first datagram of a client. */
function firstHello(): Buffer {
  const sent: Buffer[] = []
  const client = new DtlsClient(PSK)
  const session = client.connect(
    { address: '192.0.2.1', port: 1 },
    { send: datagram => sent.push(datagram), opened() {}, message() {}, ended() {} },
  )
  session.close()
  return sent[0] ?? Buffer.alloc(0)
}

const spoofed = (at: number): Address => ({
  address: `198.51.${(at >> 8) & 255}.${at & 255}`,
  port: 1_024 + (at >> 16),
})

test(`${HELLOS} spoofed hellos: no session, less out than in, no memory`, async () => {
  const hello = firstHello()
  let bytesOut = 0
  let largest = 0
  const server = new DtlsServer({
    keyOf,
    events: {
      send: ({ length }) => {
        bytesOut += length
        largest = Math.max(largest, length)
      },
      opened() {},
      message() {},
      closed() {},
      failed() {},
    },
  })
  const flood = () => {
    for (let at = 0; at < HELLOS; at += 1) server.receive(hello, spoofed(at))
  }
  flood() // what the process needs at all
  const before = process.memoryUsage().rss
  bytesOut = 0
  flood()
  expect(server.size).toBe(0)
  expect(server.pending).toBe(0)
  expect(bytesOut).toBeGreaterThan(0)
  expect(bytesOut).toBeLessThan(HELLOS * hello.length)
  expect(largest).toBeLessThan(3 * hello.length)
  expect(process.memoryUsage().rss - before).toBeLessThan(64 * MEGABYTE)
  server.close()
})

test('hellos with wrong cookies begin nothing, and evict nobody from a full server', async () => {
  const network = new MemoryNetwork()
  let now = 0
  const limits = { sessions: 1, evictAfter: 0 }
  const server = await startServer(network, { keyOf, limits }, { now: () => now })
  const kept: Buffer[] = []
  network.watch = (datagram, from) => {
    if (from !== server.port.at) kept.push(Buffer.from(datagram))
    return true
  }
  const client = await dial(network, new DtlsClient(PSK), server.port.at)
  await client.opened
  now += 1_000_000
  // The client's second hello holds a cookie that is right for its own address only.
  const withCookie = kept[1] ?? Buffer.alloc(0)
  expect(withCookie.length).toBeGreaterThan(kept[0]?.length ?? 0)
  for (let at = 0; at < 1_000; at += 1) server.server.receive(withCookie, spoofed(at))
  expect(server.server.size).toBe(1)
  expect(server.closed).toEqual([])
  expect(await client.echo('still here')).toBe('still here')
  for (const end of [client, server]) end.stop()
})

test('handshakes that are begun and left are bounded, in all and by address, and end by themselves', async () => {
  const network = new MemoryNetwork()
  const time = new HandTime()
  const limits = { pending: 8, pendingPerAddress: 3, handshakeTimeout: 30_000 }
  const server = await startServer(network, { keyOf, limits, timers: time })
  // Each client answers the cookie, and then falls silent.
  network.watch = (datagram, from) => from === server.port.at || datagram[HANDSHAKE_TYPE] === CLIENT_HELLO
  const client = new DtlsClient({ ...PSK, limits: { handshakeTimeout: 200 } })
  const pending: number[] = []
  for (let address = 0; address < 4; address += 1) {
    const clients = await Promise.all(
      Array.from({ length: 6 }, (_, port) =>
        dial(network, client, server.port.at, { from: { address: `192.0.2.${100 + address}`, port: 5_000 + port } }),
      ),
    )
    await Promise.all(clients.map(({ ended }) => ended))
    pending.push(server.server.pending)
    for (const end of clients) end.stop()
  }
  expect(pending).toEqual([3, 6, 8, 8])
  expect(server.server.statistics.refused).toBeGreaterThanOrEqual(24 - 8)
  time.advance(limits.handshakeTimeout)
  expect(server.server.pending).toBe(0)
  expect(server.server.size).toBe(0)
  expect(server.failed.map(({ reason }) => reason)).toEqual(Array(8).fill('timeout'))
  network.watch = undefined
  const last = await dial(network, new DtlsClient(PSK), server.port.at, { from: { address: '192.0.2.99', port: 1 } })
  expect(await last.opened).toBe(true)
  for (const end of [last, server]) end.stop()
})

test.each([
  [1, 1],
  [2, 0],
])('a cookie kept for %i of its lifetimes begins %i handshakes', async (lifetimes, begun) => {
  const network = new MemoryNetwork()
  const time = new HandTime()
  const server = await startServer(network, { keyOf, timers: time, limits: { cookieLifetime: 60_000 } })
  const hellos: Buffer[] = []
  const kept = new Promise<Buffer>(resolve => {
    network.watch = (datagram, from) => {
      if (from === server.port.at) return true
      hellos.push(datagram)
      if (hellos.length === 2) resolve(datagram)
      return hellos.length === 1
    }
  })
  const client = await dial(network, new DtlsClient(PSK), server.port.at)
  const withCookie = await kept
  time.advance(60_000 * lifetimes)
  server.server.receive(withCookie, client.port.at)
  expect(server.server.pending).toBe(begun)
  for (const end of [client, server]) end.stop()
})

test('a handshake message beyond its bound ends the handshake', async () => {
  const credentials = await dtlsCredentials()
  const { device } = credentials
  const network = new MemoryNetwork()
  const server = await startServer(network, { ...serverWith(credentials), limits: { maximumHandshakeMessage: 1_024 } })
  const failure = server.nextFailure()
  const certificate = { chain: device.pem.repeat(5), privateKey: device.privateKeyPem }
  const client = await dial(
    network,
    new DtlsClient({ certificate, authorities: credentials.authority.pem }),
    server.port.at,
  )
  expect(await client.opened).toBe(false)
  expect((await failure).error).toMatch(/excessive message size/)
  for (const end of [client, server]) end.stop()
})
