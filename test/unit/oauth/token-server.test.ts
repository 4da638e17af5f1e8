import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Failure } from '../../../src/model/failure.ts'
import type { TokenRequest, TokenServer } from '../../../src/oauth/token-server.ts'
import { AUDIENCE, type Door, OPERATOR, openDoor } from '../../fixtures/door.ts'

const POLICY = `
version: 1
roles:
  reader:
    permit:
      - { id: read, subscribe: "home/+/temperature" }
  writer:
    permit:
      - { id: write, publish: "home/kitchen/#" }
assign:
  - { type: thermostat, roles: [writer] }
`

let door: Door
let tokens: TokenServer
beforeAll(async () => {
  door = await openDoor()
  tokens = door.rooms.tokens
  await door.rooms.access.putPolicy([{ path: 'p.yaml', text: POLICY }], OPERATOR)
})
afterAll(() => door.close())

interface Registered {
  readonly id: string
  readonly secret: string
  readonly credential: string
}

let clients = 0
async function client(more: object = {}): Promise<Registered> {
  const id = `client-${++clients}`
  await door.rooms.registry.createClient({ id, roles: ['reader'], authMethod: 'client_secret_post', ...more }, OPERATOR)
  const { id: credential, secret } = await door.secret(id, 'token')
  return { id, secret, credential }
}

const request = (values: Record<string, string>, authorization: string | null = null): TokenRequest => ({
  authorization,
  form: new Map(Object.entries(values)),
  address: '192.0.2.5',
})
const posting = ({ id, secret }: Pick<Registered, 'id' | 'secret'>, more: Record<string, string> = {}) =>
  request({ grant_type: 'client_credentials', client_id: id, client_secret: secret, ...more })

/** Code and OAuth error of a refusal. */
async function refusal(asked: TokenRequest): Promise<[string, string]> {
  const error = await tokens.token(asked).then(
    () => new Error('it was not refused'),
    reason => reason,
  )
  if (error instanceof Failure) return [error.code, error.row.oauth]
  throw error
}

describe('a token', () => {
  test('says what RFC 9068 asks for, and verifies with the published keys', async () => {
    const registered = await client()
    const response = await tokens.token(posting(registered))
    expect(response).toEqual({
      access_token: expect.any(String),
      token_type: 'Bearer',
      expires_in: 900,
      scope: 'role:reader',
    })
    const keys = createLocalJWKSet(tokens.jwks() as JSONWebKeySet)
    const issuer = tokens.issuerKeys.ownIssuer
    const { payload, protectedHeader } = await jwtVerify(response.access_token, keys, {
      issuer,
      audience: AUDIENCE,
      typ: 'at+jwt',
      algorithms: ['ES256'],
    })
    expect(protectedHeader).toEqual({ alg: 'ES256', typ: 'at+jwt', kid: expect.any(String) })
    expect(payload).toMatchObject({ sub: registered.id, client_id: registered.id, scope: 'role:reader' })
    expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(900)
    const again = await tokens.token(posting(registered))
    expect(decodeJwt(again.access_token).jti).not.toBe(payload.jti)
  })

  test('lives as long as its client says, within bounds, and no longer than the secret', async () => {
    expect((await tokens.token(posting(await client({ tokenLifetime: 60 })))).expires_in).toBe(60)
    const { id } = await client({ tokenLifetime: 3_600 })
    const { secret } = await door.secret(id, 'token', 120)
    const { access_token, expires_in } = await tokens.token(posting({ id, secret }))
    expect(expires_in).toBeLessThanOrEqual(120)
    expect(expires_in).toBeGreaterThan(110)
    expect((decodeJwt(access_token).exp ?? 0) * 1000).toBeLessThanOrEqual(Date.now() + 120_000)
  })

  test('is for devices too', async () => {
    await door.device('t1')
    const { secret } = await door.secret('t1', 'token')
    const header = `Basic ${Buffer.from(`t1:${secret}`).toString('base64')}`
    const byHeader = await tokens.token(request({ grant_type: 'client_credentials' }, header))
    expect(byHeader.scope).toBe('role:writer')
    expect((await tokens.token(posting({ id: 't1', secret }))).scope).toBe('role:writer')
  })
})

describe('the client', () => {
  test('authenticates with the registered method and no other', async () => {
    const { id, secret } = await client({ authMethod: 'client_secret_basic' })
    const header = `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`
    await tokens.token(request({ grant_type: 'client_credentials' }, header))
    expect(await refusal(posting({ id, secret }))).toEqual(['bad-secret', 'invalid_client'])
    const post = await client()
    const wrong = `Basic ${Buffer.from(`${post.id}:${post.secret}`).toString('base64')}`
    expect(await refusal(request({ grant_type: 'client_credentials' }, wrong))).toEqual([
      'bad-secret',
      'invalid_client',
    ])
  })

  test('with an unknown name, a wrong secret, the secret of another, or one for something else is told the same', async () => {
    const registered = await client()
    const other = await client()
    const mqtt = await door.secret(registered.id, 'mqtt')
    for (const shown of [
      { id: 'nobody', secret: registered.secret },
      { id: registered.id, secret: 'guess' },
      { id: registered.id, secret: other.secret },
      { id: registered.id, secret: mqtt.secret },
    ])
      expect(await refusal(posting(shown))).toEqual(['bad-secret', 'invalid_client'])
  })

  test('suspended, or with a revoked secret, is invalid', async () => {
    const registered = await client()
    await door.rooms.registry.suspendClient(registered.id, OPERATOR)
    expect(await refusal(posting(registered))).toEqual(['owner-suspended', 'invalid_client'])
    const revoked = await client()
    await door.rooms.registry.revokeCredential(revoked.credential, { reason: 'leaked' }, OPERATOR)
    expect(await refusal(posting(revoked))).toEqual(['credential-revoked', 'invalid_client'])
  })
})

describe('the grant', () => {
  test('is client_credentials', async () => {
    const { id, secret } = await client()
    const form = { client_id: id, client_secret: secret }
    expect(await refusal(request(form))).toEqual(['invalid-input', 'invalid_request'])
    for (const grant_type of ['password', 'authorization_code', '', '__proto__'])
      expect(await refusal(request({ ...form, grant_type }))).toEqual(['unsupported-grant', 'unsupported_grant_type'])
  })

  test('is not looked at before the client: strangers learn nothing from it', async () => {
    expect(await refusal(request({ grant_type: 'password', client_id: 'x', client_secret: 'y' }))).toEqual([
      'bad-secret',
      'invalid_client',
    ])
  })
})

describe('scopes', () => {
  test('are what was asked, when the roles reach it', async () => {
    const registered = await client()
    const { scope, access_token } = await tokens.token(
      posting(registered, { scope: 'subscribe:home/attic/temperature' }),
    )
    expect(scope).toBe('subscribe:home/attic/temperature')
    expect(decodeJwt(access_token).scope).toBe(scope)
    const twice = await tokens.token(posting(registered, { scope: 'role:reader role:reader' }))
    expect(twice.scope).toBe('role:reader')
  })

  test.each([
    'role:writer',
    'subscribe:home/#',
    'publish:home/kitchen/x',
    'devices:read',
    'openid',
    'role:reader openid',
    'role:reader  role:reader',
    ' role:reader',
    'subscribe:a"b',
    '__proto__',
  ])('never wider, never unknown, never malformed: %j', async scope => {
    expect(await refusal(posting(await client(), { scope }))).toEqual(['invalid-scope', 'invalid_scope'])
  })

  test('registered for a client bound what it may ask for, and are what it gets when it does not ask', async () => {
    const registered = await client({ roles: ['reader', 'writer'], scopes: ['role:reader'] })
    expect((await tokens.token(posting(registered))).scope).toBe('role:reader')
    expect((await tokens.token(posting(registered, { scope: '' }))).scope).toBe('role:reader')
    expect(await refusal(posting(registered, { scope: 'role:writer' }))).toEqual(['invalid-scope', 'invalid_scope'])
  })

  test('registered but no longer within the roles are left out', async () => {
    const registered = await client({ scopes: ['role:reader', 'role:writer'] })
    expect((await tokens.token(posting(registered))).scope).toBe('role:reader')
  })

  test('are bounded in number and size', async () => {
    const registered = await client()
    const many = Array.from({ length: 65 }, (_, i) => `subscribe:home/r${i}/temperature`).join(' ')
    expect(await refusal(posting(registered, { scope: many }))).toEqual(['invalid-scope', 'invalid_scope'])
    const long = `role:${'x'.repeat(5_000)}`
    expect(await refusal(posting(registered, { scope: long }))).toEqual(['invalid-scope', 'invalid_scope'])
  })
})

describe('keys', () => {
  test('a successor is published before it signs; the old one verifies until its last token has ended', async () => {
    const rotating = await openDoor()
    const { tokens: server, registry, audit } = rotating.rooms
    await registry.createClient({ id: 'c', roles: [], authMethod: 'client_secret_post' }, OPERATOR)
    const { secret } = await rotating.secret('c', 'token')
    const kidOf = async () => decodeProtectedHeader(await rotating.accessToken('c', secret)).kid
    const first = await kidOf()
    const states = () => Object.fromEntries(server.keys().map(({ kid, state }) => [kid, state]))
    expect(states()).toEqual({ [String(first)]: 'active' })

    const { kid: next } = await server.rotateKeys(OPERATOR)
    expect(states()).toEqual({ [String(first)]: 'active', [next]: 'published' })
    expect(await kidOf()).toBe(first)
    await expect(server.rotateKeys(OPERATOR)).rejects.toMatchObject({ code: 'wrong-state' })

    const old = Buffer.from(await rotating.accessToken('c', secret))
    rotating.ahead(server.limits.publishLead * 1000)
    expect(await kidOf()).toBe(next)
    expect(states()).toEqual({ [String(first)]: 'retired', [next]: 'active' })
    expect((await rotating.authenticate({ password: old })).subject.id).toBe('c')
    expect(server.jwks().keys).toHaveLength(2)

    rotating.ahead((server.limits.publishLead + server.limits.retireAfter) * 1000)
    expect(states()).toEqual({ [next]: 'active' })
    expect(await rotating.refusal({ password: old })).toBe('token-invalid')
    const [created] = await audit.list({ type: 'change', reverse: true })
    expect(created?.event).toMatchObject({ what: 'key.created', target: next, actor: OPERATOR })
    await rotating.close()
  })

  test('two rotations at once make one key', async () => {
    const before = tokens.keys().length
    const results = await Promise.allSettled([tokens.rotateKeys(OPERATOR), tokens.rotateKeys(OPERATOR)])
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    expect(tokens.keys()).toHaveLength(before + 1)
  })

  test('the published set has public members only', () => {
    for (const key of tokens.jwks().keys)
      expect(Object.keys(key).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
  })
})

test('metadata names what is served (RFC 8414)', () => {
  const issuer = tokens.issuerKeys.ownIssuer
  expect(tokens.metadata()).toMatchObject({
    issuer,
    token_endpoint: `${issuer}/oauth2/token`,
    jwks_uri: `${issuer}/.well-known/jwks.json`,
    grant_types_supported: ['client_credentials'],
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
  })
})

test('both outcomes are in the audit trail, without the secret', async () => {
  const registered = await client()
  const [last] = await door.rooms.audit.list({ reverse: true, limit: 1 })
  await tokens.token(posting(registered))
  await refusal(posting({ id: registered.id, secret: 'guess' }))
  const records = await door.rooms.audit.list({ after: last?.id ?? 0 })
  expect(records.map(({ event }) => event)).toMatchObject([
    { type: 'authentication', result: 'accepted', principal: registered.id, credential: registered.credential },
    { type: 'authentication', result: 'refused', failure: 'bad-secret', principal: null },
  ])
  expect(JSON.stringify(records)).not.toContain(registered.secret.slice(-30))
})
