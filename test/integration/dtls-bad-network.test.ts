// Handshakes and payloads over a network that loses, repeats and reorders, and with small datagrams: every one comes through.
import { beforeAll, describe, expect, test } from 'vitest'
import { DtlsClient } from '../../src/dtls/client.ts'
import { MemoryNetwork, type Weather } from '../fixtures/datagram-network.ts'
import {
  type DtlsCredentials,
  dial,
  dtlsCredentials,
  PSK,
  serverWith,
  startServer,
  withCertificate,
} from '../fixtures/dtls.ts'
import { generator } from '../fixtures/fuzz.ts'

const SEED = Number(process.env.LATCHKEY_TEST_SEED ?? 20_261_123)
const CLIENTS = 20
/** Milliseconds: short, so that the tests are. */
const RETRANSMIT = 40
const LIMITS = { retransmit: RETRANSMIT, handshakeTimeout: 50_000, pendingPerAddress: 1_000 }

const WEATHERS: readonly { name: string; weather: Weather; mtu: number }[] = [
  { name: 'a loss of 20 %', weather: { loss: 0.2 }, mtu: 1232 },
  { name: '50 % duplicates', weather: { duplicates: 0.5 }, mtu: 1232 },
  { name: 'another order', weather: { delay: 30 }, mtu: 1232 },
  { name: 'an MTU of 300', weather: {}, mtu: 300 },
  { name: 'all of them', weather: { loss: 0.2, duplicates: 0.5, delay: 30 }, mtu: 300 },
]

let credentials: DtlsCredentials
beforeAll(async () => {
  credentials = await dtlsCredentials()
})

describe.each(WEATHERS)(`with $name, seed ${SEED}`, ({ weather, mtu }) => {
  test.each(['pre-shared keys', 'certificates'])(`${CLIENTS} handshakes with %s complete`, async kind => {
    const network = new MemoryNetwork(generator(SEED), weather)
    let longest = 0
    network.watch = ({ length }) => {
      longest = Math.max(longest, length)
      return true
    }
    const server = await startServer(network, { ...serverWith(credentials), limits: { ...LIMITS, mtu } })
    const who = kind === 'certificates' ? withCertificate(credentials, credentials.device) : PSK
    const client = new DtlsClient({ ...who, limits: { ...LIMITS, mtu } })
    const clients = await Promise.all(
      Array.from({ length: CLIENTS }, async (_, at) => {
        const end = await dial(network, client, server.port.at)
        if (!(await end.opened)) throw new Error(`client ${at}: ${JSON.stringify(await end.ended)}`)
        expect(await end.echo(`payload ${at}`, RETRANSMIT)).toBe(`payload ${at}`)
        return end
      }),
    )
    expect(server.server.size).toBe(CLIENTS)
    expect(longest).toBeLessThanOrEqual(mtu)
    for (const end of [...clients, server]) end.stop()
  })
})

describe("the server's last flight", () => {
  const CHANGE_CIPHER_SPEC = 20
  const records = (datagram: Buffer): number[] => {
    const types: number[] = []
    for (let at = 0; at + 13 <= datagram.length; at += 13 + datagram.readUInt16BE(at + 11))
      types.push(datagram[at] ?? 0)
    return types
  }

  test.each([1, 3])('is lost %i times: the client has it sent again', async losses => {
    const network = new MemoryNetwork()
    const server = await startServer(network, { ...serverWith(credentials), limits: LIMITS })
    let lost = 0
    network.watch = (datagram, from) => {
      if (from !== server.port.at || !records(datagram).includes(CHANGE_CIPHER_SPEC) || lost === losses) return true
      lost += 1
      return false
    }
    const client = await dial(network, new DtlsClient({ ...PSK, limits: LIMITS }), server.port.at)
    expect(await client.opened).toBe(true)
    expect(await client.echo('hello')).toBe('hello')
    expect(server.opened.length).toBe(1)
    for (const end of [client, server]) end.stop()
  })
})
