// An attack that brings bare Aedes down, run against it and against Latchkey.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startBareAedes } from './bare-aedes.ts'
import { type MqttBroker, startMqtt } from './mqtt-broker.ts'
import { MqttWire, type Version } from './mqtt-wire.ts'

export type OpenWire = (version: Version) => MqttWire

/** `attempt` sends what hurts; it may reject when the connection breaks. */
export function crashAttack(title: string, attempts: Record<string, (open: OpenWire) => Promise<unknown>>): void {
  describe(title, () => {
    let mqtt: MqttBroker
    beforeAll(async () => {
      mqtt = await startMqtt()
    })
    afterAll(() => mqtt?.close())

    for (const [name, attempt] of Object.entries(attempts)) {
      test(`${name}: Latchkey serves on`, async () => {
        const witness = await mqtt.client('witness', { keepalive: 0 })
        await witness.subscribe('witness', 1)
        await attempt(version => mqtt.wire(version)).catch(() => {})
        await witness.publish('witness', name, { qos: 1 })
        expect(await witness.message()).toBe(name)
        const late = await mqtt.client('late')
        await late.settle()
      })

      test(`${name}: bare Aedes dies of it`, async () => {
        const aedes = await startBareAedes()
        const wires: MqttWire[] = []
        const open = (version: Version) => {
          const wire = MqttWire.tcp(aedes.port, version)
          wires.push(wire)
          return wire
        }
        try {
          attempt(open).catch(() => {})
          await expect.poll(() => aedes.hasDied(), { timeout: 30_000 }).toBe(true)
        } finally {
          for (const wire of wires) wire.destroy()
          await aedes.stop()
        }
      })
    }
  })
}
