// Eclipse Paho for Python (Debian's) over WS and WSS.
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startBroker, type TestBroker } from '../fixtures/broker.ts'
import { has, run } from '../fixtures/programs.ts'

const PYTHON = '/usr/bin/python3' // Debian's own: the package installs for no other
const script = fileURLToPath(new URL('./paho-websocket.py', import.meta.url))
const available = has(PYTHON, 'python3-paho-mqtt', '-c', 'import paho.mqtt.client')

describe.skipIf(!available)('python3-paho-mqtt', () => {
  let broker: TestBroker
  let secret: string

  beforeAll(async () => {
    broker = await startBroker()
    await broker.device('paho')
    secret = (await broker.secret('paho')).secret
  })
  afterAll(() => broker?.close())

  const echo = (transport: 'ws' | 'wss', path: string, version: string, password: string) =>
    run(PYTHON, [
      script,
      'localhost',
      String(broker.port(transport)),
      path,
      transport === 'wss' ? broker.caFile : '-',
      'paho',
      password,
      version,
    ])

  test.each([
    ['ws', '/mqtt', '311'],
    ['ws', '/mqtt', '5'],
    ['ws', '/', '311'],
    ['wss', '/mqtt', '311'],
    ['wss', '/mqtt', '5'],
    ['wss', '/', '5'],
  ] as const)('%s %s, MQTT %s', async (transport, path, version) => {
    const { stdout, stderr } = await echo(transport, path, version, secret)
    expect(stdout.trim(), stderr).toBe(`received over ${path} in version ${version}`)
  })

  test('a wrong secret is refused', async () => {
    const { stdout } = await echo('wss', '/mqtt', '5', 'lk_mqtt_wrong')
    expect(stdout).toMatch(/^refused/)
  })
})
