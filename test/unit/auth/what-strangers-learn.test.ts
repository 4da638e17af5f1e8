// What a refusal gives away, to whom: nothing of the evidence in any error or record, one answer whatever failed, and
// nobody's failures at somebody else's expense.
import { generateKeyPairSync } from 'node:crypto'
import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Evidence } from '../../../src/model/evidence.ts'
import { Failure, type FailureCode } from '../../../src/model/failure.ts'
import { asPassword, type Door, deviceToken, furtherDoors, OPERATOR, openDoor } from '../../fixtures/door.ts'

let door: Door
beforeAll(async () => {
  door = await openDoor()
  await door.device('t1')
  await door.device('t2')
})
afterAll(() => door.close())

const another = furtherDoors()

async function failureOf(evidence: Partial<Evidence>): Promise<Failure> {
  const error = await door.authenticate(evidence).then(
    () => new Error('it was not refused'),
    reason => reason,
  )
  if (error instanceof Failure) return error
  throw error
}

/** The part of a secret that must appear nowhere. */
const MARK = 'Zm9yYmlkZGVu'

describe('a refusal', () => {
  const passwords: [string, () => string | Promise<string>][] = [
    ['a text of no known shape', () => `pass-${MARK}`],
    ['a secret that is none', () => `lk_mqtt_${MARK}`],
    ['a secret with an unknown key id', async () => (await door.secret('t1')).secret.replace(/_[^_]+$/, `_${MARK}`)],
    ['a JWT whose header is no JSON', () => `eyJ${MARK}.${MARK}.${MARK}`],
    ['a JWT whose claims are no JSON', () => `eyJhbGciOiJFUzI1NiJ9.${MARK}.${MARK}`],
    ['a JWT of nobody', () => deviceToken('nobody', generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)],
    ['a JWT that has ended', async () => deviceToken('t1', (await door.jwtKey('t1')).privateKey, { exp: 1 })],
    ['a JWT for others', async () => deviceToken('t1', (await door.jwtKey('t1')).privateKey, { aud: 'others' })],
    ['a password that is too long', () => MARK.repeat(1_000)],
  ]

  test.each(passwords)('of %s quotes nothing of it, neither in the error nor in the trail', async (_what, make) => {
    const password = await make()
    const [last] = await door.rooms.audit.list({ reverse: true, limit: 1 })
    const failure = await failureOf({ username: 't1', password: Buffer.from(password) })
    const records = await door.rooms.audit.list({ after: last?.id ?? 0 })
    expect(records).toHaveLength(1)
    const told = inspect(failure, { depth: 10 }) + JSON.stringify(records)
    // The last piece of a token is what makes it worth something.
    for (const piece of [
      password,
      password.split('.').at(-1) ?? password,
      MARK,
      Buffer.from(MARK, 'base64').toString(),
    ])
      expect(told).not.toContain(piece)
  })

  test('is told to strangers in one way, whatever failed', async () => {
    const { secret, id } = await door.secret('t1')
    await door.rooms.registry.revokeCredential(id, { reason: 'lost' }, OPERATOR)
    const { privateKey } = await door.jwtKey('t2')
    const expired = await deviceToken('t2', privateKey, { exp: 1 })
    const failures = [
      await failureOf({}),
      await failureOf(asPassword('wrong')),
      await failureOf(asPassword(secret)),
      await failureOf(asPassword(expired)),
      await failureOf({ pskIdentity: 'nobody' }),
      await failureOf({ pskIdentity: '' }),
      await failureOf({ certificates: [Buffer.from('junk')] }),
      await failureOf({ username: 't1', ...asPassword((await door.secret('t2')).secret) }),
    ]
    expect(new Set(failures.map(({ code }) => code)).size).toBe(failures.length)
    const told = failures.map(({ row: { mqtt3, mqtt5, coap, http, stranger } }) => ({
      mqtt3,
      mqtt5,
      coap,
      http,
      stranger,
    }))
    for (const answer of told)
      expect(answer).toEqual({ mqtt3: 5, mqtt5: 0x87, coap: '4.01', http: 401, stranger: 'Not authorized.' })
  })

  test('of a JWT is the same for every algorithm, whether its name is known or not', async () => {
    const keys = {
      ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
      EdDSA: generateKeyPairSync('ed25519').privateKey,
      RS256: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey,
      ES384: generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey,
    }
    const { kid } = await door.jwtKey('t2', 'known')
    for (const [alg, key] of Object.entries(keys))
      for (const [name, header] of [
        ['nobody', { alg }],
        ['t2', { alg, kid }],
        ['t2', { alg, kid: 'unknown' }],
      ] as const)
        expect(await door.refusal(asPassword(await deviceToken(name, key, {}, header)))).toBe('token-invalid')
  })
})

test('junk in the name of one subject does not make another wait behind the same address', async () => {
  const strict = await another({ limits: { claimBurst: 3 } })
  for (const id of ['t1', 't2']) {
    await strict.rooms.registry.createClient({ id: `c-${id}`, roles: [], authMethod: 'client_secret_post' }, OPERATOR)
  }
  const { secret } = await strict.secret('c-t1', 'token')
  const token = await strict.accessToken('c-t1', secret)
  const [header = '', , signature = ''] = token.split('.')
  const claims = { iss: strict.rooms.tokens.issuerKeys.ownIssuer, sub: 'c-t2' }
  const junk = `${header}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.${signature}`
  const codes: FailureCode[] = []
  for (let i = 0; i < 5; i++) codes.push(await strict.refusal(asPassword(junk)))
  expect(codes.at(-1)).toBe('authentication-throttled')
  expect((await strict.authenticate(asPassword(token))).subject.id).toBe('c-t1')
})

test('of two credentials the trail names the one that speaks', async () => {
  const certificate = await door.certificate('t1')
  const { secret } = await door.secret('t1')
  const [last] = await door.rooms.audit.list({ reverse: true, limit: 1 })
  const principal = await door.authenticate({ certificates: [certificate.der], ...asPassword(secret) })
  const [record] = await door.rooms.audit.list({ after: last?.id ?? 0 })
  expect(record?.event).toMatchObject({
    result: 'accepted',
    principal: 't1',
    credential: principal.credential?.id,
    credentialKind: 'x509',
  })
})

test('a gateway does not come in as a child that is suspended', async () => {
  await door.device('hub')
  await door.device('leaf', { parent: 'hub' })
  const hub = { ...asPassword((await door.secret('hub')).secret), clientId: 'leaf' }
  expect((await door.authenticate(hub)).subject.id).toBe('hub')
  await door.rooms.registry.suspendDevice('leaf', OPERATOR)
  expect(await door.refusal(hub)).toBe('client-id-not-yours')
  await door.rooms.registry.resumeDevice('leaf', OPERATOR)
  expect((await door.authenticate(hub)).subject.id).toBe('hub')
})
