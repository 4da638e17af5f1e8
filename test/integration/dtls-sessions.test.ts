// Both ends of DTLS are ours here, over loopback UDP and over a network in memory.
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { DtlsClient } from '../../src/dtls/client.ts'
import { SUITES } from '../../src/dtls/suites.ts'
import { MemoryNetwork, type Network, udp } from '../fixtures/datagram-network.ts'
import {
  type ClientEnd,
  type DialOptions,
  type DtlsCredentials,
  dial,
  dtlsCredentials,
  IDENTITY,
  keyOf,
  PSK,
  type ServerEnd,
  serverWith,
  startServer,
  withCertificate,
} from '../fixtures/dtls.ts'

let credentials: DtlsCredentials
const ends: (ServerEnd | ClientEnd)[] = []

beforeAll(async () => {
  credentials = await dtlsCredentials()
})
afterEach(() => {
  for (const end of ends.splice(0).reverse()) end.stop()
})

async function serve(...options: Parameters<typeof startServer>) {
  const end = await startServer(...options)
  ends.push(end)
  return end
}

async function connect(network: Network, client: DtlsClient, to: ServerEnd, options: DialOptions = {}) {
  const end = await dial(network, client, to.port.at, options)
  ends.push(end)
  return end
}

describe.each<[string, () => Network]>([
  ['UDP', () => udp],
  ['memory', () => new MemoryNetwork()],
])('over %s', (_name, networkOf) => {
  test('a pre-shared key opens a session, and its identity is the evidence', async () => {
    const network = networkOf()
    const server = await serve(network, { keyOf })
    const client = await connect(network, new DtlsClient(PSK), server)
    expect(await client.opened).toBe(true)
    expect(await client.echo('hello')).toBe('hello')
    expect(server.messages).toEqual(['hello'])
    expect(server.opened.map(({ evidence }) => evidence)).toEqual([
      { suite: 'ECDHE-PSK-CHACHA20-POLY1305', identity: IDENTITY, chain: [], resumed: false },
    ])
  })

  test('certificates of both sides open a session, and the chain is the evidence', async () => {
    const network = networkOf()
    const server = await serve(network, serverWith(credentials))
    const client = await connect(network, new DtlsClient(withCertificate(credentials, credentials.device)), server)
    expect(await client.opened).toBe(true)
    expect(await client.echo('hello')).toBe('hello')
    expect(server.opened[0]?.evidence).toEqual({
      suite: 'ECDHE-ECDSA-AES128-GCM-SHA256',
      identity: undefined,
      chain: [credentials.device.der],
      resumed: false,
    })
    expect(client.session.evidence.chain).toEqual([credentials.server.der])
  })
})

describe('a session', () => {
  test.each(SUITES.filter(({ by }) => by !== 'rsa'))('is made with $name', async ({ name, by, legacy }) => {
    const network = new MemoryNetwork()
    const server = await serve(network, { ...serverWith(credentials), allowCbc: legacy ?? false })
    const who = by === 'psk' ? PSK : withCertificate(credentials, credentials.device)
    const client = await connect(network, new DtlsClient({ ...who, suites: [name] }), server)
    expect(await client.opened).toBe(true)
    expect(client.session.evidence.suite).toBe(name)
    expect(await client.echo('hello')).toBe('hello')
  })

  test('is not made with CBC unless it is allowed', async () => {
    const network = new MemoryNetwork()
    const server = await serve(network, { keyOf })
    const client = await connect(network, new DtlsClient({ ...PSK, suites: ['PSK-AES128-CBC-SHA256'] }), server)
    expect(await client.opened).toBe(false)
  })

  test('carries payloads up to its limit, and refuses longer ones', async () => {
    const network = new MemoryNetwork()
    const server = await serve(network, { keyOf, limits: { mtu: 300 } })
    const client = await connect(network, new DtlsClient({ ...PSK, limits: { mtu: 300 } }), server)
    await client.opened
    const { session } = client
    let longest = 0
    network.watch = datagram => {
      longest = Math.max(longest, datagram.length)
      return true
    }
    const payload = 'x'.repeat(session.maximumPayload)
    expect(await client.echo(payload)).toBe(payload)
    expect(longest).toBeLessThanOrEqual(300)
    expect(longest).toBeGreaterThan(290)
    expect(() => session.send(Buffer.alloc(session.maximumPayload + 1))).toThrow(RangeError)
    expect(() => session.send(Buffer.alloc(0))).toThrow(RangeError)
    expect(await client.echo('still here')).toBe('still here')
  })

  test('is closed by its owner: the peer hears of it, and nothing of the peer is handed on after', async () => {
    const network = new MemoryNetwork()
    const server = await serve(network, { keyOf })
    const client = await connect(network, new DtlsClient(PSK), server)
    await client.opened
    await client.echo('before')
    const [session] = server.opened
    client.session.send(Buffer.from('on its way'))
    session?.close()
    expect((await client.ended).reason).toBe('peer')
    expect(server.messages).toEqual(['before'])
    expect(server.closed).toMatchObject([{ reason: 'local', inHandshake: false }])
    expect(session?.send(Buffer.from('after'))).toBe(false)
    expect(server.server.size).toBe(0)
  })

  test('may be closed from inside the callback that is asked for its key', async () => {
    const network = new MemoryNetwork()
    const closing = (): undefined => {
      server.server.close()
      throw new Error('and this is thrown besides')
    }
    const server = await serve(network, { keyOf: closing })
    const failure = server.nextFailure()
    const client = await connect(network, new DtlsClient(PSK), server)
    expect(await failure).toMatchObject({ reason: 'local', inHandshake: true, claimed: IDENTITY })
    expect(server.server.size).toBe(0)
    client.stop()
    expect(await client.opened).toBe(false)
  })

  test('is replaced once its peer, at the same address, has opened another', async () => {
    const network = new MemoryNetwork()
    const server = await serve(network, { keyOf })
    const from = { address: '192.0.2.9', port: 40_000 }
    const first = await connect(network, new DtlsClient(PSK), server, { from })
    await first.opened
    await first.echo('first')
    const second = await connect(network, new DtlsClient(PSK), server, { from })
    expect(await second.opened).toBe(true)
    expect(await second.echo('second')).toBe('second')
    expect(server.closed).toMatchObject([{ reason: 'replaced' }])
    expect(server.server.size).toBe(1)
  })

  test('that was silent longest makes room for a newcomer, but only after a while', async () => {
    const network = new MemoryNetwork()
    let now = 1_000_000
    const limits = { sessions: 2, evictAfter: 60_000 }
    const server = await serve(network, { keyOf, limits }, { now: () => now })
    const client = new DtlsClient({ ...PSK, limits: { handshakeTimeout: 300 } })
    const [first, second] = [await connect(network, client, server), await connect(network, client, server)]
    await Promise.all([first.opened, second.opened])
    now += 50_000
    await first.echo('I am here')
    const early = await connect(network, client, server)
    expect(await early.opened).toBe(false)
    expect(server.server.statistics.refused).toBeGreaterThan(0)
    now += 20_000
    const third = await connect(network, client, server)
    expect(await third.opened).toBe(true)
    expect((await second.ended).reason).toBe('peer')
    expect(server.closed).toMatchObject([{ reason: 'evicted' }])
    expect(await first.echo('and here')).toBe('and here')
  })
})

describe('resumption', () => {
  /** Opens a session, closes it, and comes again with what was saved of it. */
  async function comeAgain(network: Network, server: ServerEnd, client: DtlsClient, between = () => {}) {
    const first = await connect(network, client, server)
    await first.opened
    await first.echo('first') // the ticket is here by now
    const saved = first.session.saved()
    expect(saved).toBeDefined()
    first.session.close()
    between()
    const second = await connect(network, client, server, { saved })
    expect(await second.opened).toBe(true)
    expect(await second.echo('second')).toBe('second')
    return server.opened.at(-1)?.evidence
  }

  const kinds = [
    ['a pre-shared key', () => PSK],
    ['a certificate', () => withCertificate(credentials, credentials.device)],
  ] as const

  test.each(kinds)('by ticket, after %s, is asked about first', async (name, who) => {
    const network = new MemoryNetwork()
    const asked: unknown[] = []
    const mayResume = (evidence: object) => asked.push(evidence) > 0
    const server = await serve(network, { ...serverWith(credentials), mayResume })
    const evidence = await comeAgain(network, server, new DtlsClient(who()))
    const psk = name === 'a pre-shared key'
    expect(asked).toEqual([
      { identity: psk ? IDENTITY : undefined, certificate: psk ? undefined : credentials.device.der },
    ])
    expect(evidence).toMatchObject({
      resumed: true,
      identity: psk ? IDENTITY : undefined,
      chain: psk ? [] : [credentials.device.der],
    })
  })

  test.each(kinds)('after %s is refused: everything is proved anew', async (_name, who) => {
    const network = new MemoryNetwork()
    const server = await serve(network, { ...serverWith(credentials), mayResume: () => false })
    expect(await comeAgain(network, server, new DtlsClient(who()))).toMatchObject({ resumed: false })
  })

  test('an answer that is no answer is a refusal', async () => {
    const network = new MemoryNetwork()
    const mayResume = () => {
      throw new Error('the registry is away')
    }
    const server = await serve(network, { keyOf, mayResume })
    expect(await comeAgain(network, server, new DtlsClient(PSK))).toMatchObject({ resumed: false })
  })

  test('ends with the keys of the tickets, without a question', async () => {
    const network = new MemoryNetwork()
    let asked = 0
    const mayResume = () => {
      asked += 1
      return true
    }
    const server = await serve(network, { keyOf, mayResume })
    const rotate = () => server.server.rotateTickets()
    expect(await comeAgain(network, server, new DtlsClient(PSK), rotate)).toMatchObject({ resumed: false })
    expect(asked).toBe(0)
    expect(await comeAgain(network, server, new DtlsClient(PSK))).toMatchObject({ resumed: true })
  })

  test('is not offered where nobody answers for it', async () => {
    const network = new MemoryNetwork()
    const server = await serve(network, { keyOf })
    const client = await connect(network, new DtlsClient(PSK), server)
    await client.opened
    expect(client.session.saved()).toBeUndefined()
  })
})

describe('credentials of a running server', () => {
  test('a new certificate is shown to the next client', async () => {
    const network = new MemoryNetwork()
    const server = await serve(network, serverWith(credentials))
    const client = new DtlsClient(withCertificate(credentials, credentials.device))
    const before = await connect(network, client, server)
    await before.opened
    const renewed = await credentials.authority.server('localhost')
    server.server.setCertificate(renewed.pem, renewed.privateKeyPem)
    const after = await connect(network, client, server)
    await after.opened
    expect([before, after].map(({ session }) => session.evidence.chain[0])).toEqual([
      credentials.server.der,
      renewed.der,
    ])
    expect(await before.echo('still here')).toBe('still here')
  })

  test('what can not be used is refused, and the old stays', async () => {
    const network = new MemoryNetwork()
    const server = await serve(network, serverWith(credentials))
    const { device } = credentials
    expect(() => server.server.setCertificate(device.pem, credentials.server.privateKeyPem)).toThrow(/certificate/)
    expect(() => server.server.setAuthorities('nothing')).toThrow(/no certificate/)
    const client = await connect(network, new DtlsClient(withCertificate(credentials, device)), server)
    expect(await client.opened).toBe(true)
  })
})
