import { chmod, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { certificate, clock, closedToOthers, newestFile, nodeVersion, port } from '../../../src/cli/health.ts'

const NOW = Date.parse('2026-11-23T12:00:00Z')
const MINUTE = 60_000
const DAY = 86_400_000

let folder: string
const servers: Server[] = []
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'latchkey-doctor-'))
})
afterEach(async () => {
  for (const server of servers.splice(0)) server.close()
  await rm(folder, { recursive: true })
})

test.each([
  ['20.18.3', 'fail'],
  ['18.20.0', 'fail'],
  ['20.19.0', 'ok'],
  ['22.0.0', 'ok'],
])('Node %s: %s', (version, verdict) => {
  expect(nodeVersion(version).verdict).toBe(verdict)
})

test.each([
  ['in step', 0, 0, 'ok'],
  ['a file a little ahead', 4 * MINUTE, 0, 'ok'],
  ['files from the future', DAY, 0, 'fail'],
  ['behind the time the broker has seen', 0, DAY, 'fail'],
])('clock: %s', (_, file, seen, verdict) => {
  const found = clock(NOW, NOW + file, seen === 0 ? 0 : NOW + seen)
  expect(found.verdict).toBe(verdict)
  if (verdict === 'fail')
    expect(found).toMatchObject({ found: expect.stringContaining('1d'), mend: expect.stringContaining('NTP') })
})

test('the newest file is found anywhere below', async () => {
  await writeFile(join(folder, 'a'), '')
  await utimes(join(folder, 'a'), new Date(NOW), new Date(NOW + DAY))
  expect(await newestFile(folder)).toBe(NOW + DAY)
  expect(await newestFile(join(folder, 'gone'))).toBe(0)
})

test('what others can read is told with the command that mends it', async () => {
  const file = join(folder, 'vault.key')
  await writeFile(file, 'x', { mode: 0o600 })
  expect(await closedToOthers('vault key', file, '600')).toMatchObject({ verdict: 'ok' })
  await chmod(file, 0o640)
  expect(await closedToOthers('vault key', file, '600')).toMatchObject({ verdict: 'fail', mend: `chmod 600 ${file}` })
  expect(await closedToOthers('vault key', join(folder, 'gone'), '600')).toMatchObject({ verdict: 'fail' })
})

test.each([
  [400 * DAY, 'ok'],
  [20 * DAY, 'warn'],
  [-DAY, 'fail'],
])('a certificate of ten years with %i ms left: %s', (left, verdict) => {
  const found = certificate({ name: 'CN=root', notBefore: NOW - 3650 * DAY, notAfter: NOW + left }, NOW)
  expect(found.verdict).toBe(verdict)
})

test('a short-lived certificate is not warned of while it is young', () => {
  expect(certificate({ name: 'server', notBefore: NOW - DAY, notAfter: NOW + 20 * DAY }, NOW).verdict).toBe('ok')
})

async function taken(): Promise<number> {
  const server = createServer(socket => socket.destroy())
  servers.push(server)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

test('ports: free, taken by somebody else, any', async () => {
  const number = await taken()
  expect(await port('mqtt', '127.0.0.1', 0, null)).toMatchObject({ verdict: 'ok' })
  expect(await port('mqtt', '127.0.0.1', number, null)).toMatchObject({
    verdict: 'fail',
    found: expect.stringContaining('another program'),
  })
  for (const server of servers.splice(0)) await new Promise(resolve => server.close(resolve))
  expect(await port('mqtt', '127.0.0.1', number, null)).toMatchObject({
    verdict: 'ok',
    found: expect.stringContaining('free'),
  })
  expect(await port('mqtt', '127.0.0.1', number, { root: '' })).toMatchObject({ verdict: 'warn' })
})

test('ports: a TLS port that shows no certificate of ours is not ours', async () => {
  expect(await port('mqtts', '127.0.0.1', await taken(), { root: '' })).toMatchObject({ verdict: 'fail' })
})

test('ports: an address that this machine does not have', async () => {
  expect(await port('mqtt', '192.0.2.1', 1883, null)).toMatchObject({
    verdict: 'fail',
    mend: 'correct listeners.mqtt.host',
  })
})
