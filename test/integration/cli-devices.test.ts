import { afterAll, beforeAll, expect, test } from 'vitest'
import { startBroker, type TestBroker } from '../fixtures/broker.ts'
import { isAdmitted } from '../fixtures/clients.ts'
import { latchkey } from '../unit/cli/run-command.ts'

let broker: TestBroker
beforeAll(async () => {
  broker = await startBroker()
  await broker.api('PUT', '/v1/device-types/thermostat', {
    description: 'keeps warm',
    attributes: { room: { required: true } },
  })
})
afterAll(() => broker.close())

/** One command against the broker; the words are split at spaces. */
const run = (line: string, circumstances: Parameters<typeof latchkey>[1] = {}) =>
  latchkey([...line.split(' '), '--data', broker.data], circumstances)
const json = async (line: string) => JSON.parse((await run(`${line} --json`)).stdout)

test('a device is created, shown, listed, changed', async () => {
  const created = await run('device create t1 --type thermostat --attribute room=kitchen --group upstairs')
  expect(created).toMatchObject({ exitCode: 0, stderr: 'next: latchkey credential issue --kind secret --device t1' })
  expect(await json('device show t1')).toMatchObject({
    id: 't1',
    attributes: { room: 'kitchen' },
    groups: ['upstairs'],
  })
  expect((await run('device list')).stdout).toMatch(/^ID +TYPE.*\nt1 +thermostat +active +room=kitchen/)

  await json('device set t1 --attribute room=attic --attribute floor=2 --client-ids under')
  expect(await json('device show t1')).toMatchObject({
    attributes: { room: 'attic', floor: '2' },
    groups: ['upstairs'],
    clientIds: 'under',
  })
  await json('device set t1 --attribute floor= --clear groups')
  expect(await json('device show t1')).toMatchObject({ attributes: { room: 'attic' }, groups: [] })
})

test('show tells credentials and who is connected', async () => {
  await broker.device('t2')
  const { secret } = await broker.secret('t2')
  expect((await run('device show t2')).stdout).toMatch(/secret +active.*opens mqtt/)
  expect((await run('device show t2')).stdout).toContain('not connected')
  expect(await isAdmitted(broker, 't2', { username: 't2', password: secret })).toBe(true)
})

test('suspend shuts it out, resume lets it in', async () => {
  await broker.device('t3')
  const { secret } = await broker.secret('t3')
  const admitted = () => isAdmitted(broker, 't3', { username: 't3', password: secret })
  expect(await run('device suspend t3')).toMatchObject({
    exitCode: 0,
    stdout: 't3 is suspended and its sessions have ended',
  })
  expect(await admitted()).toBe(false)
  await run('device resume t3')
  expect(await admitted()).toBe(true)
})

test('remove: a dry run tells, a question can be declined, then it is gone', async () => {
  await broker.device('t4')
  await broker.secret('t4')
  expect((await run('device remove t4 --dry-run')).stdout).toBe('would remove t4 and revoke 1 active credential')
  const declined = await run('device remove t4', { interactive: true, answers: ['n'] })
  expect(declined).toMatchObject({ exitCode: 1, stdout: '', stderr: 'warning: nothing was changed' })
  expect((await run('device show t4')).exitCode).toBe(0)
  expect(await run('device remove t4', { interactive: true, answers: ['y'] })).toMatchObject({ exitCode: 0 })
  const gone = await run('device show t4')
  expect(gone.exitCode).toBe(1)
  expect(gone.stderr).toContain('(not-found')
})

test('types', async () => {
  expect((await run('device types')).stdout).toMatch(/thermostat +room\* +own +keeps warm/)
})

test.each([
  ['device create t9 --type thermostat', 'room'],
  ['device create +/# --type thermostat --attribute room=kitchen', 'latchkey: id: must be 1 to 64 letters'],
  ['device create t1 --type thermostat --attribute room=kitchen', 'exists'],
  ['device set t1 --attribute room=a/b', 'room'],
])('`%s` is refused with the reason', async (line, reason) => {
  const { exitCode, stdout, stderr } = await run(line)
  expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' })
  expect(stderr).toContain(reason)
})

test('clients: created, changed, removed', async () => {
  const created = await run('client create dashboard --role reader --scope role:reader --token-lifetime 5m')
  expect(created.stderr).toBe('next: latchkey credential issue --kind secret --audience token --client dashboard')
  expect(await json('client show dashboard')).toMatchObject({
    kind: 'service',
    roles: ['reader'],
    scopes: ['role:reader'],
    tokenLifetime: 300,
  })
  await json('client set dashboard --clear scopes --clear token-lifetime')
  expect(await json('client show dashboard')).toMatchObject({ scopes: null, tokenLifetime: null, roles: ['reader'] })
  expect((await run('client list')).stdout).toMatch(/dashboard +service +active +reader/)
  expect(await run('client remove dashboard')).toMatchObject({ exitCode: 0 })
  expect(await json('client list')).toMatchObject({ items: [] })
})

test('an operator works with an API key, within the role', async () => {
  await run('client create anna --kind operator --role auditor')
  const key = (await run('credential issue --kind secret --audience api --client anna')).stdout
  const url = `https://localhost:${broker.port('https')}`
  const asAnna = (line: string) =>
    latchkey(line.split(' '), { environment: { LATCHKEY_URL: url, LATCHKEY_TOKEN: key, LATCHKEY_CA: broker.caFile } })
  expect(await asAnna('audit list --limit 1')).toMatchObject({ exitCode: 0 })
  expect(await asAnna('device create t8 --type thermostat --attribute room=kitchen')).toMatchObject({ exitCode: 1 })
  const stranger = await latchkey(['audit', 'list'], {
    environment: { LATCHKEY_URL: url, LATCHKEY_TOKEN: 'lk_api_x', LATCHKEY_CA: broker.caFile },
  })
  expect(stranger.exitCode).toBe(1)
  expect(stranger.stderr).toContain('unauthenticated')
})
