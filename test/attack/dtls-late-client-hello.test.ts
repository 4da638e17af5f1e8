// A ClientHello that comes late or is played back, cookie and all, neither ends the session that it once began nor costs a
// second handshake; a new one from the address of a session does not end it either, before its sender has proved anything.
import { afterEach, expect, test } from 'vitest'
import { DtlsClient } from '../../src/dtls/client.ts'
import { MemoryNetwork } from '../fixtures/datagram-network.ts'
import { dial, keyOf, PSK, startServer } from '../fixtures/dtls.ts'

const stops: (() => void)[] = []
afterEach(() => {
  for (const stop of stops.splice(0).reverse()) stop()
})

async function openSession() {
  const network = new MemoryNetwork()
  const server = await startServer(network, { keyOf })
  const heard: Buffer[] = []
  network.watch = (datagram, from) => {
    if (from !== server.port.at) heard.push(Buffer.from(datagram))
    return true
  }
  const client = await dial(network, new DtlsClient(PSK), server.port.at)
  stops.push(server.stop, client.stop)
  await client.opened
  await client.echo('before')
  network.watch = undefined
  return { network, server, client, heard }
}

test('the hellos of an open session, played back, begin nothing', async () => {
  const { server, client, heard } = await openSession()
  const { hellos } = server.server.statistics
  for (let again = 0; again < 100; again += 1)
    for (const hello of heard.slice(0, 2)) server.server.receive(hello, client.port.at)
  expect(server.server.statistics.hellos).toBe(hellos)
  expect(server.server.pending).toBe(0)
  expect(await client.echo('after')).toBe('after')
})

test('the whole handshake of an open session, played back, changes nothing', async () => {
  const { server, client, heard } = await openSession()
  for (const datagram of heard) server.server.receive(datagram, client.port.at)
  expect(await client.echo('after')).toBe('after')
  expect(server.messages).toEqual(['before', 'after'])
  expect(server.opened.length).toBe(1)
})

test('somebody else who speaks from the address of a session, without its key, does not end it', async () => {
  const { network, server, client } = await openSession()
  const { at } = client.port
  // The attacker reads what is sent to that address, cookie included, and knows all but the key.
  let thief: Awaited<ReturnType<typeof dial>> | undefined
  const elsewhere = { address: '203.0.113.1', port: 9 }
  network.watch = (datagram, from, to) => {
    if (from === server.port.at && to.port === at.port) thief?.session.receive(datagram)
    if (from !== elsewhere) return true
    server.server.receive(datagram, at)
    return false
  }
  const wrong = { psk: { identity: PSK.psk.identity, key: Buffer.alloc(16) } }
  const limits = { handshakeTimeout: 400, retransmit: 50 }
  thief = await dial(network, new DtlsClient({ ...wrong, limits }), server.port.at, { from: elsewhere })
  stops.push(thief.stop)
  for (let round = 0; round < 5; round += 1) expect(await client.echo(`meanwhile ${round}`)).toBe(`meanwhile ${round}`)
  expect(await thief.opened).toBe(false)
  expect(server.server.statistics.hellos).toBeGreaterThan(2)
  expect(await client.echo('after')).toBe('after')
  expect(server.closed).toEqual([])
})
