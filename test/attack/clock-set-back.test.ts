// A clock set back would revive what has expired. The highest time seen is kept: whoever comes while the clock is far
// behind it is refused, until it is right again.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startBroker, type TestBroker } from '../fixtures/broker.ts'
import { isAdmitted } from '../fixtures/clients.ts'

const HOUR = 3_600_000
let folder: string
let offset = 0
const clock = { now: () => Date.now() + offset }
const start = (): Promise<TestBroker> => startBroker({}, { data: join(folder, 'data'), clock })

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'latchkey-clock-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

test('an expired secret does not come back with the old time, and nobody else comes in either', async () => {
  const first = await start()
  await first.device('t1')
  const lasting = await first.secret('t1')
  const brief = await first.api('POST', '/v1/credentials', {
    owner: 't1',
    kind: 'secret',
    audience: 'mqtt',
    lifetime: 60,
  })
  const admits = (broker: TestBroker, secret: string) => isAdmitted(broker, 't1', { username: 't1', password: secret })
  expect(await admits(first, brief.secret)).toBe(true)
  offset = 2 * HOUR
  expect(await admits(first, brief.secret)).toBe(false)
  expect(await admits(first, lasting.secret)).toBe(true)

  offset = 0
  expect(await admits(first, brief.secret), 'in the same run').toBe(false)
  await first.close()
  const second = await start()
  expect(await admits(second, brief.secret), 'after a restart').toBe(false)
  expect(await admits(second, lasting.secret), 'nobody while the clock is behind').toBe(false)
  const { items } = await second.api('GET', '/v1/audit?type=authentication&limit=500')
  expect(items.some((record: { event: { failure: string } }) => record.event.failure === 'clock-behind')).toBe(true)

  offset = 3 * HOUR
  expect(await admits(second, lasting.secret), 'once it is right').toBe(true)
  await second.close()
})
