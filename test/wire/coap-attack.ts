// An attack on a CoAP server, run against Latchkey, where it must fail, and against the npm `coap` server, where it works.
import { connectAsync } from 'mqtt'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CODE } from '../../src/coap-wire/codes.ts'
import type { ConfigurationInput } from '../../src/config.ts'
import { FREE_PORTS_WITH_COAP, startBroker, type TestBroker } from '../fixtures/broker.ts'
import { startBareCoap } from './bare-coap.ts'
import { CoapClient } from './coap-wire.ts'
import { TESTER } from './mqtt-broker.ts'

/** Milliseconds between two notifications of the npm server, with some to spare. */
const STIRRED = 150

/** A server under attack: whoever shows nothing may ask it anything. */
export interface CoapTarget {
  readonly port: number
  /** Of something that takes POST, may be observed, and takes a moment to answer. */
  readonly path: readonly string[]
  /** How often a request has had its effect: the handler ran, the message was published. */
  runs(): Promise<number>
  /** Lets observers of `path` have a notification of some hundred bytes. */
  stir(): Promise<void>
  /** Whether it still answers a ping of somebody who did nothing. */
  serves(): Promise<boolean>
}

/** Resolves to true when the attacker got what it wanted. */
export type CoapAttempt = (target: CoapTarget) => Promise<boolean>

export function coapAttack(
  title: string,
  attempts: Record<string, CoapAttempt>,
  configuration: ConfigurationInput = {},
): void {
  describe(title, () => {
    let broker: TestBroker
    let target: CoapTarget & { close(): Promise<void> }
    beforeAll(async () => {
      broker = await startBroker(
        { listeners: FREE_PORTS_WITH_COAP, auth: { anonymous: { role: 'tester' } }, ...configuration },
        { policy: TESTER },
      )
      target = await latchkeyTarget(broker)
    })
    afterAll(async () => {
      await target?.close()
      await broker?.close()
    })

    for (const [name, attempt] of Object.entries(attempts)) {
      test(`${name}: repelled`, async () => {
        expect(await attempt(target)).toBe(false)
        expect(await target.serves()).toBe(true)
      })

      test(`${name}: succeeds against the npm coap server`, async () => {
        const bare = await startBareCoap()
        try {
          expect(
            await attempt({
              port: bare.port,
              path: ['slow'],
              runs: async () => bare.runs(),
              stir: () => new Promise(resolve => setTimeout(resolve, STIRRED)),
              serves: async () => !bare.hasDied(),
            }),
          ).toBe(true)
        } finally {
          await bare.stop()
        }
      })
    }
  })
}

async function latchkeyTarget(broker: TestBroker): Promise<CoapTarget & { close(): Promise<void> }> {
  const port = broker.port('coap')
  const witness = await connectAsync(`mqtt://127.0.0.1:${broker.port('mqtt')}`, { protocolVersion: 5 })
  let runs = 0
  const settled = new Map<string, () => void>()
  witness.on('message', (topic, payload) => {
    if (topic === 'attack/target') runs++
    settled.get(payload.toString())?.()
  })
  await witness.subscribeAsync(['attack/target', 'settle'], { qos: 1 })
  let marks = 0
  /** What was published before has come when this resolves. */
  const settle = async () => {
    const mark = `mark ${marks++}`
    const came = new Promise<void>(resolve => settled.set(mark, resolve))
    await witness.publishAsync('settle', mark, { qos: 1 })
    await came
    settled.delete(mark)
  }
  return {
    port,
    path: ['ps', 'attack', 'target'],
    async runs() {
      await settle()
      return runs
    },
    async stir() {
      await witness.publishAsync('attack/target', 'x'.repeat(512), { qos: 1 })
      await settle()
    },
    async serves() {
      const client = await CoapClient.open(port)
      await client.ping()
      const answer = await client.request({ code: CODE.POST, path: ['ps', 'attack', 'honest'], payload: 'x' })
      await client.close()
      return answer.code === CODE.Changed
    },
    async close() {
      await witness.endAsync(true)
    },
  }
}
