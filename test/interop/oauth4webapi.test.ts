// A foreign OAuth client and resource server (panva/oauth4webapi) against the token endpoint: it finds everything by the
// metadata, gets tokens by both methods, uses them on the HTTP API and over MQTT, and verifies them by the JWKS.
import * as oauth from 'oauth4webapi'
import { Agent, type RequestInit as UndiciInit, fetch as undiciFetch } from 'undici'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startBroker, type TestBroker } from '../fixtures/broker.ts'
import { connectDevice, isGranted, isPublished } from '../fixtures/clients.ts'
import { readParts } from '../fixtures/device-token.ts'
import { ShiftedClock } from '../wire/mqtt-broker.ts'

const AUDIENCE = 'latchkey'
type Method = 'client_secret_basic' | 'client_secret_post'

const clock = new ShiftedClock()
let broker: TestBroker
let issuer: URL
let agent: Agent
let server: oauth.AuthorizationServer
const secrets = new Map<string, string>()

/** Trusts the broker's own root and nothing else. */
const custom = () => ({
  [oauth.customFetch]: (url: string, init: object) =>
    undiciFetch(url, { ...(init as UndiciInit), dispatcher: agent }) as unknown as Promise<Response>,
})

beforeAll(async () => {
  broker = await startBroker({}, { clock })
  issuer = new URL(`https://localhost:${broker.port('https')}`)
  agent = new Agent({ connect: { ca: broker.ca } })
  for (const [id, authMethod] of [
    ['basic', 'client_secret_basic'],
    ['post', 'client_secret_post'],
  ] as const) {
    await broker.api('POST', '/v1/clients', { id, kind: 'service', authMethod, roles: ['auditor', 'reader'] })
    secrets.set(id, (await broker.secret(id, 'token')).secret)
  }
  await broker.device('t1')
  secrets.set('t1', (await broker.secret('t1', 'token')).secret)
  const response = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...custom() })
  server = await oauth.processDiscoveryResponse(issuer, response)
})
afterAll(async () => {
  await agent?.close()
  await broker?.close()
})

async function grant(
  id: string,
  method: Method,
  parameters: Record<string, string> = {},
): Promise<oauth.TokenEndpointResponse> {
  const client = { client_id: id }
  const secret = secrets.get(id) ?? ''
  const authentication =
    method === 'client_secret_basic' ? oauth.ClientSecretBasic(secret) : oauth.ClientSecretPost(secret)
  const response = await oauth.clientCredentialsGrantRequest(server, client, authentication, parameters, custom())
  return oauth.processClientCredentialsResponse(server, client, response)
}

/** As a resource server that knows the broker's metadata alone would. */
function verify(token: string, audience = AUDIENCE): Promise<oauth.JWTAccessTokenClaims> {
  const request = new Request('https://resource.example/', { headers: { authorization: `Bearer ${token}` } })
  // Each time as if it came up afresh: no key set is remembered.
  return oauth.validateJwtAccessToken({ ...server }, request, audience, custom())
}

const callApi = async (token: string, method: string, path: string, body?: object) => {
  const response = await oauth.protectedResourceRequest(
    token,
    method,
    new URL(path, issuer),
    new Headers(body && { 'content-type': 'application/json' }),
    body === undefined ? null : JSON.stringify(body),
    custom(),
  )
  return { status: response.status, body: await response.json() }
}

describe('discovery', () => {
  test('names every endpoint below the issuer (RFC 8414)', () => {
    const base = issuer.origin
    expect(server).toMatchObject({
      issuer: base,
      token_endpoint: `${base}/oauth2/token`,
      jwks_uri: `${base}/.well-known/jwks.json`,
      introspection_endpoint: `${base}/oauth2/introspect`,
      revocation_endpoint: `${base}/oauth2/revoke`,
      grant_types_supported: ['client_credentials'],
      token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
    })
  })

  test('is worth nothing to whoever does not trust our root', async () => {
    const stranger = new Agent()
    const fetchAsStranger = (url: string, init: object) =>
      undiciFetch(url, { ...(init as UndiciInit), dispatcher: stranger }) as unknown as Promise<Response>
    const request = oauth.discoveryRequest(issuer, { algorithm: 'oauth2', [oauth.customFetch]: fetchAsStranger })
    await expect(request).rejects.toMatchObject({ cause: { code: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY' } })
    await stranger.close()
  })
})

describe.each([
  ['basic', 'client_secret_basic', 'client_secret_post'],
  ['post', 'client_secret_post', 'client_secret_basic'],
] as const)('a client registered for client_secret_%s', (id, method, other) => {
  test('gets a Bearer token with what its roles give', async () => {
    const { token_type, expires_in, scope } = await grant(id, method)
    expect({ token_type, expires_in, scope }).toEqual({
      token_type: 'bearer',
      expires_in: 900,
      scope: 'role:auditor role:reader',
    })
  })

  test('gets none by the other method', async () => {
    await expect(grant(id, other)).rejects.toMatchObject({
      status: 401,
      cause: [{ scheme: 'basic', parameters: { realm: 'latchkey' } }],
    })
  })

  test('uses its token on the HTTP API, as far as its scope goes', async () => {
    const { access_token } = await grant(id, method, { scope: 'devices:read' })
    expect(await callApi(access_token, 'GET', '/v1/devices')).toMatchObject({
      status: 200,
      body: { items: [{ id: 't1' }] },
    })
    const tooNarrow = { status: 403, cause: [{ scheme: 'bearer', parameters: { error: 'insufficient_scope' } }] }
    await expect(callApi(access_token, 'GET', '/v1/audit')).rejects.toMatchObject(tooNarrow)
    const more = { id: 't2', type: 'thermostat', attributes: { room: 'attic' } }
    expect(await callApi(access_token, 'POST', '/v1/devices', more)).toMatchObject({
      status: 403,
      body: { code: 'policy-denied' },
    })
  })

  test('uses its token over mqtts, as far as its scope goes', async () => {
    const { access_token } = await grant(id, method, { scope: 'subscribe:home/kitchen/temperature' })
    const client = await connectDevice(broker, id, { username: id, password: access_token })
    expect(await isGranted(client, 'home/kitchen/temperature')).toBe(true)
    expect(await isGranted(client, 'home/attic/temperature')).toBe(false)
    expect(await isPublished(client, 'home/kitchen/temperature')).toBe(false)
    await client.endAsync(true)
  })

  test('is refused a scope that it may not have', async () => {
    for (const scope of ['devices:write', 'role:admin', 'subscribe:#', 'publish:home/kitchen/temperature', 'openid'])
      await expect(grant(id, method, { scope }), scope).rejects.toMatchObject({ error: 'invalid_scope', status: 400 })
  })
})

describe('a device', () => {
  test.each(['client_secret_basic', 'client_secret_post'] as const)(
    'gets a token by %s and publishes',
    async method => {
      const { access_token } = await grant('t1', method)
      const client = await connectDevice(broker, 't1', { username: 't1', password: access_token })
      expect(await isPublished(client, 'home/kitchen/temperature')).toBe(true)
      expect(await isPublished(client, 'home/attic/temperature')).toBe(false)
      await client.endAsync(true)
    },
  )
})

describe('verification by the JWKS (RFC 9068)', () => {
  test('accepts the token and reads its claims', async () => {
    const { access_token } = await grant('basic', 'client_secret_basic', { scope: 'devices:read' })
    const claims = await verify(access_token)
    expect(claims).toMatchObject({
      iss: issuer.origin,
      aud: AUDIENCE,
      sub: 'basic',
      client_id: 'basic',
      scope: 'devices:read',
      jti: expect.stringMatching(/^[\w-]{22}$/),
    })
    expect(claims.exp - claims.iat).toBeGreaterThanOrEqual(900)
    expect(claims.exp - claims.iat).toBeLessThanOrEqual(901)
  })

  test('refuses it for another audience, and altered', async () => {
    const { access_token } = await grant('basic', 'client_secret_basic')
    await expect(verify(access_token, 'somebody-else')).rejects.toThrow()
    const [header = '', payload = '', signature = ''] = access_token.split('.')
    const claims = { ...JSON.parse(Buffer.from(payload, 'base64url').toString()), sub: 'admin' }
    const altered = Buffer.from(JSON.stringify(claims)).toString('base64url')
    await expect(verify(`${header}.${altered}.${signature}`)).rejects.toThrow()
  })

  test('goes on over a rotation of the keys: the next key is published before it signs', async () => {
    const before = (await grant('basic', 'client_secret_basic')).access_token
    const next = await broker.api('POST', '/v1/keys/rotate')
    const { body } = await broker.call('GET', '/.well-known/jwks.json', undefined, null)
    const kids: string[] = body.keys.map(({ kid }: { kid: string }) => kid)
    expect(kids).toHaveLength(2)
    expect(kids).toContain(next.kid)
    for (const key of body.keys) expect(Object.keys(key).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
    await verify(before)
    const { header: old } = readParts((await grant('basic', 'client_secret_basic')).access_token)
    expect(old.kid).not.toBe(next.kid)
    clock.shift = Date.parse(next.signsFrom) - Date.now() + 1000
    const after = (await grant('basic', 'client_secret_basic')).access_token
    expect(readParts(after).header.kid).toBe(next.kid)
    await verify(after)
    await verify(before)
  })
})
