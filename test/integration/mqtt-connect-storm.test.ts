// A fleet comes back at once after an outage, each device trying again when it is told to: all of them get in, and those
// who are connected are served all the while.

import { connect as connectTls } from 'node:tls'
import { afterEach, expect, test } from 'vitest'
import { type MqttBroker, startMqtt } from '../wire/mqtt-broker.ts'
import { MqttWire, type Version } from '../wire/mqtt-wire.ts'

const FLEET = 3000
/** CONNECT packets in a second of the broker's clock. */
const RATE = 600
const TLS_FLEET = 300
/** Steps of the storm in each of which the others are seen to be served. */
const STEPS = 10

let mqtt: MqttBroker
const wires: MqttWire[] = []
afterEach(async () => {
  for (const wire of wires.splice(0)) wire.destroy()
  await mqtt?.close()
})

/** The broker's time, which passes between two tries of the fleet. */
const clock = { time: Date.now(), now: () => clock.time }

/** Devices of which each tries again a second later, until it is let in. */
class Fleet {
  admitted = 0
  readonly refusals = new Map<number | 'closed', number>()
  readonly #open: (i: number) => MqttWire

  constructor(open: (i: number) => MqttWire) {
    this.#open = open
  }

  async comeBack(size: number): Promise<void> {
    let outside = Array.from({ length: size }, (_, i) => i)
    while (outside.length > 0) {
      const are = await Promise.all(outside.map(i => this.#try(i)))
      outside = outside.filter((_, at) => !are[at])
      clock.time += 1000
    }
  }

  async #try(i: number): Promise<boolean> {
    const wire = this.#open(i)
    wires.push(wire)
    const answer = await wire.connect({ clientId: `device-${i}` }).then(
      ({ reasonCode, returnCode }) => reasonCode ?? returnCode ?? 0,
      () => 'closed' as const,
    )
    if (answer === 0) this.admitted++
    else {
      this.refusals.set(answer, (this.refusals.get(answer) ?? 0) + 1)
      wire.destroy()
    }
    return answer === 0
  }
}

/** Messages between two who are connected, until `isOver`; returns in which steps of the storm they were exchanged. */
async function chat(
  [writer, reader]: readonly [MqttWire, MqttWire],
  fleet: Fleet,
  size: number,
  isOver: () => boolean,
): Promise<Set<number>> {
  const steps = new Set<number>()
  for (let i = 0; !isOver(); i++) {
    expect(await writer.publish('chat', `${i}`, { qos: 1 })).toBe(0)
    expect(await reader.message()).toBe(`${i}`)
    steps.add(Math.floor((fleet.admitted * STEPS) / size))
  }
  return steps
}

async function storm(size: number, open: (i: number) => MqttWire): Promise<{ fleet: Fleet; steps: Set<number> }> {
  const fleet = new Fleet(open)
  const pair = [await mqtt.client('writer'), await mqtt.client('reader')] as const
  await pair[1].subscribe('chat', 1)
  let isOver = false
  const talking = chat(pair, fleet, size, () => isOver)
  await fleet.comeBack(size)
  isOver = true
  return { fleet, steps: await talking }
}

const allSteps = Array.from({ length: STEPS }, (_, i) => i)

test(`${FLEET} devices, beyond the rate of CONNECT packets`, async () => {
  const limits = { connectRatePerAddress: RATE, connectBurstPerAddress: RATE }
  mqtt = await startMqtt({ limits }, { clock })
  const { fleet, steps } = await storm(FLEET, i => mqtt.wire((i % 2 === 0 ? 5 : 4) satisfies Version))
  expect(fleet.admitted).toBe(FLEET)
  expect(fleet.refusals.get(0x9f)).toBeGreaterThan(0)
  expect(fleet.refusals.get(3)).toBeGreaterThan(0)
  expect([...steps]).toEqual(expect.arrayContaining(allSteps))
})

test(`${TLS_FLEET} devices over TLS, four handshakes at a time`, async () => {
  mqtt = await startMqtt({ limits: { handshakesUnderWay: 4, handshakesPerTurn: 2 } }, { clock })
  const { broker } = mqtt
  const open = () => new MqttWire(connectTls({ host: 'localhost', port: broker.port('mqtts'), ca: broker.ca }))
  const { fleet, steps } = await storm(TLS_FLEET, open)
  expect(fleet.admitted).toBe(TLS_FLEET)
  expect([...steps]).toEqual(expect.arrayContaining(allSteps))
})
