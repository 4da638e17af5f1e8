import { createHash, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { exportJWK } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AUDIENCE, asPassword, type Door, deviceToken, OPERATOR, openDoor } from '../../fixtures/door.ts'

const HOUR = 3600
const now = () => Math.floor(Date.now() / 1000)

let door: Door
let key: { id: string; kid: string; privateKey: KeyObject }
beforeAll(async () => {
  door = await openDoor({ limits: { claimBurst: 1_000, addressBurst: 1_000 } })
  await door.device('t1')
  await door.device('t2')
  key = await door.jwtKey('t1', 'k1')
})
afterAll(() => door.close())

const withToken = async (...args: Parameters<typeof deviceToken>) => asPassword(await deviceToken(...args))

describe('signed by the device', () => {
  test('with its registered key, it proves the device until its end', async () => {
    const exp = now() + 300
    const evidence = await withToken('t1', key.privateKey, { exp, jti: 'n1' })
    expect(await door.authenticate({ ...evidence, username: 't1' })).toMatchObject({
      subject: { id: 't1' },
      credential: { id: key.id, kind: 'jwt-key' },
      expiresAt: exp * 1000,
      scopes: null,
      issuer: 't1',
      jti: 'n1',
    })
  })

  test.each(['EdDSA', 'RS256'])('%s keys too', async alg => {
    const pair = alg === 'RS256' ? generateKeyPairSync('rsa', { modulusLength: 2048 }) : generateKeyPairSync('ed25519')
    const jwk = await exportJWK(pair.publicKey)
    const { credential } = await door.rooms.registry.addJwtKey('t2', { jwk, algorithm: alg }, OPERATOR)
    const evidence = await withToken('t2', pair.privateKey, {}, { alg, kid: credential.kid })
    expect((await door.authenticate(evidence)).credential?.id).toBe(credential.id)
    if (alg === 'RS256') {
      const other = await withToken('t2', pair.privateKey, {}, { alg: 'PS256', kid: credential.kid })
      expect(await door.refusal(other)).toBe('token-invalid')
    }
  })

  test('several audiences may hold ours', async () => {
    const evidence = await withToken('t1', key.privateKey, { aud: ['elsewhere', AUDIENCE] })
    expect((await door.authenticate(evidence)).subject.id).toBe('t1')
  })

  test.each([
    ['another audience', { aud: 'elsewhere' }, 'token-audience'],
    ['no audience', { aud: undefined }, 'token-audience'],
    ['an end in the past', { exp: now() - 1 }, 'token-expired'],
    ['no end', { exp: undefined }, 'token-invalid'],
    ['an end that is no number', { exp: 'tomorrow' }, 'token-invalid'],
    ['an end too far away', { exp: now() + 25 * HOUR }, 'token-invalid'],
    ['a beginning in the future', { nbf: now() + HOUR }, 'token-expired'],
    ['an issue in the future', { iat: now() + HOUR }, 'token-expired'],
    ['another subject than issuer', { sub: 't2' }, 'token-invalid'],
    ['no subject', { sub: undefined }, 'token-invalid'],
    ['an issuer of which nobody knows', { iss: 'nobody', sub: 'nobody' }, 'token-invalid'],
    ['an issuer with a prototype name', { iss: '__proto__', sub: '__proto__' }, 'token-invalid'],
  ] as const)('with %s: %s', async (_what, claims, code) => {
    expect(await door.refusal(await withToken('t1', key.privateKey, claims))).toBe(code)
  })

  test('clocks may differ by the skew', async () => {
    const evidence = await withToken('t1', key.privateKey, { iat: now() + 20, nbf: now() + 20 })
    expect((await door.authenticate(evidence)).subject.id).toBe('t1')
  })

  test('with another key, or as if it were an access token', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    expect(await door.refusal(await withToken('t1', privateKey))).toBe('token-invalid')
    expect(await door.refusal(await withToken('t1', privateKey, {}, { kid: 'k1' }))).toBe('token-invalid')
    const claims = { client_id: 't1', scope: '', jti: 'x' }
    expect(await door.refusal(await withToken('t1', key.privateKey, claims, { typ: 'at+jwt' }))).toBe('token-invalid')
  })

  test('with several keys the header must say which', async () => {
    await door.device('many')
    const one = await door.jwtKey('many', 'one')
    const two = await door.jwtKey('many', 'two')
    expect(await door.refusal(await withToken('many', one.privateKey))).toBe('token-invalid')
    const named = await withToken('many', two.privateKey, {}, { kid: 'two' })
    expect((await door.authenticate(named)).credential?.id).toBe(two.id)
    const misnamed = await withToken('many', two.privateKey, {}, { kid: 'one' })
    expect(await door.refusal(misnamed)).toBe('token-invalid')
  })
})

describe('form', () => {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  test.each([
    ['a header that is no JSON', `eyJub3BlI.${part({ iss: 'a', sub: 'a' })}.x`],
    ['a payload that is no JSON', `${part({ alg: 'ES256' })}.bm9wZQ.x`],
    ['a payload that is a list', `${part({ alg: 'ES256' })}.${part([1])}.x`],
    ['a payload that is null', `${part({ alg: 'ES256' })}.${part(null)}.x`],
    ['an issuer that is no text', `${part({ alg: 'ES256' })}.${part({ iss: { a: 1 }, sub: 't1' })}.x`],
    [
      'critical headers nobody knows',
      `${part({ alg: 'ES256', crit: ['b'], b: 1 })}.${part({ iss: 't1', sub: 't1' })}.x`,
    ],
  ])('%s', async (_what, text) => {
    expect(await door.refusal(asPassword(text))).toBe('token-invalid')
  })

  test('five parts (JWE) or two are no token', async () => {
    expect(await door.refusal(asPassword('eyJ.a.b.c.d'))).toBe('bad-secret')
    expect(await door.refusal(asPassword('eyJ.a'))).toBe('bad-secret')
  })
})

describe('what is remembered of a token', () => {
  test('does not outlive the revocation of its key', async () => {
    await door.device('cached')
    const own = await door.jwtKey('cached')
    const evidence = await withToken('cached', own.privateKey)
    await door.authenticate(evidence)
    await door.authenticate(evidence)
    await door.rooms.registry.revokeCredential(own.id, { reason: 'lost' }, OPERATOR)
    expect(['token-invalid', 'credential-revoked']).toContain(await door.refusal(evidence))
    const other = await door.jwtKey('cached', own.kid)
    expect(await door.refusal(evidence)).toBe('token-invalid')
    expect((await door.authenticate(await withToken('cached', other.privateKey))).credential?.id).toBe(other.id)
  })

  test('does not outlive its denial', async () => {
    const exp = now() + 300
    const evidence = await withToken('t1', key.privateKey, { exp, jti: 'denied' })
    await door.authenticate(evidence)
    await door.rooms.registry.denyToken({ issuer: 't1', jti: 'denied', expiresAt: exp * 1000 }, OPERATOR)
    expect(await door.refusal(evidence)).toBe('token-revoked')
  })

  test('does not outlive its end, nor the suspension of its device', async () => {
    await door.device('drowsy')
    const own = await door.jwtKey('drowsy')
    const evidence = await withToken('drowsy', own.privateKey, { exp: now() + 30 })
    await door.authenticate(evidence)
    await door.rooms.registry.suspendDevice('drowsy', OPERATOR)
    expect(await door.refusal(evidence)).toBe('owner-suspended')
    await door.rooms.registry.resumeDevice('drowsy', OPERATOR)
    await door.authenticate(evidence)
    door.ahead(31_000)
    expect(await door.refusal(evidence)).toBe('token-expired')
    door.ahead(0)
  })
})

describe('bound to a certificate (cnf)', () => {
  test('only over a channel that shows it', async () => {
    const certificate = await door.certificate('t1')
    const stranger = await door.certificate('t1')
    const thumbprint = createHash('sha256').update(certificate.der).digest('base64url')
    const evidence = await withToken('t1', key.privateKey, { cnf: { 'x5t#S256': thumbprint }, jti: 'bound' })
    const principal = await door.authenticate({ ...evidence, certificates: [certificate.der] })
    // The certificate speaks; the token beside it can still be denied.
    expect(principal).toMatchObject({ credential: { id: certificate.id, kind: 'x509' }, issuer: 't1', jti: 'bound' })
    expect(principal.besides).toEqual([{ id: key.id, kind: 'jwt-key', epoch: 1 }])
    expect(await door.refusal({ ...evidence, certificates: [stranger.der] })).toBe('token-invalid')
    expect(await door.refusal(evidence)).toBe('token-invalid')
  })

  test.each([{ jkt: 'x' }, {}, 'text', { 'x5t#S256': 1 }, null])('any other confirmation is refused: %j', async cnf => {
    expect(await door.refusal(await withToken('t1', key.privateKey, { cnf: cnf }))).toBe('token-invalid')
  })
})

describe('access tokens', () => {
  const policy = 'version: 1\nroles:\n  reader:\n    permit:\n      - { id: read, subscribe: "home/+/temperature" }\n'
  beforeAll(async () => {
    await door.rooms.access.putPolicy([{ path: 'p.yaml', text: policy }], OPERATOR)
    await door.rooms.registry.createClient(
      { id: 'dash', roles: ['reader'], authMethod: 'client_secret_post', tokenLifetime: 120 },
      OPERATOR,
    )
  })

  test('prove their client, for the scopes they were given, on every protocol', async () => {
    const { id, secret } = await door.secret('dash', 'token')
    const token = await door.accessToken('dash', secret, { scope: 'role:reader' })
    const principal = await door.authenticate({ ...asPassword(token), clientId: 'dash' })
    expect(principal).toMatchObject({
      subject: { id: 'dash', kind: 'service', roles: ['reader'] },
      credential: { id },
      scopes: ['role:reader'],
      issuer: door.rooms.tokens.issuerKeys.ownIssuer,
    })
    expect(principal.jti).toMatch(/^[\w-]{22}$/)
    expect(principal.expiresAt).toBeGreaterThan(Date.now() + 100_000)
    expect(principal.expiresAt).toBeLessThanOrEqual(Date.now() + 120_000)
    expect((await door.authenticator.authenticateBearer(token, '192.0.2.1')).scopes).toEqual(['role:reader'])
  })

  test('fall with the secret they were given for', async () => {
    const { id, secret } = await door.secret('dash', 'token')
    const token = await door.accessToken('dash', secret)
    await door.authenticate(asPassword(token))
    await door.rooms.registry.revokeCredential(id, { reason: 'leaked' }, OPERATOR)
    expect(await door.refusal(asPassword(token))).toBe('credential-revoked')
  })

  test('from before a suspension or a removal never stand again', async () => {
    const { registry } = door.rooms
    await registry.createClient({ id: 'brief', roles: [], authMethod: 'client_secret_post' }, OPERATOR)
    const { secret } = await door.secret('brief', 'token')
    const token = await door.accessToken('brief', secret)
    await registry.suspendClient('brief', OPERATOR)
    await registry.resumeClient('brief', OPERATOR)
    expect(await door.refusal(asPassword(token))).toBe('superseded')
    const next = await door.accessToken('brief', secret)
    await door.authenticate(asPassword(next))
    await registry.removeClient('brief', OPERATOR)
    await registry.createClient({ id: 'brief', roles: [], authMethod: 'client_secret_post' }, OPERATOR)
    expect(await door.refusal(asPassword(next))).toBe('credential-revoked')
  })

  test('can be denied one by one', async () => {
    const { secret } = await door.secret('dash', 'token')
    const token = await door.accessToken('dash', secret)
    const { jti, issuer, expiresAt } = await door.authenticate(asPassword(token))
    if (jti === null || issuer === null || expiresAt === null) throw new Error('the token should name itself')
    await door.rooms.registry.denyToken({ issuer, jti, expiresAt }, OPERATOR)
    expect(await door.refusal(asPassword(token))).toBe('token-revoked')
  })

  test('nobody else signs under the name of our issuer', async () => {
    const iss = door.rooms.tokens.issuerKeys.ownIssuer
    const claims = { iss, sub: 't1', client_id: 't1', scope: '', jti: 'x' }
    for (const typ of ['at+jwt', 'JWT', undefined])
      expect(
        await door.refusal(await withToken('t1', key.privateKey, claims, { kid: 'k1', ...(typ ? { typ } : {}) })),
      ).toBe('token-invalid')
  })
})
