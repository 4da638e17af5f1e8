// What devices keep on disk, the tokens they sign, and renewals in session.
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { jwtVerify } from 'jose'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { CredentialFolder, type KeptCredential } from '../../../simulator/devices/credential-folder.ts'
import { wayOf } from '../../../simulator/devices/enrolling.ts'
import { type KeptNumber, KeptSequence } from '../../../simulator/devices/kept-sequence.ts'
import type { Link, Outcome, Outgoing } from '../../../simulator/devices/link.ts'
import { RENEWED, SessionRenewal } from '../../../simulator/devices/renewing.ts'
import { signToken } from '../../../simulator/devices/signed-token.ts'

describe('the folder of a device', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'latchkey-device-'))
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))
  const secret = (text: string): KeptCredential => ({
    kind: 'secret',
    audience: 'mqtt',
    secret: text,
    obtainedAt: 1,
    expiresAt: null,
  })

  test('holds nothing at first, then the last credential, for its owner alone', async () => {
    const path = join(folder, 'devices', 'kettle')
    const kept = new CredentialFolder(path)
    expect(await kept.read()).toBeNull()
    await kept.keep(secret('first'))
    await kept.keep(secret('second'))
    expect(await new CredentialFolder(path).read()).toEqual(secret('second'))
    expect((await stat(path)).mode & 0o777).toBe(0o700)
    expect((await stat(join(path, 'credential.json'))).mode & 0o777).toBe(0o600)
    expect(await readdir(path)).toEqual(['credential.json'])
  })
})

test.each([
  [{ credential: 'x509' }, 'x509'],
  [{ credential: 'psk' }, 'psk'],
  [{ credential: 'secret' }, 'secret'],
  [{ credential: 'jwt', tokens: 'signed' }, 'jwt-key'],
  [{ credential: 'jwt', tokens: 'fetched' }, 'token-secret'],
  [{ credential: 'oscore' }, 'oscore'],
] as const)('a device planned as %j enrols for %s', (plan, way) => {
  expect(wayOf(plan)).toBe(way)
})

describe('sequence numbers of OSCORE', () => {
  /** A disk that answers when the test says so. */
  class Disk implements KeptNumber {
    value = 0
    readonly waiting: (() => void)[] = []
    slow = false
    broken = false
    async read(): Promise<number> {
      return this.value
    }
    async keep(value: number): Promise<void> {
      if (this.slow) await new Promise<void>(resolve => this.waiting.push(resolve))
      if (this.broken) throw new Error('disk full')
      this.value = value
    }
  }
  const take = (sequence: KeptSequence, count: number) => Array.from({ length: count }, () => sequence.next())

  test('none is used twice, however often the device is killed', async () => {
    const disk = new Disk()
    const used: number[] = []
    for (const count of [0, 1, 700, 3]) used.push(...take(await KeptSequence.open(disk), count))
    expect(new Set(used).size).toBe(used.length)
    expect(used).toEqual(used.toSorted((one, other) => one - other))
  })

  test('what is used is written off before', async () => {
    const disk = new Disk()
    const sequence = await KeptSequence.open(disk)
    for (let i = 0; i < 5_000; i++) {
      expect(sequence.next()).toBeLessThan(disk.value)
      await Promise.resolve()
    }
  })

  test('a disk that is behind stops it, and one that catches up lets it go on', async () => {
    const disk = new Disk()
    const sequence = await KeptSequence.open(disk)
    disk.slow = true
    expect(take(sequence, 1_000).at(-1)).toBe(999)
    expect(() => sequence.next()).toThrow(/disk/)
    disk.slow = false
    for (const resolve of disk.waiting) resolve()
    await vi.waitFor(() => expect(sequence.next()).toBe(1_000))
  })

  test('a disk that failed is asked again', async () => {
    const disk = new Disk()
    const sequence = await KeptSequence.open(disk)
    disk.broken = true
    take(sequence, 600)
    disk.broken = false
    await Promise.resolve()
    take(sequence, 1)
    await vi.waitFor(() => expect(disk.value).toBe(2_000))
  })

  test('they lie in the folder of the device, beside its credential', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'latchkey-device-'))
    const { sequence } = new CredentialFolder(join(folder, 'kettle'))
    expect(await sequence.read()).toBe(0)
    await sequence.keep(1_000)
    expect(await new CredentialFolder(join(folder, 'kettle')).sequence.read()).toBe(1_000)
    expect((await stat(join(folder, 'kettle', 'sequence'))).mode & 0o777).toBe(0o600)
    await rm(folder, { recursive: true })
  })
})

test('a token that a device signs says who, for whom and until when', async () => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const pem = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
  const now = Date.parse('2026-01-05T12:00:00Z')
  const token = signToken({ device: 'kettle', kid: 'k1', privateKey: pem }, now, 30)
  const { payload, protectedHeader } = await jwtVerify(
    token,
    createPublicKey(publicKey.export({ format: 'pem', type: 'spki' })),
    {
      issuer: 'kettle',
      subject: 'kettle',
      audience: 'latchkey',
      currentDate: new Date(now),
    },
  )
  expect(protectedHeader).toMatchObject({ alg: 'ES256', kid: 'k1' })
  expect(payload).toMatchObject({ iat: now / 1000, exp: now / 1000 + 30 })
  expect(signToken({ device: 'kettle', kid: 'k1', privateKey: pem }, now, 30)).not.toBe(token)
})

describe('renewal in session', () => {
  const message = (topic: string, text: string) => ({ topic, payload: Buffer.from(text) })
  const present = { kind: 'psk', identity: 'old', key: '00', obtainedAt: 0, expiresAt: 1 } as const
  /** A link on which the broker answers with what the test says. */
  const linkWith = (answer: (id: string) => object | null, outcome: Outcome = 'accepted') => {
    const renewal = new SessionRenewal()
    const link: Link = {
      publish: async ({ payload }: Outgoing) => {
        const reply = answer(JSON.parse(payload.toString()).id)
        if (reply !== null) renewal.heard(message(RENEWED, JSON.stringify(reply)))
        return outcome
      },
      subscribe: async () => 'accepted',
      end: async () => {},
      drop: async () => {},
    }
    return renewal.renew(link, present)
  }
  const credential = { expiresAt: '2030-01-01T00:00:00Z' }

  test('what the broker answers replaces the present credential', async () => {
    const next = await linkWith(id => ({ id, credential, psk: { identity: 'new', key: 'ff' } }))
    expect(next).toMatchObject({ kind: 'psk', identity: 'new', key: 'ff', expiresAt: Date.parse(credential.expiresAt) })
  })

  test.each([
    ['a refusal', (id: string) => ({ id, error: { code: 'quota-exceeded', detail: 'too many' } }), /quota-exceeded/],
    ['no credential', (id: string) => ({ id }), /no credential/],
    ['another kind', (id: string) => ({ id, credential, secret: 'lk_x' }), /psk/],
  ])('%s changes nothing', async (_, answer, told) => {
    await expect(linkWith(answer)).rejects.toThrow(told)
  })

  test('a question that the broker does not take fails at once', async () => {
    await expect(linkWith(() => null, 'denied')).rejects.toThrow(/denied/)
  })

  test('answers to others are not taken, and never reach the device', () => {
    const renewal = new SessionRenewal()
    expect(renewal.heard(message(RENEWED, '{"id":"another"}'))).toBe(true)
    expect(renewal.heard(message(RENEWED, 'not JSON'))).toBe(true)
    expect(renewal.heard(message('home/kitchen/ac/set', '{}'))).toBe(false)
  })
})
