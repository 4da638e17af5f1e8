// A broker for tests of the protocol alone: whoever shows nothing may do everything, over plain TCP on loopback.
import type { ConfigurationInput } from '../../src/config.ts'
import { type StartOptions, startBroker, type TestBroker } from '../fixtures/broker.ts'
import { MqttWire, type Version } from './mqtt-wire.ts'

export const TESTER = `
version: 1
roles:
  tester:
    permit:
      - { id: anything, allow: "#" }
`

/** The system's clock, which a test may set forward. */
export class ShiftedClock {
  shift = 0

  now(): number {
    return Date.now() + this.shift
  }
}

export interface MqttBroker {
  readonly broker: TestBroker
  /** A client that has not sent anything yet. */
  wire(version?: Version): MqttWire
  /** A connected client. */
  client(clientId: string, options?: Parameters<MqttWire['connect']>[0], version?: Version): Promise<MqttWire>
  /** Ends all clients and the broker. */
  close(): Promise<void>
}

export async function startMqtt(
  configuration: ConfigurationInput = {},
  options: StartOptions = {},
): Promise<MqttBroker> {
  const broker = await startBroker(
    { auth: { anonymous: { role: 'tester' } }, ...configuration },
    { policy: TESTER, ...options },
  )
  const wires: MqttWire[] = []
  const wire = (version: Version = 5) => {
    const made = MqttWire.tcp(broker.port('mqtt'), version)
    wires.push(made)
    return made
  }
  return {
    broker,
    wire,
    async client(clientId, connect = {}, version = 5) {
      const made = wire(version)
      await made.connect({ clientId, ...connect })
      return made
    },
    async close() {
      for (const made of wires) made.destroy()
      await broker.close()
    },
  }
}
