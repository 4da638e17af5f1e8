import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { makeKeyAndRequest } from '../../src/cli/key-and-request.ts'
import { startBroker, type TestBroker } from '../fixtures/broker.ts'
import { isAdmitted } from '../fixtures/clients.ts'
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
