// What an OSCORE context remembers when the broker ends, by request or by kill -9: no nonce is used twice, and nothing that
// was sent before is taken for new (RFC 8613 B.1).
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import type { OscoreContext as IssuedContext } from '../../src/client/types.ts'
import { CODE } from '../../src/coap-wire/codes.ts'
import { decode, isMalformed } from '../../src/coap-wire/decode.ts'
import { OPTION, optionOf } from '../../src/coap-wire/options.ts'
import { freshSequence } from '../../src/coap-wire/oscore-client.ts'
import { sequenceOf } from '../../src/coap-wire/oscore-cose.ts'
import { decodeOscoreOption } from '../../src/coap-wire/oscore-option.ts'
import { FREE_PORTS, POLICY, startBroker, type TestBroker } from '../fixtures/broker.ts'
import { type BrokerProcess, startBrokerProcess } from '../fixtures/broker-process.ts'
import { told } from '../fixtures/coap-device.ts'
import { contextOf, issueContext, OscoreDevice } from '../fixtures/oscore-device.ts'

const LISTENERS = { ...FREE_PORTS, coaps: false, coap: { port: 0 } } as const

const ends: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

/** Sequence numbers of the server in what came: those of its nonces. */
const serverSequences = (datagrams: readonly Buffer[]): number[] =>
  datagrams.flatMap(bytes => {
    const message = decode(bytes)
    const value = message === null || isMalformed(message) ? null : optionOf(message, OPTION.OSCORE)
    const { partialIv = null } = (value && decodeOscoreOption(value)) ?? {}
    return partialIv === null ? [] : [sequenceOf(partialIv)]
  })

async function opened(port: number, oscore: IssuedContext, from = 0, echo = true): Promise<OscoreDevice> {
  const device = await OscoreDevice.open(port, contextOf(oscore, freshSequence(from)), { echo })
  ends.push(() => device.close())
  return device
}

async function started(data?: string, configuration: object = {}): Promise<TestBroker> {
  const broker = await startBroker({ listeners: LISTENERS, ...configuration }, data === undefined ? {} : { data })
  ends.push(() => broker.close())
  return broker
}

test('after a restart the first request must show that it is new, and the next need not', async () => {
  const broker = await started()
  await broker.device('t1')
  const { oscore } = await issueContext(broker, 't1')
  const before = await opened(broker.port('coap'), oscore)
  expect(told(await before.put('device/t1/a', 'kept'))).toBe('2.04')
  await broker.latchkey.close()

  const again = await started(broker.data)
  const after = await opened(again.port('coap'), oscore, 100, false)
  const challenge = await after.get('device/t1/a')
  expect(told(challenge)).toBe('4.01')
  const echo = optionOf(challenge, OPTION.Echo)
  if (echo === null) throw new Error('no Echo')
  expect(serverSequences(after.came)).toHaveLength(1) // a nonce of its own: this request may have been answered before
  const options = [{ number: OPTION.Echo, value: echo }]
  expect(told(await after.get('device/t1/a', { options }))).toBe('2.05 kept')
  expect(told(await after.get('device/t1/a'))).toBe('2.05 kept')
})

test('a context that was never used needs to show nothing', async () => {
  const broker = await started()
  await broker.device('t1')
  const { oscore } = await issueContext(broker, 't1')
  await broker.latchkey.close()
  const again = await started(broker.data)
  const device = await opened(again.port('coap'), oscore, 0, false)
  expect(told(await device.put('device/t1/a', 'first'))).toBe('2.04')
})

test('an Echo value of another address, or of before, is worth nothing', async () => {
  const broker = await started()
  await broker.device('t1')
  const { oscore } = await issueContext(broker, 't1')
  const before = await opened(broker.port('coap'), oscore)
  await before.put('device/t1/a', 'kept')
  await broker.latchkey.close()

  const again = await started(broker.data)
  const one = await opened(again.port('coap'), oscore, 100, false)
  const value = optionOf(await one.get('device/t1/a'), OPTION.Echo)
  if (value === null) throw new Error('no Echo')
  const other = await opened(again.port('coap'), oscore, 200, false)
  const stolen = await other.get('device/t1/a', { options: [{ number: OPTION.Echo, value }] })
  expect(told(stolen)).toBe('4.01')
  await again.latchkey.close()

  const third = await started(broker.data)
  const late = await opened(third.port('coap'), oscore, 300, false)
  const old = await late.get('device/t1/a', { options: [{ number: OPTION.Echo, value }] })
  expect(told(old)).toBe('4.01')
  expect(optionOf(old, OPTION.Echo)).not.toBeNull()
})

test('who made room comes back as after a restart', async () => {
  const broker = await started(undefined, { limits: { coap: { oscoreContexts: 1 } } })
  for (const id of ['t1', 't2']) await broker.device(id)
  const contexts = [await issueContext(broker, 't1'), await issueContext(broker, 't2')]
  const [one, two] = await Promise.all(contexts.map(({ oscore }) => opened(broker.port('coap'), oscore)))
  const observation = await one!.observe('device/t1/a')
  expect(told(observation.first)).toBe('2.05')
  expect(told(await two!.put('device/t2/a', 'x'))).toBe('2.04')
  expect(told(await one!.get('device/t1/a', { echo: false }))).toBe('4.01')
  expect(told(await one!.put('device/t1/a', 'back'))).toBe('2.04')
})

test('a context without sequence numbers left is at its end, and its successor is not', async () => {
  const broker = await started(undefined, { limits: { coap: { oscoreSequences: 3, oscoreReserve: 2 } } })
  await broker.device('t1')
  const { id, oscore } = await issueContext(broker, 't1')
  const device = await opened(broker.port('coap'), oscore)
  const observation = await device.observe('device/t1/a')
  for (let i = 0; i < 4; i++) {
    await device.put('device/t1/a', `${i}`)
    expect(told(await observation.next())).toBe(`2.05 ${i}`)
  }
  const refused = await device.get('device/t1/a', { echo: false })
  expect(refused.payload.toString()).toBe('Security context not found')
  expect(serverSequences(device.came)).toEqual([0, 1, 2, 3])
  const next = await broker.api('POST', `/v1/credentials/${id}/rotate`, {})
  const fresh = await opened(broker.port('coap'), next.oscore)
  expect(told(await fresh.get('device/t1/a'))).toBe('2.05 3')
})

test('killed and started again, time after time, the broker uses no nonce twice', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-oscore-'))
  ends.push(() => rm(folder, { recursive: true, force: true }))
  const start = async (): Promise<BrokerProcess> => {
    const limits = { coap: { oscoreReserve: 4 } }
    const broker = await startBrokerProcess(folder, { listeners: LISTENERS, log: { level: 'error' }, limits })
    ends.push(() => broker.stop())
    return broker
  }
  let broker = await start()
  await broker.api('PUT', '/v1/policies', { files: [{ path: 'policy.yaml', text: POLICY }] })
  await broker.api('POST', '/v1/devices', { id: 't1', type: 'thermostat', attributes: { room: 'attic' } })
  const { oscore } = await broker.api('POST', '/v1/credentials', { owner: 't1', kind: 'oscore' })
  const used: number[] = []
  for (let round = 0; round < 4; round++) {
    const device = await opened(broker.listeners.coap?.port ?? 0, oscore, round * 1000)
    const observation = await device.observe('device/t1/a')
    for (let i = 0; i < 3 + 4 * round; i++) {
      expect((await device.put('device/t1/a', `${round}.${i}`)).code).toBe(CODE.Changed)
      expect(told(await observation.next())).toBe(`2.05 ${round}.${i}`)
    }
    await broker.stop('SIGKILL')
    used.push(...serverSequences(device.came))
    broker = await start()
  }
  expect(used.length).toBeGreaterThan(30)
  expect(new Set(used).size).toBe(used.length)
  expect([...used].sort((a, b) => a - b)).toEqual(used)
})
