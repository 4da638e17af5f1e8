// SCRAM-SHA-256 at the door: who it admits, and what it tells those whom it does not.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Evidence } from '../../../src/model/evidence.ts'
import { asPassword, type Door, OPERATOR, openDoor } from '../../fixtures/door.ts'
import { readAttributes, ScramClient } from '../../fixtures/scram-client.ts'

const METHOD = 'SCRAM-SHA-256'
const EVIDENCE: Evidence = {
  transport: 'mqtts',
  address: '192.0.2.1',
  clientId: null,
  certificates: [],
  pskIdentity: null,
  username: null,
  password: null,
}
const refusal = (code: string) => expect.objectContaining({ code })

describe('SCRAM-SHA-256', () => {
  let door: Door
  let password: string
  let credential: string
  beforeAll(async () => {
    door = await openDoor({ limits: { addressBurst: 1_000, claimBurst: 1_000 } })
    for (const id of ['s1', 's2']) await door.device(id)
    const issued = await door.rooms.registry.issueScram('s1', {}, OPERATOR)
    password = issued.password
    credential = issued.credential.id
  })
  afterAll(() => door.close())

  const begin = (evidence: Partial<Evidence> = {}, by = door) =>
    by.authenticator.begin({ ...EVIDENCE, ...evidence }, METHOD)
  const challengeOf = async (client: ScramClient, exchange = begin()) => {
    const { state, data } = await exchange.step(client.first())
    if (state !== 'continue' || data === null) throw new Error('no challenge')
    return data
  }
  const admits = async (client: ScramClient, evidence: Partial<Evidence> = {}) => {
    const exchange = begin(evidence)
    return exchange.step(client.final(await challengeOf(client, exchange)))
  }

  test('admits whoever has the password, and shows that the broker knows it', async () => {
    const client = new ScramClient('s1', password)
    const step = await admits(client, { clientId: 's1', username: 's1' })
    expect(step).toMatchObject({
      state: 'done',
      principal: { subject: { id: 's1' }, credential: { id: credential, kind: 'scram' } },
    })
    expect(client.trusts(step.data)).toBe(true)
  })

  test('a client that could bind to a channel is told that we cannot, and may go on', async () => {
    expect((await admits(new ScramClient('s1', password, 'y,,'))).state).toBe('done')
  })

  test('an unknown username is challenged as a known one is, and always alike', async () => {
    const attributes = async (name: string) => readAttributes(await challengeOf(new ScramClient(name, 'x')))
    const [known, unknown, again, other] = [
      await attributes('s1'),
      await attributes('nobody'),
      await attributes('nobody'),
      await attributes('s2'),
    ]
    expect([unknown.i, other.i]).toEqual([known.i, known.i])
    expect([unknown.s?.length, other.s?.length]).toEqual([known.s?.length, known.s?.length])
    expect(again.s).toBe(unknown.s)
    expect(new Set([known.s, unknown.s, other.s]).size).toBe(3)
    expect(again.r).not.toBe(unknown.r)
  })

  test.each([
    ['a wrong password', 's1'],
    ['a device without a SCRAM password', 's2'],
    ['a username that nobody has', 'nobody'],
    ['a username that nobody can have', 'a/#'],
  ])('%s is refused in one way', async (_, name) => {
    await expect(admits(new ScramClient(name, 'guessed'))).rejects.toEqual(refusal('bad-secret'))
  })

  test('the username of CONNECT and the client id must agree with what was proved', async () => {
    const client = () => new ScramClient('s1', password)
    await expect(admits(client(), { username: 's2' })).rejects.toEqual(refusal('identities-differ'))
    await expect(admits(client(), { clientId: 's2' })).rejects.toEqual(refusal('client-id-not-yours'))
    await expect(admits(client(), asPassword('nonsense'))).rejects.toEqual(refusal('bad-secret'))
  })

  test.each([
    ['nothing', ''],
    ['channel binding', 'p=tls-exporter,,n=s1,r=abc'],
    ['an unknown flag', 'x,,n=s1,r=abc'],
    ['somebody to act for', 'n,a=s2,n=s1,r=abc'],
    ['a mandatory extension', 'n,,m=1,n=s1,r=abc'],
    ['no nonce', 'n,,n=s1'],
    ['an empty nonce', 'n,,n=s1,r='],
    ['a nonce with a space', 'n,,n=s1,r=a b'],
    ['no username', 'n,,r=abc'],
    ['a name with a lone equals sign', 'n,,n=s=1,r=abc'],
    ['more than a message may have', `n,,n=s1,r=abc,${'x'.repeat(1024)}`],
  ])('%s in client-first is refused', async (_, text) => {
    await expect(begin().step(Buffer.from(text))).rejects.toEqual(refusal('bad-secret'))
  })

  test.each([
    ['nothing', () => ''],
    ['no proof', (final: string) => final.replace(/,p=.*/, '')],
    ['an empty proof', (final: string) => final.replace(/,p=.*/, ',p=')],
    ['a proof and more', (final: string) => `${final.slice(0, -1)}AAAA`],
    ['no nonce', (final: string) => final.replace(/,r=[^,]*/, '')],
  ])('%s in client-final is refused', async (_, change) => {
    const client = new ScramClient('s1', password)
    const exchange = begin()
    const final = client.final(await challengeOf(client, exchange))
    await expect(exchange.step(Buffer.from(change(final.toString())))).rejects.toEqual(refusal('bad-secret'))
  })

  test('a challenge has one answer', async () => {
    const client = new ScramClient('s1', password)
    const exchange = begin()
    const final = client.final(await challengeOf(client, exchange))
    await expect(exchange.step(Buffer.from('c=biws,r=x,p=AAAA'))).rejects.toEqual(refusal('bad-secret'))
    await expect(exchange.step(final)).rejects.toEqual(refusal('bad-secret'))
  })

  test('failures count, for the username and where they come from', async () => {
    const strict = await openDoor({ limits: { claimBurst: 2 } })
    const guess = async (address: string) => {
      const exchange = begin({ address }, strict)
      const client = new ScramClient('s1', 'guessed')
      return exchange.step(client.final(await challengeOf(client, exchange)))
    }
    for (let i = 0; i < 2; i++) await expect(guess('192.0.2.8')).rejects.toEqual(refusal('bad-secret'))
    await expect(guess('192.0.2.8')).rejects.toEqual(refusal('authentication-throttled'))
    await expect(guess('192.0.2.9')).rejects.toEqual(refusal('bad-secret'))
    await strict.close()
  })

  test('nobody gets a challenge while the house is closed', async () => {
    const shut = await openDoor({ refuseAll: () => 'clock-behind' })
    await expect(begin({}, shut).step(new ScramClient('s1', 'x').first())).rejects.toEqual(refusal('clock-behind'))
    await shut.close()
  })

  test('a password that was revoked after the challenge opens nothing; its owner may have another', async () => {
    const { registry } = door.rooms
    await door.device('s3')
    const first = await registry.issueScram('s3', {}, OPERATOR)
    await expect(registry.issueScram('s3', {}, OPERATOR)).rejects.toEqual(refusal('already-exists'))
    const client = new ScramClient('s3', first.password)
    const exchange = begin()
    const challenge = await challengeOf(client, exchange)
    await registry.revokeCredential(first.credential.id, { reason: 'lost' }, OPERATOR)
    await expect(exchange.step(client.final(challenge))).rejects.toEqual(refusal('credential-revoked'))
    const { password: next } = await registry.issueScram('s3', {}, OPERATOR)
    await expect(admits(new ScramClient('s3', first.password))).rejects.toEqual(refusal('bad-secret'))
    expect((await admits(new ScramClient('s3', next))).state).toBe('done')
  })

  test('what is kept holds neither the password nor anything of its keys in the open', async () => {
    const { registry } = door.rooms
    const record = registry.credential(credential)
    if (record?.kind !== 'scram') throw new Error('no record')
    const { salt, storedKey, serverKey, iterations } = registry.scramKeys(record)
    const kept = JSON.stringify(record)
    for (const bytes of [Buffer.from(password), salt, storedKey, serverKey])
      for (const encoding of ['base64', 'hex', 'utf8'] as const) expect(kept).not.toContain(bytes.toString(encoding))
    expect(Buffer.from(record.sealed, 'base64').includes(storedKey)).toBe(false)
    expect(iterations).toBeGreaterThanOrEqual(4096)
  })

  test('the audit trail tells who came in by what', async () => {
    await admits(new ScramClient('s1', password))
    const [last] = await door.rooms.audit.list({ reverse: true, limit: 1, type: 'authentication' })
    expect(last?.event).toMatchObject({ result: 'accepted', principal: 's1', credential, credentialKind: 'scram' })
  })
})
