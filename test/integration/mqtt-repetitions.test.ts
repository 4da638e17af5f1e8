// DUP after kill -9: what may have left is repeated as such [MQTT-3.3.1-1], what has not left is new.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { FREE_PORTS_OF_MQTT } from '../fixtures/broker.ts'
import { type BrokerProcess, startBrokerProcess } from '../fixtures/broker-process.ts'
import { TESTER } from '../wire/mqtt-broker.ts'
import { MqttWire, type Version } from '../wire/mqtt-wire.ts'

const CONFIGURATION = {
  auth: { anonymous: { role: 'tester' } },
  listeners: FREE_PORTS_OF_MQTT,
  log: { level: 'error' },
} as const

describe.each([4, 5] as const)('killed with messages on their way to a version %i session', version => {
  let folder: string
  let broker: BrokerProcess
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'latchkey-repetitions-'))
    broker = await startBrokerProcess(folder, CONFIGURATION)
    await broker.api('PUT', '/v1/policies', { files: [{ path: 'policy.yaml', text: TESTER }] })
  })
  afterEach(async () => {
    await broker?.stop('SIGKILL')
    await rm(folder, { recursive: true, force: true })
  })

  const restart = async () => {
    await broker.stop('SIGKILL')
    broker = await startBrokerProcess(folder, CONFIGURATION)
  }
  const open = async (clientId: string, lasting: boolean, version: Version) => {
    const wire = MqttWire.tcp(broker.listeners.mqtt?.port ?? 0, version)
    const properties = version === 5 && lasting ? { properties: { sessionExpiryInterval: 600 } } : {}
    await wire.connect({ clientId, clean: !lasting, ...properties })
    return wire
  }
  /** A subscriber who takes what comes and never acknowledges it. */
  const reader = async () => {
    const wire = await open('reader', true, version)
    wire.acknowledges = false
    return wire
  }
  const publish = async (...payloads: string[]) => {
    const writer = await open('writer', false, 5)
    for (const qos of [1, 2] as const) for (const payload of payloads) await writer.publish(`${qos}`, payload, { qos })
    await writer.leave()
  }
  const next = async (wire: MqttWire, count: number) => {
    const got = []
    for (let i = 0; i < count; i++) got.push(await wire.next('publish'))
    return got.map(({ payload, qos, dup, messageId }) => ({ text: `${payload} ${qos}`, dup, messageId }))
  }
  const leave = async (wire: MqttWire) => {
    wire.destroy()
    await expect.poll(async () => (await broker.api('GET', '/v1/sessions')).items).toEqual([])
  }

  test('to somebody online it is sent again with DUP and its identifier, also after a second death', async () => {
    const first = await reader()
    await first.subscribe('#', 2)
    await publish('a')
    const before = await next(first, 2)
    expect(before.map(({ text, dup }) => [text, dup])).toEqual([
      ['a 1', false],
      ['a 2', false],
    ])
    for (const _ of ['once', 'twice']) {
      await restart()
      const again = await next(await reader(), 2)
      expect(again).toEqual(before.map(packet => ({ ...packet, dup: true })))
    }
  })

  test('what came while he was away has no DUP; what he had before he left has', async () => {
    const first = await reader()
    await first.subscribe('#', 2)
    await publish('a')
    await next(first, 2)
    await leave(first)
    await publish('b')
    await restart()
    await publish('c')
    await restart()
    const got = await next(await reader(), 6)
    expect(got.map(({ text, dup }) => [text, dup])).toEqual([
      ['a 1', true],
      ['a 2', true],
      ['b 1', false],
      ['b 2', false],
      ['c 1', false],
      ['c 2', false],
    ])
  })

  test('nothing that comes after a death takes the place of what had left before', async () => {
    const first = await reader()
    first.acknowledges = true
    await first.subscribe('#', 2)
    await publish('a')
    await next(first, 2)
    await first.settle()
    await leave(first)
    await restart()
    await publish('b')
    await restart()
    const got = await next(await reader(), 2)
    expect(got.map(({ text, dup }) => [text, dup])).toEqual([
      ['b 1', false],
      ['b 2', false],
    ])
  })
})
