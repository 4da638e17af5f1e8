// A publisher sends as fast as it can, over each transport, so that the broker has time for nobody else. Enforced: beyond
// its rate it is not read. Not enforced: all of it is taken at once.
import { connect as connectTcp } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import WebSocket, { createWebSocketStream } from 'ws'
import { type MqttBroker, startMqtt } from '../wire/mqtt-broker.ts'
import { MqttWire } from '../wire/mqtt-wire.ts'

const MESSAGES = 4000
/** More than a socket's buffers hold. */
const PAYLOAD = Buffer.alloc(4096, 'x')
const BURST = 100
/** One a second: what comes on top of the burst is waited for longer than any test lasts. */
const SLOW_MESSAGES = { messageRate: 1, messageBurst: BURST }
const SLOW_BYTES = { byteRate: 1, byteBurst: BURST * PAYLOAD.length }
const NONE = { messageRate: 0, byteRate: 0 }

const open: Record<string, (mqtt: MqttBroker) => Duplex> = {
  mqtt: ({ broker }) => connectTcp(broker.port('mqtt'), '127.0.0.1'),
  mqtts: ({ broker }) => connectTls({ host: 'localhost', port: broker.port('mqtts'), ca: broker.ca }),
  ws: ({ broker }) => overWebSocket(`ws://localhost:${broker.port('ws')}/mqtt`),
  wss: ({ broker }) => overWebSocket(`wss://localhost:${broker.port('wss')}/mqtt`, broker.ca),
}

function overWebSocket(url: string, ca?: string): Duplex {
  return createWebSocketStream(new WebSocket(url, ['mqtt'], { perMessageDeflate: false, ...(ca && { ca }) }))
}

/** Sends all of it and nothing else; the socket holds back what is not taken. */
function flood(wire: MqttWire): void {
  const packet = wire.encode({ cmd: 'publish', topic: 'flood', payload: PAYLOAD, qos: 0, retain: false, dup: false })
  const send = (left: number): void => {
    if (left > 0 && !wire.stream.destroyed) wire.stream.write(packet, () => send(left - 1))
  }
  send(MESSAGES)
}

describe.each([
  ['messages', SLOW_MESSAGES],
  ['bytes', SLOW_BYTES],
])('a flood of %s', (reason, slow) => {
  describe.each([
    ['against the broker as it is', { ...NONE, ...slow }],
    ['without a rate', NONE],
  ])('%s', (_, limits) => {
    const enforced = limits !== NONE
    let mqtt: MqttBroker
    beforeAll(async () => {
      // the witness is to see all that was taken
      mqtt = await startMqtt({ limits: { ...limits, outQueueBytes: 2 * MESSAGES * PAYLOAD.length } })
    })
    afterAll(() => mqtt?.close())

    const pauses = async () => {
      const { body } = await mqtt.broker.call('GET', '/metrics')
      const row = new RegExp(`^latchkey_mqtt_throttled_total\\{reason="${reason}"\\} (\\d+)$`, 'm')
      return Number(row.exec(String(body))?.[1] ?? 0)
    }

    test.each(Object.keys(open))(`over %s: ${enforced ? 'repelled' : 'succeeds'}`, async transport => {
      const before = await pauses()
      const witness = await mqtt.client(`witness-${transport}`)
      let came = 0
      const all = new Promise<boolean>(resolve => {
        witness.onPacket = packet => {
          if (packet.cmd === 'publish' && ++came === MESSAGES) resolve(true)
        }
      })
      await witness.subscribe('flood')
      const stream = open[transport]?.(mqtt)
      if (!stream) throw new Error(transport)
      const attacker = new MqttWire(stream)
      await attacker.connect({ clientId: `attacker-${transport}` })
      flood(attacker)
      const paused = async () => {
        while ((await pauses()) === before) if (witness.isClosed) throw new Error('the witness was closed')
        return false
      }
      expect(await Promise.race([all, ...(enforced ? [paused()] : [])])).toBe(!enforced)
      expect((await pauses()) > before).toBe(enforced)
      await witness.settle() // others are served
      // A read takes what the sockets hold, not more; over WebSocket whole frames of it.
      if (enforced) expect(came).toBeLessThan(MESSAGES / 2)
      attacker.destroy()
      witness.destroy()
    })
  })
})
