import { createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { makeKeyAndRequest } from '../../src/cli/key-and-request.ts'
import { startBroker, type TestBroker } from '../fixtures/broker.ts'
import { connectDevice, isAdmitted } from '../fixtures/clients.ts'
import { latchkey } from '../unit/cli/run-command.ts'

let broker: TestBroker
let out: string
beforeAll(async () => {
  broker = await startBroker()
  await broker.device('t1')
})
afterAll(() => broker.close())
beforeEach(async () => {
  out = await mkdtemp(join(broker.folder, 'out-'))
})

const run = (...words: string[]) => latchkey([...words, '--data', broker.data])
const issue = (...words: string[]) => run('credential', 'issue', '--device', 't1', ...words)
const text = (...path: string[]) => readFile(join(out, ...path), 'utf8')
const admitted = (options: Parameters<typeof isAdmitted>[2]) => isAdmitted(broker, 't1', options)

test('a secret alone on stdout, so that a shell can take it; the warning beside it', async () => {
  const { exitCode, stdout, stderr } = await issue('--kind', 'secret', '--ttl', '1h')
  expect(exitCode).toBe(0)
  expect(stdout).toMatch(/^lk_mqtt_[0-9A-Za-z]{12}_[\w-]{43}_[0-9A-Za-z]{6}$/)
  expect(stderr).toContain('shown once')
  expect(await admitted({ username: 't1', password: stdout })).toBe(true)
})

test('--out: the secret is in the file alone', async () => {
  const file = join(out, 't1.secret')
  const { stdout, stderr } = await issue('--kind', 'secret', '--out', file, '--json')
  const secret = (await text('t1.secret')).trim()
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  expect(stdout + stderr).not.toContain(secret)
  expect(JSON.parse(stdout)).toMatchObject({ credential: { kind: 'secret', owner: 't1' }, files: { secret: file } })
  expect(await admitted({ username: 't1', password: secret })).toBe(true)
})

test('a refused request leaves no file, and an existing file no credential', async () => {
  const file = join(out, 'secret')
  expect(await run('credential', 'issue', '--kind', 'secret', '--device', 'nobody', '--out', file)).toMatchObject({
    exitCode: 1,
  })
  expect(await readdir(out)).toEqual([])
  await writeFile(file, 'old')
  const before = JSON.parse((await run('credential', 'list', '--device', 't1', '--json')).stdout).items.length
  expect(await issue('--kind', 'secret', '--out', file)).toMatchObject({ exitCode: 2 })
  expect(JSON.parse((await run('credential', 'list', '--device', 't1', '--json')).stdout).items).toHaveLength(before)
})

test('a pre-shared key as identity:key', async () => {
  await broker.device('t-psk')
  const { stdout } = await run('credential', 'issue', '--kind', 'psk', '--device', 't-psk')
  expect(stdout).toMatch(/^t-psk:[0-9a-f]{64}$/)
})

test('a pre-shared key that the device has already', async () => {
  await broker.device('t-burnt')
  const file = join(out, '..', 't-burnt.key')
  await writeFile(file, 'burnt into the flash, 2026\n')
  const { stdout } = await run('credential', 'issue', '--kind', 'psk', '--device', 't-burnt', '--key-file', file)
  expect(stdout).toBe(`t-burnt:${Buffer.from('burnt into the flash, 2026').toString('hex')}`)
  await writeFile(file, 'too short')
  expect(await run('credential', 'issue', '--kind', 'psk', '--device', 't-burnt', '--key-file', file)).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining('16 to 64'),
  })
})

test('an OSCORE context as the device keeps it', async () => {
  await broker.device('t-oscore')
  const { stdout } = await run('credential', 'issue', '--kind', 'oscore', '--device', 't-oscore', '--sender-id', '0f')
  expect(JSON.parse(stdout)).toMatchObject({ senderId: '0f', masterSecret: expect.stringMatching(/^[0-9a-f]{32}$/) })
  const { stdout: listed } = await run('credential', 'list', '--device', 't-oscore')
  expect(listed).toMatch(/oscore.*sender 0f/)
})

test('x509: key, certificate, root and PKCS #12 as files that work', async () => {
  const { exitCode } = await issue('--kind', 'x509', '--out', out, '--p12', '--ttl', '1d')
  expect(exitCode).toBe(0)
  expect((await readdir(out)).sort()).toEqual(['ca.crt', 't1.crt', 't1.key', 't1.p12', 't1.p12.password'])
  const [cert, key, root] = await Promise.all([text('t1.crt'), text('t1.key'), text('ca.crt')])
  expect(new X509Certificate(root).fingerprint256).toBe(new X509Certificate(broker.ca).fingerprint256)
  expect(cert.match(/BEGIN CERTIFICATE/g)).toHaveLength(2)
  expect(await admitted({ cert, key, ca: root })).toBe(true)
})

test('x509: a request is signed, and its key stays where it is', async () => {
  const { privateKey, request } = await makeKeyAndRequest('t1')
  await writeFile(join(out, 't1.csr'), request)
  const { stdout } = await issue('--kind', 'x509', '--csr', join(out, 't1.csr'))
  expect(stdout).not.toContain('PRIVATE KEY')
  expect(await admitted({ cert: stdout, key: privateKey })).toBe(true)
})

test('jwt-key: made here, the private half never leaves; `token sign` makes the password', async () => {
  const key = join(out, 't1.key')
  const issued = await issue('--kind', 'jwt-key', '--out', key, '--json')
  expect(issued.stdout).not.toContain('PRIVATE')
  const { credential } = JSON.parse(issued.stdout)
  expect(credential).toMatchObject({ kind: 'jwt-key', algorithm: 'ES256' })
  const { stdout: jwt } = await latchkey(['token', 'sign', '--device', 't1', '--key', key, '--kid', credential.kid])
  expect(await admitted({ username: 't1', password: jwt })).toBe(true)
})

test('jwt-key: a public key in PEM or JWK is registered', async () => {
  const { publicKey } = generateKeyPairSync('ed25519')
  await writeFile(join(out, 'pem'), publicKey.export({ format: 'pem', type: 'spki' }))
  await writeFile(
    join(out, 'jwk'),
    JSON.stringify(generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' })),
  )
  const pem = JSON.parse(
    (await issue('--kind', 'jwt-key', '--public-key', join(out, 'pem'), '--kid', 'a', '--json')).stdout,
  )
  const jwk = JSON.parse(
    (await issue('--kind', 'jwt-key', '--public-key', join(out, 'jwk'), '--kid', 'b', '--json')).stdout,
  )
  expect([pem.credential.algorithm, jwk.credential.algorithm]).toEqual(['EdDSA', 'ES256'])
  expect(createPublicKey({ key: pem.credential.jwk, format: 'jwk' }).asymmetricKeyType).toBe('ed25519')
})

test('revoke: a dry run tells the sessions; then they have ended', async () => {
  await broker.device('t-revoked')
  const { id, secret } = await broker.secret('t-revoked')
  const client = await connectDevice(broker, 't-revoked', { username: 't-revoked', password: secret })
  const closed = new Promise<void>(resolve => client.once('close', () => resolve()))
  expect((await run('credential', 'revoke', id, '--dry-run')).stdout).toContain('end 1 live session')
  expect(client.connected).toBe(true)
  expect(await run('credential', 'revoke', id, '--reason', 'lost')).toMatchObject({ exitCode: 0 })
  await closed
  const [found] = JSON.parse((await run('credential', 'list', '--device', 't-revoked', '--json')).stdout).items
  expect(found).toMatchObject({ status: 'revoked', revocationReason: 'lost' })
  expect(await run('credential', 'revoke', id)).toMatchObject({ exitCode: 1 })
})

test('rotate: both work during the overlap, without one only the new', async () => {
  await broker.device('t-rotated')
  const { id, secret } = await broker.secret('t-rotated')
  const works = (password: string) => isAdmitted(broker, 't-rotated', { username: 't-rotated', password })
  const next = (await run('credential', 'rotate', id, '--overlap', '1h')).stdout
  expect([await works(secret), await works(next)]).toEqual([true, true])
  const file = join(out, 'next')
  const list = JSON.parse((await run('credential', 'list', '--device', 't-rotated', '--json')).stdout).items
  const newest = list.find((each: { expiresAt: string | null }) => each.expiresAt === null)
  await run('credential', 'rotate', newest.id, '--out', file)
  expect([await works(next), await works((await text('next')).trim())]).toEqual([false, true])
})

test('token get: an access token for the broker, narrower when asked', async () => {
  const file = join(out, 'secret')
  await issue('--kind', 'secret', '--audience', 'token', '--out', file)
  const got = await run('token', 'get', '--client-id', 't1', '--client-secret-file', file)
  expect(got).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/) })
  expect(await admitted({ username: 't1', password: got.stdout })).toBe(true)
  const shown = await latchkey(['token', 'show', '-', '--data', broker.data, '--json'], { input: got.stdout })
  expect(JSON.parse(shown.stdout)).toMatchObject({ active: true, sub: 't1' })
  await latchkey(['token', 'revoke', '-', '--data', broker.data], { input: got.stdout })
  expect(await latchkey(['token', 'show', '-', '--data', broker.data], { input: got.stdout })).toMatchObject({
    exitCode: 1,
  })
  expect(await admitted({ username: 't1', password: got.stdout })).toBe(false)
  const wide = await run('token', 'get', '--client-id', 't1', '--client-secret-file', file, '--scope', 'publish:#')
  expect(wide).toMatchObject({ exitCode: 1, stdout: '' })
  expect(wide.stderr).toContain('scope')
})

test('token rotate-keys', async () => {
  expect(JSON.parse((await run('token', 'rotate-keys', '--json')).stdout)).toMatchObject({ kid: expect.any(String) })
})

test('ca: root, certificates and revocation list', async () => {
  expect((await run('ca', 'root')).stdout).toBe(broker.ca.trimEnd())
  await run('ca', 'root', '--out', join(out, 'ca.crt'))
  expect(await text('ca.crt')).toBe(broker.ca)
  expect((await run('ca', 'show')).stdout).toContain('/crl/latchkey.crl')
  expect((await run('ca', 'crl')).stdout).toMatch(/^-----BEGIN X509 CRL-----/)
  await rm(join(out, 'ca.crt'))
  await run('ca', 'crl', '--authority', 'latchkey-root', '--der', '--out', join(out, 'root.crl'))
  expect((await readFile(join(out, 'root.crl')))[0]).toBe(0x30)
})

test.each<[string[], RegExp]>([
  [['x509'], /--cafile \S+\/keys\/ca\.crt --cert \S+\/keys\/t1\.crt --key \S+\/keys\/t1\.key/],
  [['secret'], /-u t1 -P "\$\(cat \S+\/keys\)"/],
  [['secret', '--audience', 'token'], /latchkey token get --client-id t1 --client-secret-file \S+\/keys$/],
  [['secret', '--audience', 'api'], /LATCHKEY_TOKEN="\$\(cat \S+\/keys\)" latchkey device list/],
  [['scram'], /Authentication Method SCRAM-SHA-256, username t1, password in \S+\/keys/],
  [['psk', '--identity', 'hinted'], /--psk-identity hinted --psk "\$\(sed \S+ \S+\/keys\)"/],
])('the hint after --kind %j says how to come in with it', async (kind, hint) => {
  const { exitCode, stderr } = await issue('--kind', ...kind, '--out', join(out, 'keys'))
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: expect.stringMatching(hint) })
})
