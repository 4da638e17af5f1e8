// Who does not get in, what that looks like to them, and what the operator is told.
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { DtlsClient, type DtlsClientOptions } from '../../src/dtls/client.ts'
import type { DtlsEnd } from '../../src/dtls/session.ts'
import { MemoryNetwork } from '../fixtures/datagram-network.ts'
import {
  type DtlsCredentials,
  dial,
  dtlsCredentials,
  IDENTITY,
  KEY,
  keyOf,
  PSK,
  serverWith,
  startServer,
  withCertificate,
} from '../fixtures/dtls.ts'
import { HandTime } from '../fixtures/hand-time.ts'
import { TestAuthority } from '../fixtures/test-authority.ts'

let credentials: DtlsCredentials
const stops: (() => void)[] = []

beforeAll(async () => {
  credentials = await dtlsCredentials()
})
afterEach(() => {
  for (const stop of stops.splice(0).reverse()) stop()
})

describe('a key that is not right', () => {
  /** What a client with this identity and key sees of the server, and what the server tells its operator. */
  async function attempt(identity: string, key: Buffer): Promise<{ seen: string[]; end: DtlsEnd }> {
    const network = new MemoryNetwork()
    const time = new HandTime()
    const server = await startServer(network, { keyOf, timers: time })
    const seen: string[] = []
    let sent = 0
    const silence = new Promise<void>(resolve => {
      network.watch = (datagram, from) => {
        // Content type and length: the rest is random.
        if (from === server.port.at) seen.push(`${datagram[0]}:${datagram.length}`)
        sent += 1
        const mine = sent
        const quietFor = (turns: number) => {
          if (sent !== mine) return
          if (turns === 0) resolve()
          else setImmediate(quietFor, turns - 1)
        }
        setImmediate(quietFor, 4)
        return true
      }
    })
    const failure = server.nextFailure()
    const client = await dial(
      network,
      new DtlsClient({ psk: { identity, key }, suites: ['PSK-AES128-CCM8'], timers: time }),
      server.port.at,
    )
    stops.push(server.stop, client.stop)
    await silence
    time.advance(30_000)
    expect((await client.ended).reason).toBe('timeout')
    expect(await client.opened).toBe(false)
    return { seen, end: await failure }
  }

  test('ends in silence, whether the key is wrong or nobody has the identity; the operator can tell', async () => {
    const wrong = await attempt(IDENTITY, Buffer.from('00112233', 'hex'))
    const unknown = await attempt('thermostat-0', KEY)
    expect(wrong.seen).toEqual(unknown.seen)
    expect(wrong.seen.length).toBeGreaterThanOrEqual(2)
    const end = { reason: 'timeout', inHandshake: true, error: undefined }
    expect(wrong.end).toEqual({ ...end, claimed: IDENTITY, unknown: false })
    expect(unknown.end).toEqual({ ...end, claimed: 'thermostat-0', unknown: true })
  })
})

describe('a client certificate', () => {
  test.each<[string, () => DtlsClientOptions, RegExp]>([
    ['of another authority', () => withCertificate(credentials, credentials.stranger), /issuer certificate/],
    ['that has expired', () => withCertificate(credentials, credentials.expired), /certificate has expired/],
    ['that is for servers', () => withCertificate(credentials, credentials.server), /certificate purpose/],
    ['that is missing', () => ({ authorities: credentials.authority.pem }), /did not return a certificate/],
  ])('%s opens nothing', async (_name, options, reason) => {
    const network = new MemoryNetwork()
    const server = await startServer(network, serverWith(credentials))
    const failure = server.nextFailure()
    const client = await dial(network, new DtlsClient(options()), server.port.at)
    stops.push(server.stop, client.stop)
    expect(await client.opened).toBe(false)
    expect((await failure).error).toMatch(reason)
    expect(server.opened).toEqual([])
    expect(server.server.size).toBe(0)
  })

  test('that is missing suffices where it is optional', async () => {
    const network = new MemoryNetwork()
    const server = await startServer(network, { ...serverWith(credentials), clientCertificate: 'optional' })
    const client = await dial(network, new DtlsClient({ authorities: credentials.authority.pem }), server.port.at)
    stops.push(server.stop, client.stop)
    expect(await client.opened).toBe(true)
    expect(server.opened[0]?.evidence.chain ?? []).toEqual([])
  })
})

describe('a revoked certificate', () => {
  test('opens nothing, and the others of its authority go on', async () => {
    const { authority, device } = credentials
    const other = await authority.device('thermostat-4')
    const revoked = await authority.revocationList([device])
    const network = new MemoryNetwork()
    const server = await startServer(network, {
      ...serverWith(credentials),
      authorities: { certificates: authority.pem, revoked },
    })
    const failure = server.nextFailure()
    const first = await dial(network, new DtlsClient(withCertificate(credentials, device)), server.port.at)
    const second = await dial(network, new DtlsClient(withCertificate(credentials, other)), server.port.at)
    stops.push(server.stop, first.stop, second.stop)
    expect(await first.opened).toBe(false)
    expect((await failure).error).toMatch(/revoked/)
    expect(await second.opened).toBe(true)
  })

  test('opens nothing from the moment that a running server learns of it, by ticket neither', async () => {
    const { authority, device } = credentials
    const network = new MemoryNetwork()
    const server = await startServer(network, { ...serverWith(credentials), mayResume: () => true })
    const client = new DtlsClient(withCertificate(credentials, device))
    const before = await dial(network, client, server.port.at)
    stops.push(server.stop, before.stop)
    await before.opened
    await before.echo('before')
    const saved = before.session.saved()
    expect(saved).toBeDefined()
    server.server.setAuthorities(authority.pem, await authority.revocationList([device]))
    const failure = server.nextFailure()
    const after = await dial(network, client, server.port.at, { saved })
    stops.push(after.stop)
    expect(await after.opened).toBe(false)
    expect((await failure).error).toMatch(/revoked/)
  })
})

describe('a client refuses a server', () => {
  test('of another authority', async () => {
    const other = await TestAuthority.create('Other')
    const network = new MemoryNetwork()
    const server = await startServer(network, serverWith(credentials))
    const options = { ...withCertificate(credentials, credentials.device), authorities: other.pem }
    const client = await dial(network, new DtlsClient(options), server.port.at)
    stops.push(server.stop, client.stop)
    expect((await client.ended).error).toMatch(/issuer certificate/)
  })

  test('of another name', async () => {
    const network = new MemoryNetwork()
    const server = await startServer(network, serverWith(credentials))
    const client = await dial(
      network,
      new DtlsClient(withCertificate(credentials, credentials.device)),
      server.port.at,
      { name: 'elsewhere' },
    )
    stops.push(server.stop, client.stop)
    expect((await client.ended).error).toMatch(/mismatch/)
  })
})

describe('what can not work is refused at once', () => {
  test('a server without credentials', async () => {
    await expect(startServer(new MemoryNetwork(), {})).rejects.toThrow(/needs a certificate or pre-shared keys/)
  })

  test('a server that asks for certificates and believes nobody', async () => {
    const options = { keyOf, clientCertificate: 'required' as const }
    await expect(startServer(new MemoryNetwork(), options)).rejects.toThrow(/authorities/)
  })

  test('a certificate and the key of another', async () => {
    const { server, device } = credentials
    const certificate = { chain: server.pem, privateKey: device.privateKeyPem }
    await expect(startServer(new MemoryNetwork(), { certificate })).rejects.toThrow(/certificate/)
  })

  test('a client without credentials, and one with an MTU that no handshake fits', () => {
    expect(() => new DtlsClient({})).toThrow(RangeError)
    expect(() => new DtlsClient({ ...PSK, limits: { mtu: 100 } })).toThrow(/256/)
  })
})
