import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { startBroker, type TestBroker } from '../fixtures/broker.ts'
import { connectDevice, isGranted, isPublished } from '../fixtures/clients.ts'
import { latchkey } from '../unit/cli/run-command.ts'

const POLICY = `version: 1
roles:
  kettle:
    permit:
      - { id: report, publish: "home/\${device.room}/kettle" }
    forbid:
      - { id: no-lock, publish: "home/+/lock" }
assign:
  - { type: kettle, roles: [kettle] }
tests:
  - { device: { type: kettle, id: k9, room: kitchen }, publish: "home/kitchen/kettle", expect: allow }
`
const TYPE = 'kind: device-type\nid: kettle\nattributes:\n  room: { required: true }\n'
const DEVICE = 'kind: device\nid: k1\ntype: kettle\nattributes:\n  room: kitchen\n'

let broker: TestBroker
let folder: string
beforeAll(async () => {
  broker = await startBroker({}, { policy: null })
})
afterAll(() => broker.close())
beforeEach(async () => {
  folder = await mkdtemp(join(broker.folder, 'home-'))
  await mkdir(join(folder, 'types'))
  await writeFile(join(folder, 'types', 'kettle.yaml'), TYPE)
  await writeFile(join(folder, 'k1.yml'), DEVICE)
  await writeFile(join(folder, 'policy.yaml'), POLICY)
})

const run = (...words: string[]) => latchkey([...words, '--data', broker.data])
const json = async (...words: string[]) => JSON.parse((await run(...words, '--json')).stdout)
const versions = async (): Promise<number> => (await json('policy', 'versions')).items.length

test('apply: the plan, then the deed; a second time there is nothing to do', async () => {
  const dry = await run('apply', folder, '--dry-run')
  expect(dry.stdout).toMatch(/\+ device-type kettle[\s\S]*\+ device k1[\s\S]*policy version 1/)
  expect(dry.stdout).toContain('would be version 1')
  expect(await run('device', 'show', 'k1')).toMatchObject({ exitCode: 1 })

  const applied = await run('apply', folder)
  expect(applied).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('2 created, 0 updated, 0 unchanged') })
  expect(await json('device', 'show', 'k1')).toMatchObject({ attributes: { room: 'kitchen' } })

  const before = await versions()
  const again = await run('apply', folder)
  expect(again).toMatchObject({ exitCode: 0, stdout: 'nothing to do: all is as described' })
  expect(await versions()).toBe(before)

  await writeFile(join(folder, 'k1.yml'), DEVICE.replace('kitchen', 'attic'))
  expect((await run('apply', folder)).stdout).toMatch(/~ device k1\n +attributes: room=kitchen -> room=attic/)
})

test('apply: one wrong line and nothing is applied', async () => {
  await writeFile(join(folder, 'k2.yaml'), 'kind: device\nid: k2\ntype: kettle\nattributes:\n  room: bath\n')
  await writeFile(join(folder, 'z.yaml'), 'kind: device\nid: k3\ntype: kettle\ncolour: red\n')
  const { exitCode, stderr } = await run('apply', folder)
  expect(exitCode).toBe(1)
  expect(stderr).toMatch(/z\.yaml:4:\d+/)
  expect(await run('device', 'show', 'k2')).toMatchObject({ exitCode: 1 })
})

test('put: in force when it returns, for those who are connected', async () => {
  await run('apply', folder)
  await run('device', 'set', 'k1', '--attribute', 'room=kitchen')
  const { secret } = await broker.secret('k1')
  const client = await connectDevice(broker, 'k1', { username: 'k1', password: secret })
  expect(await isPublished(client, 'home/kitchen/kettle')).toBe(true)
  expect(await isGranted(client, 'home/kitchen/+')).toBe(false)

  await writeFile(
    join(folder, 'policy.yaml'),
    POLICY.replace('publish: "home/$', 'subscribe: "home/$').replace(/tests:[\s\S]*/, ''),
  )
  const put = await run('policy', 'put', join(folder, 'policy.yaml'))
  expect(put.stdout).toMatch(/version \d+ is in force/)
  expect(await isPublished(client, 'home/kitchen/kettle')).toBe(false)
  expect(await isGranted(client, 'home/kitchen/kettle')).toBe(true)
  await client.endAsync(true)
})

test('put: a failing test keeps the old version in force', async () => {
  const before = await versions()
  await writeFile(join(folder, 'policy.yaml'), POLICY.replace('expect: allow', 'expect: deny'))
  const { exitCode, stderr } = await run('policy', 'put', folder)
  expect(exitCode).toBe(1)
  expect(stderr).toMatch(/policy\.yaml:11/)
  expect(stderr).toContain('(policy-test-failed')
  expect(await versions()).toBe(before)
})

test('rollback, with a dry run before', async () => {
  const first = await readFile(join(folder, 'policy.yaml'), 'utf8')
  await run('policy', 'put', folder)
  const { version } = await json('policy', 'show')
  await writeFile(join(folder, 'policy.yaml'), first.replace('no-lock', 'no-locks'))
  await run('policy', 'put', folder)
  const dry = await run('policy', 'rollback', String(version), '--dry-run')
  expect(dry.stdout).toContain(`would be version ${version + 2}`)
  expect((await json('policy', 'show')).version).toBe(version + 1)
  expect((await run('policy', 'rollback', String(version))).stdout).toContain(`version ${version + 2} is in force`)
  expect((await json('policy', 'show')).files[0].text).toBe(first)
  expect((await run('policy', 'versions')).stdout).toMatch(/^VERSION/)
})

test('show: as text, or as files that are put back as they were', async () => {
  await run('policy', 'put', join(folder, 'policy.yaml'))
  expect((await run('policy', 'show')).stdout).toContain('id: report')
  const written = join(folder, 'copy')
  const { files } = await json('policy', 'show', '--out', written)
  expect(await readFile(files[0], 'utf8')).toBe(POLICY)
  expect(await run('policy', 'show', '--out', written)).toMatchObject({ exitCode: 2 })
})

test('explain names the rule with file and line', async () => {
  await run('apply', folder)
  const asks = (topic: string) => run('policy', 'explain', '--device', 'k1', '--action', 'publish', '--topic', topic)
  const permitted = await asks('home/kitchen/kettle')
  expect(permitted.exitCode).toBe(0)
  expect(permitted.stdout).toMatch(/permitted by rule report of role kettle \(\S*policy\.yaml:5\)/)
  const forbidden = await asks('home/kitchen/lock')
  expect(forbidden.stdout).toMatch(/forbidden by rule no-lock of role kettle \(\S*policy\.yaml:7\)/)
  expect((await asks('elsewhere')).stdout).toContain('no rule permits it')
})

test('explain --denial tells why what stands in the audit trail was denied', async () => {
  await run('apply', folder)
  const { secret } = await broker.secret('k1')
  const client = await connectDevice(broker, 'k1', { username: 'k1', password: secret })
  expect(await isPublished(client, 'home/hall/lock')).toBe(false)
  await client.endAsync(true)
  const { items } = await json('audit', 'list', '--type', 'decision', '--principal', 'k1')
  const denial = items.find((each: { event: { target: string } }) => each.event.target === 'home/hall/lock')
  const explained = await run('policy', 'explain', '--denial', String(denial.id))
  expect(explained.stdout).toMatch(/k1 may not publish home\/hall\/lock: forbidden by rule no-lock/)
})

test('test: the policy in force, against the registry as it is', async () => {
  await run('apply', folder)
  expect(await json('policy', 'test')).toMatchObject({ ok: true, tests: [{ ok: true }] })
  await writeFile(
    join(folder, 'policy.yaml'),
    `${POLICY}  - { device: k1, publish: "home/kitchen/kettle", expect: allow }\n`,
  )
  const alone = ['policy', 'test', join(folder, 'policy.yaml')]
  expect(await run(...alone)).toMatchObject({ exitCode: 1, stdout: expect.stringContaining('called k1') })
  expect(await run(...alone, '--server')).toMatchObject({ exitCode: 0 })
})
