// Random and mutated datagrams from strangers, from the addresses of open sessions and into handshakes under way: the sessions
// live, new ones open, and memory stays bounded.
import { expect, test } from 'vitest'
import { DtlsClient } from '../../src/dtls/client.ts'
import { type Address, MemoryNetwork } from '../fixtures/datagram-network.ts'
import {
  type ClientEnd,
  dial,
  dtlsCredentials,
  PSK,
  serverWith,
  startServer,
  withCertificate,
} from '../fixtures/dtls.ts'
import { mutated } from '../fixtures/dtls-datagrams.ts'
import { generator } from '../fixtures/fuzz.ts'

const DATAGRAMS = Number(process.env.LATCHKEY_FUZZ_PACKETS ?? 100_000)
const SEED = Number(process.env.LATCHKEY_FUZZ_SEED ?? 20_261_123)
const MEGABYTE = 1 << 20
/** A handshake begins with every so many. */
const HANDSHAKE_EVERY = 100
/** Datagrams that are mixed into each. */
const INTO_HANDSHAKE = 8

test(`${DATAGRAMS} datagrams, seed ${SEED}`, { timeout: 180_000 }, async () => {
  const credentials = await dtlsCredentials()
  const random = generator(SEED)
  const below = (limit: number) => Math.floor(random() * limit)
  const network = new MemoryNetwork(random)
  const limits = { handshakeTimeout: 2_000 }
  const server = await startServer(network, { ...serverWith(credentials), mayResume: () => true, limits })
  const clients = [PSK, withCertificate(credentials, credentials.device)].map(
    who => new DtlsClient({ ...who, limits: { handshakeTimeout: 500 } }),
  )
  const open = async (from?: Address): Promise<ClientEnd> => {
    const client = clients[below(clients.length)] ?? clients[0]!
    return dial(network, client, server.port.at, from ? { from } : {})
  }

  const corpus: Buffer[] = []
  network.watch = datagram => corpus.push(Buffer.from(datagram)) > 0
  for (let at = 0; at < 6; at += 1) {
    const end = await open()
    await end.opened
    await end.echo('recorded')
    end.stop()
  }
  network.watch = undefined

  const lasting = await Promise.all(Array.from({ length: 4 }, () => open()))
  await Promise.all(lasting.map(({ opened }) => opened))
  const addresses = lasting.map(({ port }) => port.at)
  const somebody = (): Address => {
    const whose = random()
    if (whose < 0.5) return addresses[below(addresses.length)] ?? server.port.at
    return { address: '203.0.113.7', port: whose < 0.7 ? below(64) : below(65_536) }
  }

  let memoryHalfway = 0
  let sent = 0
  const spoil = (from: Address) => {
    server.server.receive(mutated(random, corpus), from)
    sent += 1
  }
  while (sent < DATAGRAMS) {
    for (let at = 0; at < HANDSHAKE_EVERY; at += 1) spoil(somebody())
    const end = await open({ address: '203.0.113.7', port: below(64) })
    for (let at = 0; at < INTO_HANDSHAKE; at += 1) {
      spoil(end.port.at)
      if (random() < 0.5) end.session.receive(mutated(random, corpus))
      await new Promise(setImmediate)
    }
    lasting[below(lasting.length)]?.session.receive(mutated(random, corpus))
    if (random() < 0.5) end.session.close()
    if (memoryHalfway === 0 && sent > DATAGRAMS / 2) memoryHalfway = process.memoryUsage().rss
  }
  const growth = process.memoryUsage().rss - memoryHalfway

  for (const [at, end] of lasting.entries()) expect(await end.echo(`still here ${at}`, 100)).toBe(`still here ${at}`)
  const fresh = await open()
  expect(await fresh.opened).toBe(true)
  expect(growth).toBeLessThan(64 * MEGABYTE)
  expect(server.server.statistics.opened).toBeGreaterThan(DATAGRAMS / HANDSHAKE_EVERY / 10)
  console.log(
    `${sent} datagrams, seed ${SEED}: ${JSON.stringify(server.server.statistics)}, ` +
      `${(growth / MEGABYTE).toFixed(1)} MB more in the second half`,
  )
  server.stop()
})
