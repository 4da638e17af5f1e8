// The rim of the HTTP API: TLS, names, sizes, times, headers, and how often one may fail.
import { request as plainRequest } from 'node:http'
import { request } from 'node:https'
import { type AddressInfo, connect as connectPlain } from 'node:net'
import { connect } from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import { LatchkeyClient } from '../../src/client/client.ts'
import type { HttpApp, HttpLimits } from '../../src/http/api.ts'
import { buildHttp } from '../../src/http/app.ts'
import { DEFAULT_HTTP_LIMITS } from '../../src/http/listener.ts'
import { refusalOf } from '../fixtures/api-client.ts'
import { openRooms, type Rooms, type RoomsOptions } from '../fixtures/rooms.ts'
import { newKeys, requestPem } from '../unit/ca/requests.ts'

const closers: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

interface House {
  readonly rooms: Rooms
  readonly app: HttpApp
  readonly port: number
  readonly url: string
  client(token?: string | null): LatchkeyClient
}

async function serve(options: RoomsOptions = {}, changed: Partial<Rooms> = {}): Promise<House> {
  const rooms = { ...(await openRooms(options)), ...changed }
  closers.push(() => rooms.close())
  const app = await buildHttp(rooms)
  closers.push(() => app.close())
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const url = `${rooms.tls ? 'https' : 'http'}://127.0.0.1:${port}`
  const client = (token: string | null = rooms.operatorKey) =>
    new LatchkeyClient({ url, ca: rooms.ca.rootPem, ...(token === null ? {} : { token }) })
  return { rooms, app, port, url, client }
}

const limits = (changed: Partial<HttpLimits>) => ({ limits: { ...DEFAULT_HTTP_LIMITS, ...changed } })

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
}

function get(house: House, path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const send = house.rooms.tls ? request : plainRequest
    const outgoing = send(
      `${house.url}${path}`,
      { method, headers, ca: house.rooms.ca.rootPem, servername: 'localhost', agent: false },
      incoming => {
        let body = ''
        incoming.setEncoding('utf8').on('data', part => {
          body += part
        })
        incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body }))
      },
    )
    outgoing.on('error', reject)
    outgoing.end()
  })
}

/** What comes back for these bytes until the other side closes. */
function exchange(house: House, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = house.rooms.tls
      ? connect({ port: house.port, host: '127.0.0.1', ca: house.rooms.ca.rootPem, servername: 'localhost' })
      : connectPlain(house.port, '127.0.0.1')
    let received = ''
    socket.setEncoding('latin1').on('data', part => {
      received += part
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(received))
    socket.write(bytes)
  })
}

describe('answers', () => {
  it('are for the caller alone: no framing, no sniffing, no caching, no other origin', async () => {
    const house = await serve()
    const { headers } = await get(house, '/healthz', { origin: 'https://evil.example' })
    expect(headers).toMatchObject({
      'cache-control': 'no-store',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
    })
    expect(Object.keys(headers).filter(name => name.startsWith('access-control'))).toEqual([])
    const preflight = { origin: 'https://evil.example', 'access-control-request-method': 'POST' }
    expect((await get(house, '/v1/devices', preflight, 'OPTIONS')).status).toBe(404)
  })

  it('carry an id of their own, whatever the caller says', async () => {
    const house = await serve()
    const one = await get(house, '/v1/devices', { 'x-request-id': 'mine' })
    const two = await get(house, '/v1/devices')
    expect(one.headers['x-request-id']).toMatch(/^[A-Za-z0-9_-]{16}$/)
    expect(one.headers['x-request-id']).not.toBe(two.headers['x-request-id'])
    expect(JSON.parse(one.body).instance).toBe(one.headers['x-request-id'])
    expect(one.headers['content-type']).toMatch(/^application\/problem\+json/)
    expect(one.headers['www-authenticate']).toBe('Bearer realm="latchkey"')
  })

  it('that may be cached say for how long', async () => {
    const house = await serve()
    for (const path of ['/v1/ca/root.pem', '/crl/latchkey.crl', '/.well-known/jwks.json'])
      expect((await get(house, path)).headers['cache-control'], path).toMatch(/^public, max-age=\d+$/)
  })
})

describe('a Host header that is not ours (DNS rebinding)', () => {
  it('is refused, with the right token too', async () => {
    const house = await serve({}, { names: ['broker.example'] })
    const authorization = `Bearer ${house.rooms.operatorKey}`
    for (const host of ['localhost', `127.0.0.1:${house.port}`, 'broker.example:8443'])
      expect((await get(house, '/v1/devices', { host, authorization })).status, host).toBe(200)
    for (const host of ['evil.example', 'localhost.evil.example', '169.254.169.254'])
      expect((await get(house, '/v1/devices', { host, authorization })).status, host).toBe(421)
  })
})

describe('bounds', () => {
  it('headers beyond the limit end the connection with 431', async () => {
    const house = await serve(limits({ headerBytes: 2048 }))
    const answer = await exchange(house, `GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: ${'a'.repeat(4096)}\r\n\r\n`)
    expect(answer).toMatch(/^HTTP\/1\.1 431 /)
  })

  it('a body beyond the limit is 413 and names it', async () => {
    const house = await serve(limits({ requestBytes: 1024 }))
    const files = [{ path: 'a.yaml', text: 'x'.repeat(2000) }]
    const refusal = await refusalOf(house.client().policies.check(files))
    expect(refusal).toMatchObject({ status: 413, code: 'too-large' })
    expect(refusal.detail).toContain('limits.http.requestBytes')
  })

  it('bytes that are no HTTP get a status line and the door', async () => {
    const house = await serve({}, { tls: null })
    expect(await exchange(house, 'NONSENSE\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/)
    expect(await exchange(house, 'GET / HTTP/1.1\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /)
  })

  it('a request that does not arrive ends', async () => {
    const house = await serve(limits({ headersTimeout: 100, requestTimeout: 200 }))
    expect(await exchange(house, 'GET /healthz HTTP/1.1\r\nhost: localhost\r\nx-slow: ')).toMatch(/^HTTP\/1\.1 408 /)
  })

  it('closing lets nobody hold the house up', async () => {
    const house = await serve(limits({ closeGrace: 50 }))
    const hanging = exchange(house, 'POST /v1/devices HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\n').catch(
      () => '',
    )
    await house.client().devices.list()
    await house.app.close()
    await hanging
  })
})

describe('TLS', () => {
  it('swaps its certificate while it runs', async () => {
    const house = await serve()
    const serialOf = () =>
      new Promise<string>((resolve, reject) => {
        const socket = connect({
          port: house.port,
          host: '127.0.0.1',
          ca: house.rooms.ca.rootPem,
          servername: 'localhost',
        })
        socket.on('error', reject)
        socket.on('secureConnect', () => {
          resolve(socket.getPeerCertificate().serialNumber)
          socket.destroy()
        })
      })
    const before = await serialOf()
    const { certificatePem, privateKeyPem } = await house.rooms.ca.serverCertificate(['other.example'])
    house.app.setTls({ certificatePem, privateKeyPem, caPem: [house.rooms.ca.rootPem] })
    expect(await serialOf()).not.toBe(before)
    await house.client().devices.list()
  })

  it('speaks nothing below 1.2', async () => {
    const house = await serve()
    const error = await new Promise(resolve => {
      const socket = connect({
        port: house.port,
        host: '127.0.0.1',
        rejectUnauthorized: false,
        minVersion: 'TLSv1',
        maxVersion: 'TLSv1.1',
        ciphers: 'ALL:@SECLEVEL=0',
      })
      socket.on('error', resolve)
      socket.on('secureConnect', () => resolve(null))
    })
    expect(error).toBeInstanceOf(Error)
  })
})

describe('how often one may fail', () => {
  it('guesses at tokens are slowed down, and the operator is not locked out by them', async () => {
    const house = await serve()
    const statuses: number[] = []
    for (let i = 0; i < 130; i++) statuses.push((await refusalOf(house.client(`guess-${i}`).devices.list())).status)
    expect(statuses[0]).toBe(401)
    expect(statuses.at(-1)).toBe(429)
    expect((await house.client().devices.list()).items).toEqual([])
  })

  it('guesses at client secrets are slowed down, and a client that was good here before is not', async () => {
    const house = await serve()
    const api = house.client()
    await api.clients.create({ id: 'good' })
    const { secret = '' } = await api.credentials.issue({ owner: 'good', kind: 'secret', audience: 'token' })
    const good = { clientId: 'good', clientSecret: secret }
    await house.client(null).tokens.request(good)
    const codes: (string | undefined)[] = []
    for (let i = 0; i < 130; i++) {
      const guess = house.client(null).tokens.request({ clientId: `client-${i}`, clientSecret: 'x' })
      codes.push((await refusalOf(guess)).code)
    }
    expect(codes[0]).toBe('invalid_client')
    expect(codes.at(-1)).toBe('slow_down')
    expect((await house.client(null).tokens.request(good)).token_type).toBe('Bearer')
  })

  it('guesses at one client are slowed down sooner', async () => {
    const house = await serve(limits({ claimBurst: 3 }))
    const guess = () => refusalOf(house.client(null).tokens.request({ clientId: 'one', clientSecret: 'x' }))
    const codes = [await guess(), await guess(), await guess(), await guess()].map(({ code }) => code)
    expect(codes).toEqual(['invalid_client', 'invalid_client', 'invalid_client', 'slow_down'])
    const refusal = await guess()
    expect(refusal).toMatchObject({ status: 429, retryAfter: 10 })
  })

  it('guesses at enrolment tokens are slowed down', async () => {
    const house = await serve(limits({ addressBurst: 2 }))
    const csr = requestPem({ keys: newKeys.p256() })
    const guess = () => refusalOf(house.client(null).enrolments.redeem({ token: 'lk_enrolment_x', csr, device: 'd' }))
    expect([(await guess()).status, (await guess()).status, (await guess()).status]).toEqual([401, 401, 429])
  })

  it('an operator who asks for what is not theirs, again and again, is slowed down; others are not', async () => {
    const house = await serve(limits({ addressBurst: 3 }))
    const api = house.client()
    for (const id of ['one', 'two']) await api.clients.create({ id, kind: 'operator', roles: ['auditor'] })
    const tokens = await Promise.all(
      ['one', 'two'].map(
        async owner => (await api.credentials.issue({ owner, kind: 'secret', audience: 'api' })).secret,
      ),
    )
    const [one, two] = tokens.map(token => house.client(token))
    const statuses: number[] = []
    for (let i = 0; i < 5; i++) statuses.push((await refusalOf(one?.devices.remove('x') ?? Promise.reject())).status)
    expect(statuses).toEqual([403, 403, 403, 429, 429])
    expect((await two?.devices.list())?.items).toEqual([])
    const { items } = await api.audit.list({ type: 'administration', principal: 'one' })
    expect(items.length).toBe(3)
  })
})

describe('health', () => {
  it('is not ready while something is missing, and says no more to strangers', async () => {
    const missing = ['starting']
    const house = await serve({}, { unready: () => missing })
    expect(await house.client(null).ready()).toBe(false)
    expect(JSON.parse((await get(house, '/readyz')).body)).toEqual({ status: 'not ready' })
    missing.pop()
    expect(await house.client(null).ready()).toBe(true)
  })
})

describe('metrics', () => {
  it('are open to this machine, and elsewhere to whoever may read the audit trail', async () => {
    const house = await serve()
    const api = house.client()
    const statusFrom = async (remoteAddress: string, token?: string) =>
      (
        await house.app.inject({
          url: '/metrics',
          remoteAddress,
          headers: { host: 'localhost', ...(token && { authorization: `Bearer ${token}` }) },
        })
      ).statusCode
    const keys: string[] = []
    for (const role of ['auditor', 'enroller']) {
      await api.clients.create({ id: role, kind: 'operator', roles: [role] })
      keys.push((await api.credentials.issue({ owner: role, kind: 'secret', audience: 'api' })).secret ?? '')
    }
    const [auditor, enroller] = keys
    expect(await statusFrom('127.0.0.1')).toBe(200)
    expect(await statusFrom('::1')).toBe(200)
    expect(await statusFrom('192.0.2.1')).toBe(401)
    expect(await statusFrom('192.0.2.1', enroller)).toBe(403)
    expect(await statusFrom('192.0.2.1', auditor)).toBe(200)
  })
})
