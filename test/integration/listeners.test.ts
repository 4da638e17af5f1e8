import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { request } from 'node:http'
import { connect as connectTcp, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { silentLog } from '../../src/model/log.ts'
import { silentMeter } from '../../src/model/meter.ts'
import { type ListenerOptions, openListener } from '../../src/mqtt/listeners.ts'
import { RECEPTION_LIMITS, Reception, type ReceptionLimits } from '../../src/mqtt/reception.ts'
import { ADMISSION_LIMITS, Admission, type AdmissionLimits } from '../../src/stream/admission.ts'
import type { Listener } from '../../src/stream/listener.ts'
import type { PeerSocket } from '../../src/stream/peer-socket.ts'
import type { HandshakeFailure } from '../../src/stream/tls-acceptor.ts'
import { TestAuthority, type TestCertificate } from '../fixtures/test-authority.ts'

let authority: TestAuthority
let server: TestCertificate
let device: TestCertificate
const psk = randomBytes(32)
const clock = { now: () => Date.now() }
const random = { bytes: (count: number) => randomBytes(count) }

const cleanUp: (() => Promise<unknown> | undefined)[] = []

beforeAll(async () => {
  authority = await TestAuthority.create()
  server = await authority.server()
  device = await authority.device('thermo1')
})

afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step()
})

const material = () => ({
  certificatePem: server.pem,
  privateKeyPem: server.privateKeyPem,
  caPem: [authority.pem],
})

/** A listener that keeps its peers and answers every one with `hello`. */
async function open(
  name: ListenerOptions['name'],
  options: Partial<ListenerOptions> & {
    admissionLimits?: Partial<AdmissionLimits>
    receptionLimits?: Partial<ReceptionLimits>
  } = {},
) {
  const peers: PeerSocket[] = []
  const failures: HandshakeFailure[] = []
  const waiting: (() => void)[] = []
  const admission = new Admission({ ...ADMISSION_LIMITS, ...options.admissionLimits }, clock, silentMeter, 'mqtt')
  const listener: Listener = await openListener({
    name,
    host: '127.0.0.1',
    port: 0,
    ...(name === 'mqtts' || name === 'wss' ? { tls: material() } : {}),
    pskKey: identity => (identity === 'psk1' ? psk : null),
    onHandshakeFailure: failure => failures.push(failure),
    admission,
    reception: new Reception({ ...RECEPTION_LIMITS, ...options.receptionLimits }, clock, silentMeter),
    random,
    meter: silentMeter,
    log: silentLog,
    ...options,
    onPeer: peer => {
      peers.push(peer)
      peer.stream.write('hello')
      peer.stream.once('data', () => peer.stream.write('again'))
      options.onPeer?.(peer)
      for (const wake of waiting.splice(0)) wake()
    },
  })
  cleanUp.push(() => listener.close())
  const peer = async (index = 0): Promise<PeerSocket> => {
    for (;;) {
      const found = peers[index]
      if (found !== undefined) return found
      await new Promise<void>(resolve => waiting.push(resolve))
    }
  }
  return { listener, peers, peer, failures, admission }
}

function tcp(port: number): Socket {
  const socket = connectTcp(port, '127.0.0.1')
  socket.on('error', () => {})
  cleanUp.push(async () => socket.destroy())
  return socket
}

/** Resolves when `hello` came, with the session ticket if one was sent; rejects when the handshake fails. */
async function tls(
  port: number,
  options: ConnectionOptions = {},
): Promise<{ socket: TLSSocket; session: Buffer | undefined }> {
  const socket = connectTls({
    port,
    host: '127.0.0.1',
    servername: 'localhost',
    ca: authority.pem,
    checkServerIdentity: () => undefined,
    ...options,
  })
  cleanUp.push(async () => socket.destroy())
  let session: Buffer | undefined
  socket.on('session', ticket => {
    session = ticket
  })
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('closed')))
    socket.once('data', () => resolve())
  })
  socket.on('error', () => {})
  if (!options.session) {
    // A ticket of TLS 1.3 may follow the first bytes; it has come when a question is answered.
    socket.write('more')
    await once(socket, 'data')
  }
  return { socket, session: session ?? socket.getSession() }
}

const withCertificate = () => ({ cert: device.pem, key: device.privateKeyPem })
const withPsk = (key = psk, identity = 'psk1') => ({
  ca: undefined as never,
  ciphers: 'TLS_AES_128_GCM_SHA256:PSK+HIGH',
  pskCallback: () => ({ psk: key, identity }),
})
const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const

function webSocket(url: string, options: { protocols?: string[]; origin?: string; host?: string } = {}): WebSocket {
  const { protocols = ['mqtt'], origin, host } = options
  const socket = new WebSocket(url, protocols, {
    ca: authority.pem,
    checkServerIdentity: () => undefined,
    headers: { ...(host ? { host } : {}), ...(origin ? { origin } : {}) },
  } as never)
  socket.on('error', () => {})
  cleanUp.push(async () => socket.terminate())
  return socket
}

/** The HTTP status that refused, or 101. */
const outcome = (socket: WebSocket) =>
  new Promise<number>(resolve => {
    socket.once('unexpected-response', (_request, response) => resolve(response.statusCode ?? 0))
    socket.once('open', () => resolve(101))
  })

describe('tcp', () => {
  test('hands over the bytes both ways, with address and transport', async () => {
    const { listener, peer } = await open('mqtt')
    const socket = tcp(listener.port)
    const [hello] = await once(socket, 'data')
    expect(String(hello)).toBe('hello')
    const arrived = await peer()
    const { stream } = arrived
    expect(arrived).toMatchObject({ transport: 'mqtt', address: '127.0.0.1', certificates: [], pskIdentity: null })
    socket.write('ping')
    const [ping] = await once(stream, 'data')
    expect(String(ping)).toBe('ping')
  })

  test('a reset connection does no harm', async () => {
    const { listener, peer } = await open('mqtt')
    const socket = tcp(listener.port)
    await once(socket, 'data')
    const { stream } = await peer()
    const closed = once(stream, 'close').catch(error => error)
    socket.resetAndDestroy()
    await closed
    await once(tcp(listener.port), 'data')
  })

  test('a taken port is a failure that names it', async () => {
    const { listener } = await open('mqtt')
    await expect(open('mqtt', { port: listener.port })).rejects.toMatchObject({
      code: 'listener-failed',
      message: expect.stringContaining(`127.0.0.1:${listener.port}`),
    })
  })

  test('close destroys open connections and frees the port', async () => {
    const { listener } = await open('mqtt')
    const { port } = listener
    const socket = tcp(port)
    await once(socket, 'data')
    const closed = once(socket, 'close')
    await listener.close()
    await closed
    await open('mqtt', { port })
  })
})

describe('tls', () => {
  test.each(VERSIONS)('%s: the peer certificate is handed over unjudged', async version => {
    const { listener, peer } = await open('mqtts')
    const stranger = await (await TestAuthority.create('Other CA')).device('thermo1')
    await tls(listener.port, {
      minVersion: version,
      maxVersion: version,
      cert: stranger.pem,
      key: stranger.privateKeyPem,
    })
    const { certificates, pskIdentity } = await peer()
    expect(certificates[0]).toEqual(stranger.der)
    expect(pskIdentity).toBeNull()
  })

  test('certificates that came along follow the leaf', async () => {
    const { listener, peer } = await open('mqtts')
    const issuing = await TestAuthority.create('Issuing', authority)
    const leaf = await issuing.device('thermo2')
    await tls(listener.port, { cert: leaf.pem + issuing.pem, key: leaf.privateKeyPem })
    const { certificates } = await peer()
    expect(certificates.slice(0, 2)).toEqual([leaf.der, issuing.certificate.raw])
  })

  test.each(VERSIONS)('%s: without a certificate the handshake succeeds and shows nothing', async version => {
    const { listener, peer } = await open('mqtts')
    await tls(listener.port, { minVersion: version, maxVersion: version })
    expect(await peer()).toMatchObject({ certificates: [], pskIdentity: null })
  })

  test('of the protocols that a peer offers `mqtt` is taken; whoever offers others alone is refused', async () => {
    const { listener } = await open('mqtts')
    const { socket } = await tls(listener.port, { ALPNProtocols: ['http/1.1', 'mqtt'] })
    expect(socket.alpnProtocol).toBe('mqtt')
    await expect(tls(listener.port, { ALPNProtocols: ['http/1.1'] })).rejects.toThrow()
  })

  test('TLS 1.1 is refused', async () => {
    const { listener } = await open('mqtts')
    const old = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const
    await expect(tls(listener.port, old)).rejects.toThrow()
  })

  test.each(VERSIONS)('%s: a pre-shared key beside certificates on one port', async version => {
    const { listener, peer } = await open('mqtts')
    await tls(listener.port, { ...withPsk(), minVersion: version, maxVersion: version })
    expect(await peer()).toMatchObject({ certificates: [], pskIdentity: 'psk1' })
    await tls(listener.port, { ...withCertificate(), minVersion: version, maxVersion: version })
    const { certificates, pskIdentity } = await peer(1)
    expect(certificates[0]).toEqual(device.der)
    expect(pskIdentity).toBeNull()
  })

  test.each(VERSIONS)('%s: a wrong key and an unknown identity fail alike', async version => {
    const { listener, peers, failures } = await open('mqtts')
    const versions = { minVersion: version, maxVersion: version }
    const wrong = await tls(listener.port, { ...withPsk(randomBytes(32)), ...versions }).catch(error => error)
    const unknown = await tls(listener.port, { ...withPsk(psk, 'nobody'), ...versions }).catch(error => error)
    expect(wrong).toBeInstanceOf(Error)
    expect(unknown.code).toBe(wrong.code)
    expect(peers).toEqual([])
    expect(failures.map(failure => failure.pskIdentity)).toEqual(['psk1', null])
    expect(failures[0]?.reason).toBe(failures[1]?.reason)
  })

  test('an identity shown in a handshake that went on without its key is not proved', async () => {
    const asked: string[] = []
    const pskKey = (identity: string) => {
      asked.push(identity)
      return psk
    }
    const { listener, peer } = await open('mqtts', { pskKey })
    // OpenSSL asks the callback for the key, then finds that a SHA-384 suite cannot use it.
    await tls(listener.port, {
      ...withPsk(randomBytes(32)),
      ca: authority.pem,
      ciphers: 'TLS_AES_256_GCM_SHA384',
      minVersion: 'TLSv1.3',
    })
    expect(await peer()).toMatchObject({ certificates: [], pskIdentity: null })
    expect(asked).toEqual(['psk1'])
  })

  test('a key that is replaced or revoked after the handshake proves nothing any more', async () => {
    let key: Buffer | null = psk
    const { listener, peer } = await open('mqtts', { pskKey: () => key })
    await tls(listener.port, withPsk())
    const first = await peer()
    expect(first.pskIdentity).toBe('psk1')
    key = randomBytes(32)
    expect(first.pskIdentity).toBe('')
    key = null
    expect(first.pskIdentity).toBe('')
  })

  test.each(VERSIONS)('%s: nothing is resumed where PSK is served', async version => {
    const { listener, peer } = await open('mqtts')
    const versions = { minVersion: version, maxVersion: version }
    const first = await tls(listener.port, { ...withCertificate(), ...versions })
    const again = await tls(listener.port, { ...versions, ...(first.session ? { session: first.session } : {}) })
    expect(again.socket.isSessionReused()).toBe(false)
    expect((await peer(1)).certificates).toEqual([])

    const keyed = await tls(listener.port, { ...withPsk(), ...versions })
    const resumed = await tls(listener.port, { ...versions, ...(keyed.session ? { session: keyed.session } : {}) })
    expect(resumed.socket.isSessionReused()).toBe(false)
    expect(await peer(3)).toMatchObject({ certificates: [], pskIdentity: null })
  })

  test.each(VERSIONS)('%s: a resumed wss session shows the same certificate', async version => {
    const { listener, peers } = await open('wss')
    const versions = { minVersion: version, maxVersion: version }
    const dial = async (session?: Buffer) => {
      const socket = connectTls({
        port: listener.port,
        host: '127.0.0.1',
        ca: authority.pem,
        checkServerIdentity: () => undefined,
        ...versions,
        ...(session ? { session } : withCertificate()),
      })
      socket.on('error', () => {})
      let ticket: Buffer | undefined
      socket.on('session', given => {
        ticket = given
      })
      await once(socket, 'secureConnect')
      const client = new WebSocket(`wss://localhost:${listener.port}/mqtt`, ['mqtt'], {
        createConnection: () => socket,
      } as never)
      await once(client, 'message')
      cleanUp.push(async () => client.terminate())
      return { ticket: ticket ?? socket.getSession(), reused: socket.isSessionReused() }
    }
    const { ticket } = await dial()
    const again = await dial(ticket)
    expect(again.reused).toBe(true)
    expect(peers.map(({ certificates }) => certificates[0])).toEqual([device.der, device.der])
  })

  test('a certificate is swapped live, and pre-shared keys go on', async () => {
    const { listener, peer } = await open('mqtts')
    const before = await tls(listener.port)
    const next = await authority.server('renewed')
    listener.setTls({ certificatePem: next.pem, privateKeyPem: next.privateKeyPem, caPem: [authority.pem] })
    const after = await tls(listener.port)
    expect(before.socket.getPeerCertificate().subject.CN).toBe('localhost')
    expect(after.socket.getPeerCertificate().subject.CN).toBe('renewed')
    expect(before.socket.destroyed).toBe(false)
    await tls(listener.port, withPsk())
    expect((await peer(2)).pskIdentity).toBe('psk1')
  })

  test('garbage instead of a handshake is dropped and reported', async () => {
    const { listener, failures, admission } = await open('mqtts')
    const socket = tcp(listener.port)
    socket.write('GET / HTTP/1.1\r\n\r\n')
    await once(socket, 'close')
    expect(failures).toHaveLength(1)
    expect(failures[0]).toMatchObject({ transport: 'mqtts', address: '127.0.0.1', pskIdentity: null })
    expect(admission.waiting).toBe(0)
  })

  test('a listener without a certificate cannot be opened', async () => {
    const { tls: _left, ...rest } = { tls: undefined, name: 'mqtts' as const }
    await expect(
      openListener({
        ...rest,
        host: '127.0.0.1',
        port: 0,
        onPeer: () => {},
        admission: new Admission(ADMISSION_LIMITS, clock, silentMeter, 'mqtt'),
        reception: new Reception(RECEPTION_LIMITS, clock, silentMeter),
        random,
        meter: silentMeter,
        log: silentLog,
      }),
    ).rejects.toMatchObject({ code: 'listener-failed' })
  })
})

describe('websocket', () => {
  test.each(['/mqtt', '/'])('binary frames at %s are one stream', async path => {
    const { listener, peer } = await open('ws')
    const client = webSocket(`ws://127.0.0.1:${listener.port}${path}`)
    const [hello] = await once(client, 'message')
    expect(String(hello)).toBe('hello')
    expect(client.protocol).toBe('mqtt')
    expect(client.extensions).toBe('')
    const { stream, transport } = await peer()
    expect(transport).toBe('ws')
    client.send(Buffer.from([1, 2]))
    client.send(Buffer.from([3]))
    const received: number[] = []
    for await (const chunk of stream) {
      received.push(...chunk)
      if (received.length === 3) break
    }
    expect(received).toEqual([1, 2, 3])
  })

  test('MQTT 3.1 has a subprotocol of its own', async () => {
    const { listener } = await open('ws')
    const client = webSocket(`ws://127.0.0.1:${listener.port}/mqtt`, { protocols: ['mqttv3.1'] })
    expect(await outcome(client)).toBe(101)
    expect(client.protocol).toBe('mqttv3.1')
  })

  test('[MQTT-6.0.0-3] without a subprotocol, or with another, it is refused', async () => {
    const { listener } = await open('ws')
    expect(await outcome(webSocket(`ws://127.0.0.1:${listener.port}/mqtt`, { protocols: [] }))).toBe(400)
    expect(await outcome(webSocket(`ws://127.0.0.1:${listener.port}/mqtt`, { protocols: ['amqp'] }))).toBe(400)
  })

  test('[MQTT-6.0.0-1] a text frame ends the connection', async () => {
    const { listener, peer } = await open('ws')
    const client = webSocket(`ws://127.0.0.1:${listener.port}/mqtt`)
    await once(client, 'open')
    const { stream } = await peer()
    const closed = once(stream, 'close')
    client.send('CONNECT')
    await Promise.all([closed, once(client, 'close')])
  })

  test('other paths are not found, other requests are told to upgrade', async () => {
    const { listener } = await open('ws')
    expect(await outcome(webSocket(`ws://127.0.0.1:${listener.port}/other`))).toBe(404)
    const plain = request({ port: listener.port, host: '127.0.0.1', path: '/mqtt' })
    plain.end()
    const [response] = await once(plain, 'response')
    expect(response.statusCode).toBe(426)
    response.resume()
  })

  test('a page of another origin is refused, unless it is listed', async () => {
    const { listener } = await open('ws')
    const url = `ws://127.0.0.1:${listener.port}/mqtt`
    expect(await outcome(webSocket(url, { origin: 'https://evil.example' }))).toBe(403)
    expect(await outcome(webSocket(url, { origin: `http://127.0.0.1:${listener.port}` }))).toBe(101)
    expect(await outcome(webSocket(url, { origin: `https://127.0.0.1:${listener.port}` }))).toBe(101)
    const listed = await open('ws', { origins: ['https://app.example'] })
    expect(
      await outcome(webSocket(`ws://127.0.0.1:${listed.listener.port}/mqtt`, { origin: 'https://app.example' })),
    ).toBe(101)
  })

  test('on plaintext loopback a name from outside is not ours (DNS rebinding)', async () => {
    const { listener } = await open('ws')
    const rebound = { origin: `http://evil.example:${listener.port}`, host: `evil.example:${listener.port}` }
    expect(await outcome(webSocket(`ws://127.0.0.1:${listener.port}/mqtt`, rebound))).toBe(403)
  })

  test('a message beyond the limit ends the connection', async () => {
    const { listener, peer } = await open('ws', { limits: { maximumWebSocketMessage: 1_000 } })
    const client = webSocket(`ws://127.0.0.1:${listener.port}/mqtt`)
    await once(client, 'open')
    ;(await peer()).stream.resume()
    const closed = once(client, 'close')
    client.send(Buffer.alloc(1_001))
    const [code] = await closed
    expect(code).toBe(1009)
  })

  test('a stranger may not send much before being admitted', async () => {
    const { listener, peer } = await open('ws', { limits: { maximumEarlyBytes: 4_096 } })
    const url = `ws://127.0.0.1:${listener.port}/mqtt`
    const stranger = webSocket(url)
    await once(stranger, 'open')
    ;(await peer()).stream.resume()
    const cut = once(stranger, 'close')
    stranger.send(Buffer.alloc(5_000))
    await cut

    const known = webSocket(url)
    await once(known, 'open')
    const welcome = await peer(1)
    const { stream } = welcome
    welcome.admitted()
    let bytes = 0
    const all = new Promise<void>(resolve => {
      stream.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        if (bytes === 50_000) resolve()
      })
    })
    for (let i = 0; i < 10; i++) known.send(Buffer.alloc(5_000))
    await all
  })

  test('backpressure: a reader that stops stops the sender; a peer that stops reading stops the writer', async () => {
    const { listener, peer } = await open('ws')
    const client = webSocket(`ws://127.0.0.1:${listener.port}/mqtt`)
    await once(client, 'open')
    const arrived = await peer()
    const { stream } = arrived
    arrived.admitted()
    const chunk = Buffer.alloc(64 * 1024, 1)
    let sent = 0
    // The kernel's buffers are finite: a reader that does not read leaves most of this in the sender.
    for (; sent < 600; sent++) client.send(chunk)
    stream.pause()
    await new Promise(resolve => setImmediate(resolve))
    expect(stream.readableLength).toBeLessThanOrEqual(2 * chunk.length)
    expect(client.bufferedAmount).toBeGreaterThan(0)
    let received = 0
    for await (const part of stream) {
      received += part.length
      if (received === sent * chunk.length) break
    }
    expect(received).toBe(sent * chunk.length)
  })

  test('the end of a stream is a closing handshake', async () => {
    const { listener, peer } = await open('ws')
    const client = webSocket(`ws://127.0.0.1:${listener.port}/mqtt`)
    const got: Buffer[] = []
    client.on('message', (data: Buffer) => got.push(data))
    await once(client, 'open')
    const { stream } = await peer()
    stream.resume()
    const closed = Promise.all([once(client, 'close'), once(stream, 'close')])
    stream.end('goodbye')
    const [[code]] = await closed
    expect(code).toBe(1000)
    expect(Buffer.concat(got).toString()).toBe('hellogoodbye')
  })
})

describe('limits', () => {
  test('a peer that never finishes its handshake is dropped', async () => {
    const { listener, admission } = await open('mqtts', { limits: { openingTimeout: 50 } })
    const socket = tcp(listener.port)
    await once(socket, 'close')
    const webSockets = await open('ws', { limits: { openingTimeout: 50 } })
    const half = tcp(webSockets.listener.port)
    half.write('GET /mqtt HTTP/1.1\r\nHost: ')
    await once(half, 'close')
    expect(admission.open).toBe(0)
  })

  test('waiting connections of one address are bounded; those admitted are not counted among them', async () => {
    const { listener, peer, admission } = await open('mqtt', { admissionLimits: { maximumWaitingPerAddress: 2 } })
    const first = tcp(listener.port)
    await once(first, 'data')
    ;(await peer()).admitted()
    await once(tcp(listener.port), 'data')
    await once(tcp(listener.port), 'data')
    const refused = tcp(listener.port)
    refused.resume()
    await once(refused, 'close')
    expect(first.destroyed).toBe(false)
    expect(admission).toMatchObject({ open: 3, waiting: 2 })
  })

  test('who has waited beyond the grace gives way', async () => {
    const { listener } = await open('mqtt', { admissionLimits: { maximumWaiting: 1, waitingGrace: 0 } })
    const idle = tcp(listener.port)
    await once(idle, 'data')
    const gone = once(idle, 'close')
    await once(tcp(listener.port), 'data')
    await gone
  })
})
