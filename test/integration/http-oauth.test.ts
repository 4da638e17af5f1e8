// The token server as a foreign client library sees it (oauth4webapi), and as RFC 6749, 7009 and 7662 have it.
import * as oauth from 'oauth4webapi'
import { Agent, type RequestInit as UndiciInit, fetch as undiciFetch } from 'undici'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { OperatorFile } from '../../src/operator-file.ts'
import { clientOf, operatorFile } from '../fixtures/api-client.ts'
import { startBroker, type TestBroker } from '../fixtures/broker.ts'
import { connectDevice, isAdmitted } from '../fixtures/clients.ts'

let broker: TestBroker
let operator: OperatorFile
let agent: Agent
let server: oauth.AuthorizationServer
const secrets = new Map<string, string>()

beforeAll(async () => {
  broker = await startBroker()
  operator = await operatorFile(broker)
  agent = new Agent({ connect: { ca: operator.ca } })
  const api = await clientOf(broker)
  await api.clients.create({ id: 'basic', roles: ['reader'] })
  await api.clients.create({ id: 'post', roles: ['reader'], authMethod: 'client_secret_post' })
  for (const id of ['basic', 'post']) secrets.set(id, (await broker.secret(id, 'token')).secret)
  const issuer = new URL(operator.url)
  const response = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...custom() })
  server = await oauth.processDiscoveryResponse(issuer, response)
})
afterAll(async () => {
  await agent?.close()
  await broker?.close()
})

const custom = () => ({
  [oauth.customFetch]: (url: string, init: object) =>
    undiciFetch(url, { ...(init as UndiciInit), dispatcher: agent }) as unknown as Promise<Response>,
})

async function tokenFor(id: string, parameters: Record<string, string> = {}): Promise<oauth.TokenEndpointResponse> {
  const client = { client_id: id }
  const secret = secrets.get(id) ?? ''
  const authentication = id === 'post' ? oauth.ClientSecretPost(secret) : oauth.ClientSecretBasic(secret)
  const response = await oauth.clientCredentialsGrantRequest(server, client, authentication, parameters, custom())
  return oauth.processClientCredentialsResponse(server, client, response)
}

const form = async (path: string, body: string, headers: Record<string, string> = {}) => {
  const response = await undiciFetch(`${operator.url}${path}`, {
    method: 'POST',
    dispatcher: agent,
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    body,
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, body: text === '' ? null : JSON.parse(text) }
}

describe('oauth4webapi', () => {
  it('discovers the server (RFC 8414)', () => {
    expect(server).toMatchObject({
      issuer: operator.url,
      token_endpoint: `${operator.url}/oauth2/token`,
      introspection_endpoint: `${operator.url}/oauth2/introspect`,
      revocation_endpoint: `${operator.url}/oauth2/revoke`,
    })
  })

  it.each(['basic', 'post'])('gets a token by client_secret_%s, and it opens the broker', async id => {
    const { access_token, expires_in } = await tokenFor(id)
    expect(expires_in).toBe(900)
    expect(await isAdmitted(broker, id, { username: id, password: access_token })).toBe(true)
  })

  it('introspects and revokes its own token by its secret; the session has ended then', async () => {
    const { access_token } = await tokenFor('basic')
    const client = { client_id: 'basic' }
    const authentication = oauth.ClientSecretBasic(secrets.get('basic') ?? '')
    const introspect = async () => {
      const response = await oauth.introspectionRequest(server, client, authentication, access_token, custom())
      return oauth.processIntrospectionResponse(server, client, response)
    }
    expect(await introspect()).toMatchObject({
      active: true,
      client_id: 'basic',
      iss: operator.url,
      scope: 'role:reader',
    })
    const device = await connectDevice(broker, 'basic', { username: 'basic', password: access_token })
    const closed = new Promise(resolve => device.once('close', () => resolve(true)))
    await oauth.processRevocationResponse(
      await oauth.revocationRequest(server, client, authentication, access_token, custom()),
    )
    await closed
    expect(await introspect()).toEqual({ active: false })
  })

  it('narrows scopes, and is refused wider ones', async () => {
    const { scope } = await tokenFor('basic', { scope: 'subscribe:home/kitchen/temperature' })
    expect(scope).toBe('subscribe:home/kitchen/temperature')
    await expect(tokenFor('basic', { scope: 'subscribe:#' })).rejects.toMatchObject({ error: 'invalid_scope' })
  })
})

describe('the token endpoint', () => {
  const basic = () => ({ authorization: `Basic ${Buffer.from(`basic:${secrets.get('basic')}`).toString('base64')}` })

  it('answers what may not be stored', async () => {
    const { headers, status } = await form('/oauth2/token', 'grant_type=client_credentials', basic())
    expect(status).toBe(200)
    expect(headers.get('cache-control')).toBe('no-store')
    expect(headers.get('pragma')).toBe('no-cache')
  })

  it.each([
    [
      'a wrong secret',
      'grant_type=client_credentials&client_id=post&client_secret=lk_token_x',
      {},
      401,
      'invalid_client',
    ],
    ['an unknown client', 'grant_type=client_credentials&client_id=nobody&client_secret=x', {}, 401, 'invalid_client'],
    ['no client', 'grant_type=client_credentials', {}, 401, 'invalid_client'],
    ['a bearer token instead', 'grant_type=client_credentials', { authorization: 'Bearer x' }, 401, 'invalid_client'],
    [
      'a parameter twice',
      'grant_type=client_credentials&grant_type=client_credentials',
      'basic',
      400,
      'invalid_request',
    ],
    ['another grant', 'grant_type=password&username=a&password=b', 'basic', 400, 'unsupported_grant_type'],
    ['no grant', 'scope=role:reader', 'basic', 400, 'invalid_request'],
    ['a malformed scope', 'grant_type=client_credentials&scope=%22', 'basic', 400, 'invalid_scope'],
    ['JSON', '{"grant_type":"client_credentials"}', { 'content-type': 'application/json' }, 400, 'invalid_request'],
    ['a form of a megabyte', `grant_type=${'x'.repeat(1_000_000)}`, 'basic', 413, 'invalid_request'],
    [
      'a hundred parameters',
      Array.from({ length: 100 }, (_, i) => `a${i}=1`).join('&'),
      'basic',
      400,
      'invalid_request',
    ],
  ] as const)('refuses %s as RFC 6749 5.2 has it', async (_name, body, headers, status, error) => {
    const answer = await form('/oauth2/token', body, headers === 'basic' ? basic() : headers)
    expect(answer).toMatchObject({ status, body: { error } })
    expect(Object.keys(answer.body).sort()).toEqual(['error', 'error_description'])
    expect(answer.body.error_description).toMatch(/^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/)
    expect(answer.headers.get('www-authenticate')).toBe(status === 401 ? 'Basic realm="latchkey"' : null)
  })

  it('tells nobody what was wrong with the client', async () => {
    const wrong = await form('/oauth2/token', 'grant_type=client_credentials&client_id=post&client_secret=x')
    const unknown = await form('/oauth2/token', 'grant_type=client_credentials&client_id=nobody&client_secret=x')
    const otherMethod = await form(
      '/oauth2/token',
      `grant_type=client_credentials&client_id=basic&client_secret=${secrets.get('basic')}`,
    )
    expect(wrong.body).toEqual(unknown.body)
    expect(otherMethod.body).toEqual(unknown.body)
    expect(otherMethod.status).toBe(401)
  })
})

describe('introspection and revocation', () => {
  it('are closed to strangers', async () => {
    const { access_token } = await tokenFor('basic')
    for (const path of ['/oauth2/introspect', '/oauth2/revoke']) {
      for (const headers of [{}, { authorization: 'Bearer x' }, { authorization: 'Basic eDp5' }] as const)
        expect((await form(path, `token=${access_token}`, headers)).status, path).toBe(401)
    }
  })

  it('show a client nothing of another one, and let it revoke nothing of it', async () => {
    const { access_token } = await tokenFor('basic')
    const authorization = { client_id: 'post', client_secret: secrets.get('post') ?? '' }
    const body = new URLSearchParams({ token: access_token, ...authorization }).toString()
    expect((await form('/oauth2/introspect', body)).body).toEqual({ active: false })
    expect((await form('/oauth2/revoke', body)).status).toBe(403)
    const api = await clientOf(broker)
    expect((await api.tokens.introspect(access_token)).active).toBe(true)
  })

  it('call a token of a suspended client inactive', async () => {
    const { access_token } = await tokenFor('basic')
    const api = await clientOf(broker)
    await api.clients.suspend('basic')
    expect(await api.tokens.introspect(access_token)).toEqual({ active: false })
    await api.clients.resume('basic')
  })

  it('call somebody else’s tokens, and unsigned ones, inactive', async () => {
    const api = await clientOf(broker)
    const { access_token } = await tokenFor('basic')
    const [header = '', payload = ''] = access_token.split('.')
    const none = `${Buffer.from('{"alg":"none","typ":"at+jwt"}').toString('base64url')}.${payload}.`
    for (const token of [none, `${header}.${payload}.AAAA`, 'x', 'a.b.c', 'x'.repeat(10_000)])
      expect(await api.tokens.introspect(token)).toEqual({ active: false })
  })
})
