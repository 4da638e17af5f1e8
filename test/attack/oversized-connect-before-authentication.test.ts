// A CONNECT of 256 MiB from a stranger. Bare Aedes buffers it; here its announced length is the end.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startBareAedes } from '../wire/bare-aedes.ts'
import { type MqttBroker, startMqtt } from '../wire/mqtt-broker.ts'
import { MqttWire } from '../wire/mqtt-wire.ts'

const HEADER = [0x10, 0xff, 0xff, 0xff, 0x7f]
const CHUNK = Buffer.alloc(65_536)
const LARGE = 20 * 1024 * 1024

/** Sends up to 20 MiB of the announced packet; resolves with how much was taken before the broker closed. */
async function swallow(wire: MqttWire): Promise<number> {
  wire.sendBytes(HEADER)
  const write = () => new Promise<boolean>(resolve => wire.stream.write(CHUNK, error => resolve(!error)))
  let taken = 0
  while (taken < LARGE && (await write())) taken += CHUNK.length
  return taken
}

describe('256 MiB CONNECT before authentication', () => {
  let mqtt: MqttBroker
  beforeAll(async () => {
    mqtt = await startMqtt()
  })
  afterAll(() => mqtt?.close())

  test('Latchkey closes at the announced length and keeps nothing', async () => {
    const before = process.memoryUsage().arrayBuffers
    const wires = Array.from({ length: 20 }, () => mqtt.wire(4))
    // What the kernel's buffers take is not the broker's.
    for (const taken of await Promise.all(wires.map(swallow))) expect(taken).toBeLessThan(16 * 1024 * 1024)
    for (const wire of wires) await wire.closed()
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 1024 * 1024)
    await (await mqtt.client('after')).settle()
  })

  test.each([
    ['a CONNECT just above the limit', [0x10, 0xfe, 0xff, 0x03]],
    ['another packet in its place', [0x30, 0xff, 0xff, 0xff, 0x7f]],
  ])('%s: closed at once', async (_, header) => {
    const wire = mqtt.wire(4)
    wire.sendBytes(header)
    await wire.closed()
  })

  test('bare Aedes takes it all', async () => {
    const aedes = await startBareAedes()
    try {
      expect(await swallow(MqttWire.tcp(aedes.port, 4))).toBeGreaterThanOrEqual(LARGE)
    } finally {
      await aedes.stop()
    }
  })
})
