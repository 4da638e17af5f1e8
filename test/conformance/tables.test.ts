// Every normative statement of MQTT 3.1.1 and 5 that a broker can break, against one real broker. Which statements there
// are, and why some have no row, says test/unit/conformance-table.test.ts.
import { afterAll, beforeAll, describe, test } from 'vitest'
import { type MqttBroker, ShiftedClock, startMqtt, TESTER } from '../wire/mqtt-broker.ts'
import { type Credentials, type Level, Scene } from './scene.ts'
import { TABLES } from './tables.ts'

/** Few, so that a row reaches them with few packets. */
const limits = { receiveMaximum: 10, topicAliasMaximum: 3, sysInterval: 1 }

/** What strangers may not: hear what the broker tells about itself. */
const policy = `${TESTER}
  watcher:
    permit:
      - { id: everything, allow: "#" }
      - { id: system, subscribe: "$SYS/#" }
assign:
  - { type: thermostat, roles: [watcher] }
`

const clock = new ShiftedClock()
let mqtt: MqttBroker
const devices: Credentials[] = []
beforeAll(async () => {
  mqtt = await startMqtt({ limits, responseInformation: 'answers' }, { clock, policy })
  for (const username of ['watcher1', 'watcher2']) {
    await mqtt.broker.device(username)
    const { secret } = await mqtt.broker.secret(username)
    devices.push({ username, password: Buffer.from(secret) })
  }
})
afterAll(() => mqtt?.close())

let count = 0
async function run(level: Level, check: (scene: Scene) => Promise<void>): Promise<void> {
  count++
  const scene = new Scene({ mqtt, clock, devices }, level, `row${count}`)
  try {
    await check(scene)
  } finally {
    scene.close()
  }
}

describe.each(Object.entries(TABLES))('%s', (_, rows) => {
  for (const { v311, v5, says, check } of rows) {
    if (v311 !== undefined) test(`3.1.1 [MQTT-${v311}] ${says}`, () => run(4, check))
    if (v5 !== undefined) test(`5 [MQTT-${v5}] ${says}`, () => run(5, check))
  }
})
