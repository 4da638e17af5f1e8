// The `coap` package over DTLS: the socket that it is given, and what devices make of it with a real broker.
import { generateKeyPairSync } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { DatagramSocket } from '../../simulator/devices/datagram-socket.ts'
import { DtlsSocket, type DtlsSocketParts } from '../../simulator/devices/dtls-socket.ts'
import type { BrokerAddress } from '../../simulator/devices/home-device.ts'
import { type Endpoint, type Link, LinkClosed, type Login, LoginRefused } from '../../simulator/devices/link.ts'
import { openLink } from '../../simulator/devices/open-link.ts'
import { signToken } from '../../simulator/devices/signed-token.ts'
import type { WireMessage } from '../../simulator/message.ts'
import { FREE_PORTS_WITH_BOTH_COAP, FREE_PORTS_WITH_COAPS, startBroker, type TestBroker } from '../fixtures/broker.ts'
import { type Address, type Port, udp } from '../fixtures/datagram-network.ts'
import { IDENTITY, KEY, keyOf, type ServerEnd, startServer } from '../fixtures/dtls.ts'
import { contextOf, issueContext } from '../fixtures/oscore-device.ts'

const living = () => new AbortController().signal

/** Between one device and the broker, until it is cut: then what goes in does not come out, and nobody hears of it. */
class Wire {
  readonly endpoint: Endpoint
  readonly #ends: readonly Port[]
  #isCut = false

  private constructor(endpoint: Endpoint, ends: readonly Port[]) {
    this.endpoint = endpoint
    this.#ends = ends
  }

  static async to(port: number): Promise<Wire> {
    let device: Address | undefined
    const out: Port = await udp.bind(datagram => {
      if (device && !wire.#isCut) front.send(datagram, device)
    })
    const front: Port = await udp.bind((datagram, from) => {
      device = from
      if (!wire.#isCut) out.send(datagram, { address: '127.0.0.1', port })
    })
    const wire = new Wire({ host: front.at.address, port: front.at.port }, [front, out])
    return wire
  }

  cut(): void {
    this.#isCut = true
  }

  close(): void {
    for (const end of this.#ends) end.close()
  }
}

describe('a DTLS session as a socket', () => {
  let server: ServerEnd
  const sockets: DtlsSocket[] = []
  beforeAll(async () => {
    server = await startServer(udp, { keyOf })
  })
  afterEach(() => Promise.all(sockets.splice(0).map(socket => socket.end())))
  afterAll(() => server.stop())

  const endpoint = () => ({ host: server.port.at.address, port: server.port.at.port })
  async function open(more: Partial<DtlsSocketParts> = {}): Promise<DtlsSocket> {
    const credentials = { psk: { identity: IDENTITY, key: KEY } }
    const socket = await DtlsSocket.open({
      endpoint: endpoint(),
      credentials,
      handshakeTimeout: 5_000,
      signal: living(),
      ...more,
    })
    sockets.push(socket)
    return socket
  }
  const sent = (socket: DatagramSocket, bytes: Buffer, offset = 0, length = bytes.length) =>
    new Promise<Error | null>(resolve => socket.send(bytes, offset, length, 1, 'elsewhere', resolve))
  const heard = (socket: DtlsSocket) =>
    new Promise<string>(resolve => socket.once('message', payload => resolve(payload.toString())))
  const failed = (socket: DtlsSocket) => new Promise<Error>(resolve => socket.once('error', resolve))

  test('what is sent comes back, from an address with a port', async () => {
    const socket = await open()
    const back = heard(socket)
    expect(await sent(socket, Buffer.from('<hello>'), 1, 5)).toBeNull()
    expect(await back).toBe('hello')
    expect(socket.address().port).toBeGreaterThan(0)
  })

  test('the end of the session is an error, and so is sending afterwards', async () => {
    const socket = await open()
    const error = failed(socket)
    server.opened.at(-1)?.close()
    expect((await error).message).toBe('the broker closed the DTLS session')
    expect(await sent(socket, Buffer.from('x'))).toBeInstanceOf(LinkClosed)
  })

  test('a session that ends before anybody listens is no error of the process', async () => {
    const socket = await open()
    const closed = server.nextClose()
    server.opened.at(-1)?.close()
    await closed
    await expect.poll(() => sent(socket, Buffer.from('x'))).toBeInstanceOf(LinkClosed)
  })

  test('its own end is none, and tells the other side', async () => {
    const socket = await open()
    const errors: Error[] = []
    socket.on('error', error => errors.push(error))
    const closed = server.nextClose()
    await new Promise<void>(resolve => socket.close(resolve))
    expect(await closed).toMatchObject({ reason: 'peer' })
    expect(errors).toEqual([])
  })

  test('a server that is gone is noticed by the network', async () => {
    const other = await startServer(udp, { keyOf })
    const { address: host, port } = other.port.at
    const socket = await open({ endpoint: { host, port } })
    other.port.close()
    const error = failed(socket)
    await sent(socket, Buffer.from('x'))
    expect((await error).message).toMatch(/not reached: .*ECONNREFUSED/)
  })

  test('where nobody listens there is no session', async () => {
    const other = await udp.bind(() => {})
    other.close()
    const { address: host, port } = other.at
    await expect(open({ endpoint: { host, port } })).rejects.toThrow(/not reached/)
  })

  test('a wrong key shows as silence', async () => {
    const credentials = { psk: { identity: IDENTITY, key: Buffer.alloc(16, 1) } }
    await expect(open({ credentials, handshakeTimeout: 300 })).rejects.toThrow(/no answer that proves anything/)
  })

  test('stopped in its handshake, it ends at once', async () => {
    const silent = await udp.bind(() => {})
    const { address: host, port } = silent.at
    const stop = new AbortController()
    const opening = open({ endpoint: { host, port }, signal: stop.signal, handshakeTimeout: 60_000 })
    setImmediate(() => stop.abort())
    await expect(opening).rejects.toThrow()
    await expect(open({ signal: stop.signal })).rejects.toThrow(/abort/)
    silent.close()
  })
})

describe('a link over protected CoAP', () => {
  let broker: TestBroker
  const links: Link[] = []
  let devices = 0
  beforeAll(async () => {
    broker = await startBroker({ listeners: FREE_PORTS_WITH_BOTH_COAP })
  })
  afterEach(() => Promise.all(links.splice(0).map(link => link.end())))
  afterAll(() => broker?.close())

  async function newDevice(): Promise<string> {
    const id = `t${++devices}`
    await broker.device(id)
    return id
  }

  type Listeners = BrokerAddress['listeners']

  interface Opened {
    readonly link: Link
    readonly heard: WireMessage[]
    readonly closed: Promise<string>
  }

  async function open(
    clientId: string,
    login: Login,
    listeners: Listeners = broker.latchkey.listeners,
  ): Promise<Opened> {
    const heard: WireMessage[] = []
    let tell: (reason: string) => void = () => {}
    const closed = new Promise<string>(resolve => {
      tell = resolve
    })
    const link = await openLink({
      protocol: login.by === 'oscore' ? 'coap' : 'coaps',
      broker: { listeners, httpsUrl: '', ca: broker.ca },
      clientId,
      login,
      sessionExpiry: 0,
      signal: living(),
      listener: { message: message => heard.push(message), denied() {}, closed: tell },
    })
    links.push(link)
    return { link, heard, closed }
  }

  const byPsk = async (id: string) => {
    const { id: credential, identity, key } = await broker.psk(id)
    return { credential, login: { by: 'psk', identity, key: Buffer.from(key, 'hex') } as const }
  }
  const byCertificate = async (id: string) => {
    const { id: credential, certificate, chain, privateKey } = await broker.certificate(id)
    return { credential, login: { by: 'certificate', certificate: certificate + chain, privateKey } as const }
  }
  const byToken = async (id: string) => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const jwk = publicKey.export({ format: 'jwk' })
    const { credential } = await broker.api('POST', '/v1/credentials', { owner: id, kind: 'jwt-key', jwk })
    const pem = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
    const password = signToken({ device: id, kid: credential.kid, privateKey: pem }, Date.now(), 60)
    return { credential: credential.id, login: { by: 'password', password } as const }
  }
  const byOscore = async (id: string) => {
    const { id: credential, oscore } = await issueContext(broker, id)
    return { credential, login: { by: 'oscore', context: contextOf(oscore) } as const }
  }

  const message = (topic: string, text: string) =>
    ({ topic, payload: Buffer.from(text), contentFormat: 110, qos: 1, retain: true }) as const

  describe.each([
    ['a pre-shared key', byPsk],
    ['a certificate', byCertificate],
    ['a JWT at /authz-info', byToken],
    ['OSCORE', byOscore],
  ])('with %s', (_, by) => {
    test('publishes, is notified, and is denied what is not its own', async () => {
      const id = await newDevice()
      const { link, heard } = await open(id, (await by(id)).login)
      expect(await link.subscribe(`device/${id}/up`)).toBe('accepted')
      expect(await link.publish(message(`device/${id}/up`, '[]'))).toBe('accepted')
      await expect
        .poll(() => heard.map(({ payload, ...rest }) => ({ ...rest, text: payload.toString() })))
        .toEqual([{ topic: `device/${id}/up`, contentType: 'application/senml+json', text: '[]' }])
      expect(await link.publish(message('device/somebody/up', '[]'))).toBe('denied')
    })

    test('is cut off when it is revoked', async () => {
      const id = await newDevice()
      const { credential, login } = await by(id)
      const { link, closed } = await open(id, login)
      await broker.api('POST', `/v1/credentials/${credential}/revoke`, { reason: 'lost' })
      expect(await closed).toMatch(/closed the DTLS session|4\.01/)
      await expect(link.publish(message(`device/${id}/up`, '[]'))).rejects.toThrow(LinkClosed)
    })

    test('is not let in again', async () => {
      const id = await newDevice()
      const { login } = await by(id)
      await broker.api('POST', `/v1/devices/${id}/suspend`)
      const refusal = await open(id, login).catch((error: unknown) => error)
      expect(refusal instanceof LoginRefused || refusal instanceof LinkClosed).toBe(true)
    })
  })

  test.each([
    ['a pre-shared key', byPsk],
    ['OSCORE', byOscore],
  ])('with %s a network that falls silent is noticed, although nobody says so', async (_, by) => {
    const id = await newDevice()
    const { login } = await by(id)
    const name = login.by === 'oscore' ? 'coap' : 'coaps'
    const wire = await Wire.to(broker.port(name))
    const { link, closed } = await open(id, login, { [name]: wire.endpoint })
    expect(await link.publish(message(`device/${id}/up`, '[]'))).toBe('accepted')
    wire.cut()
    expect(await closed).toMatch(/no answer to GET \/ps in 4000 ms/)
    wire.close()
  })

  test('a broker of another house is not believed', async () => {
    const id = await newDevice()
    const { login } = await byCertificate(id)
    const elsewhere = await startBroker({ listeners: FREE_PORTS_WITH_COAPS })
    const opening = openLink({
      protocol: 'coaps',
      broker: { listeners: broker.latchkey.listeners, httpsUrl: '', ca: elsewhere.ca },
      clientId: id,
      login,
      sessionExpiry: 0,
      signal: living(),
      listener: { message() {}, denied() {}, closed() {} },
    })
    await expect(opening).rejects.toThrow(/certificate verify failed/)
    await elsewhere.close()
  })
})
