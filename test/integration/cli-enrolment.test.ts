import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { makeKeyAndRequest } from '../../src/cli/key-and-request.ts'
import { startBroker, type TestBroker } from '../fixtures/broker.ts'
import { isAdmitted } from '../fixtures/clients.ts'
import { pskOptions } from '../fixtures/psk-options.ts'
import { latchkey } from '../unit/cli/run-command.ts'

let broker: TestBroker
let out: string
beforeAll(async () => {
  broker = await startBroker()
  await broker.api('PUT', '/v1/device-types/thermostat', {})
})
afterAll(() => broker.close())
beforeEach(async () => {
  out = await mkdtemp(join(broker.folder, 'out-'))
})

const create = (...words: string[]) =>
  latchkey(['enrolment', 'create', '--type', 'thermostat', '--data', broker.data, ...words])
const token = async (...words: string[]) => (await create(...words)).stdout

/** As from another machine: nothing but the address and the root certificate. */
const redeem = (...words: string[]) =>
  latchkey([
    'enrolment',
    'redeem',
    '--url',
    `https://localhost:${broker.port('https')}`,
    '--ca',
    broker.caFile,
    ...words,
  ])

test('a device gets its key, certificate and root, and comes in with them', async () => {
  const secret = await token('--device', 't1', '--attribute', 'room=kitchen')
  const done = await redeem('--token', secret, '--device', 't1', '--out', join(out, 'keys'))
  expect(done.stderr).toContain('mosquitto_pub')
  expect(done).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('enrolled t1 (thermostat)') })
  expect((await readdir(join(out, 'keys'))).sort()).toEqual(['ca.crt', 'device.crt', 'device.key'])
  const [cert, key, ca] = await Promise.all(
    ['device.crt', 'device.key', 'ca.crt'].map(name => readFile(join(out, 'keys', name), 'utf8')),
  )
  expect(await isAdmitted(broker, 't1', { cert: cert ?? '', key: key ?? '', ca: ca ?? '' })).toBe(true)
})

test('a second time it is refused, and no file is left', async () => {
  const secret = await token()
  expect(await redeem('--token', secret, '--device', 't2', '--out', join(out, 'a'))).toMatchObject({ exitCode: 0 })
  const second = await redeem('--token', secret, '--device', 't3', '--out', join(out, 'b'))
  expect(second).toMatchObject({ exitCode: 1, stdout: '' })
  expect(await readdir(join(out, 'b'))).toEqual([])
})

test('the request of a key that exists', async () => {
  const { request, privateKey } = await makeKeyAndRequest('t4')
  await writeFile(join(out, 't4.csr'), request)
  await writeFile(join(out, 'token'), await token())
  const words = [
    '--token-file',
    join(out, 'token'),
    '--csr',
    join(out, 't4.csr'),
    '--device',
    't4',
    '--out',
    join(out, 'k'),
    '--json',
  ]
  const { stdout } = await redeem(...words)
  expect(JSON.parse(stdout)).toMatchObject({ device: { id: 't4' }, credential: { kind: 'x509' } })
  expect((await readdir(join(out, 'k'))).sort()).toEqual(['ca.crt', 'device.crt'])
  const cert = await readFile(join(out, 'k', 'device.crt'), 'utf8')
  expect(await isAdmitted(broker, 't4', { cert, key: privateKey })).toBe(true)
})

test('a secret, and a pre-shared key with a life of its own', async () => {
  const secretFolder = join(out, 'secret')
  const given = await token('--kind', 'secret', '--kind', 'psk')
  const done = await redeem('--token', given, '--device', 'c1', '--kind', 'secret', '--out', secretFolder)
  expect(done).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('enrolled c1 (thermostat) without end') })
  expect(done.stderr).toContain(`-u c1 -P "$(cat ${secretFolder}/device.secret)"`)
  expect(await readdir(secretFolder)).toEqual(['device.secret'])
  const password = (await readFile(join(secretFolder, 'device.secret'), 'utf8')).trim()
  expect(await isAdmitted(broker, 'c1', { username: 'c1', password })).toBe(true)

  const pskFolder = join(out, 'psk')
  const words = ['--token', await token('--kind', 'psk', '--lifetime', '30s'), '--kind', 'psk', '--device', 'c2']
  const { stdout } = await redeem(...words, '--out', pskFolder, '--json')
  const { credential } = JSON.parse(stdout)
  expect(Date.parse(credential.expiresAt) - Date.parse(credential.createdAt)).toBe(30_000)
  expect(stdout).not.toMatch(/[0-9a-f]{64}/)
  const [identity = '', key = ''] = (await readFile(join(pskFolder, 'device.psk'), 'utf8')).trim().split(':')
  expect(await isAdmitted(broker, 'c2', pskOptions({ identity, key }))).toBe(true)
})

test('a key for JWTs, made here or made before', async () => {
  const folder = join(out, 'jwt')
  const made = await redeem(
    '--token',
    await token('--kind', 'jwt-key'),
    '--device',
    'c3',
    '--kind',
    'jwt-key',
    '--out',
    folder,
  )
  expect(made.stderr).toContain(`latchkey token sign --device c3 --key ${folder}/device.key`)
  const signed = await latchkey(['token', 'sign', '--device', 'c3', '--key', join(folder, 'device.key')])
  expect(await isAdmitted(broker, 'c3', { username: 'c3', password: signed.stdout.trim() })).toBe(true)

  const { publicKey } = generateKeyPairSync('ed25519')
  await writeFile(join(out, 'c4.pem'), publicKey.export({ type: 'spki', format: 'pem' }))
  const words = ['--token', await token('--kind', 'jwt-key'), '--device', 'c4', '--kind', 'jwt-key', '--json']
  const { stdout } = await redeem(...words, '--public-key', join(out, 'c4.pem'), '--out', folder)
  expect(JSON.parse(stdout)).toMatchObject({ credential: { owner: 'c4', algorithm: 'EdDSA' }, files: {} })
})

test('a kind that the token does not give is refused, and leaves no file', async () => {
  const given = await token('--kind', 'psk')
  const refused = await redeem('--token', given, '--device', 'c5', '--kind', 'secret', '--out', join(out, 'a'))
  expect(refused).toMatchObject({ exitCode: 1, stdout: '' })
  expect(await readdir(join(out, 'a'))).toEqual([])
  expect(await redeem('--token', given, '--device', 'c5', '--kind', 'psk', '--out', join(out, 'a'))).toMatchObject({
    exitCode: 0,
  })
})

test('a token that was revoked opens nothing', async () => {
  const created = JSON.parse((await create('--ttl', '10m', '--json')).stdout)
  expect(created).toEqual({ id: expect.any(String), token: expect.any(String), expiresAt: expect.any(String) })
  const list = await latchkey(['enrolment', 'list', '--data', broker.data])
  expect(list.stdout).toContain(created.id)
  expect(list.stdout).not.toContain(created.token)
  expect(await latchkey(['enrolment', 'revoke', created.id, '--data', broker.data])).toMatchObject({ exitCode: 0 })
  expect(await redeem('--token', created.token, '--device', 't5', '--out', join(out, 'a'))).toMatchObject({
    exitCode: 1,
  })
})

test('a broker whose root is not trusted is refused by the device', async () => {
  const url = `https://localhost:${broker.port('https')}`
  const words = ['enrolment', 'redeem', '--url', url, '--token', 'x', '--device', 't6', '--out', join(out, 'a')]
  const { exitCode, stderr } = await latchkey(words)
  expect(exitCode).toBe(1)
  expect(stderr).toMatch(/Trust the broker/)
})
