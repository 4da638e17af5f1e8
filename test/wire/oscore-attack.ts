// An attack on a server that speaks OSCORE, run against Latchkey, where it must fail, and against a simple one, where it works.

import { connectAsync } from 'mqtt'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { OscoreContext as IssuedContext } from '../../src/client/types.ts'
import { FREE_PORTS, startBroker, type TestBroker } from '../fixtures/broker.ts'
import { contextOf, issueContext, OscoreDevice } from '../fixtures/oscore-device.ts'
import { BareOscore } from './bare-oscore.ts'

export interface OscoreTarget {
  readonly port: number
  /** Of the victim, which may write below `device/victim`, and of a device that may write below `device/mallory`. */
  readonly victim: IssuedContext
  readonly mallory: IssuedContext
  /** What a topic holds. */
  value(topic: string): Promise<string>
  /** Somebody who may publishes to it. */
  publish(topic: string, value: string): Promise<void>
  /** The server ends and comes back, on another port. */
  restart(): Promise<void>
}

/** Resolves to true when the attacker got what it wanted. */
export type OscoreAttempt = (target: OscoreTarget) => Promise<boolean>

export function oscoreAttack(title: string, attempts: Record<string, OscoreAttempt>): void {
  describe(title, () => {
    let target: LatchkeyTarget
    beforeAll(async () => {
      target = await LatchkeyTarget.start()
    })
    afterAll(() => target?.close())

    for (const [name, attempt] of Object.entries(attempts)) {
      test(`${name}: repelled`, async () => {
        await target.renew()
        expect(await attempt(target)).toBe(false)
        // Whoever did nothing is served on.
        const honest = await OscoreDevice.open(target.port, contextOf(await target.another()))
        expect((await honest.put('device/honest/a', 'x')).code).toBe(0x44)
        await honest.close()
      })

      test(`${name}: succeeds against a server that believes what it decrypts`, async () => {
        const bare = await BareTarget.start(target)
        try {
          expect(await attempt(bare)).toBe(true)
        } finally {
          await bare.close()
        }
      })
    }
  })
}

class LatchkeyTarget implements OscoreTarget {
  victim!: IssuedContext
  mallory!: IssuedContext
  #broker: TestBroker
  readonly #data: string

  private constructor(broker: TestBroker) {
    this.#broker = broker
    this.#data = broker.data
  }

  static async start(): Promise<LatchkeyTarget> {
    const target = new LatchkeyTarget(await startBroker(CONFIGURATION))
    for (const id of ['victim', 'mallory', 'honest', 'witness']) await target.#broker.device(id)
    return target
  }

  /** Contexts that nobody has used. */
  async renew(): Promise<void> {
    this.victim = (await issueContext(this.#broker, 'victim')).oscore
    this.mallory = (await issueContext(this.#broker, 'mallory')).oscore
  }

  async another(): Promise<IssuedContext> {
    return (await issueContext(this.#broker, 'honest')).oscore
  }

  get port(): number {
    return this.#broker.port('coap')
  }

  async value(topic: string): Promise<string> {
    const owner = topic.split('/')[1] ?? ''
    const reader = await OscoreDevice.open(this.port, contextOf((await issueContext(this.#broker, owner)).oscore))
    const answer = await reader.get(topic)
    await reader.close()
    return answer.payload.toString()
  }

  async publish(topic: string, value: string): Promise<void> {
    const owner = topic.split('/')[1] ?? ''
    const { secret } = await this.#broker.secret(owner)
    const port = this.#broker.port('mqtt')
    const options = { clientId: owner, username: owner, password: secret, protocolVersion: 5 } as const
    const publisher = await connectAsync(`mqtt://127.0.0.1:${port}`, options)
    await publisher.publishAsync(topic, value, { qos: 1, retain: true })
    await publisher.endAsync()
  }

  async restart(): Promise<void> {
    await this.#broker.latchkey.close()
    this.#broker = await startBroker(CONFIGURATION, { data: this.#data })
  }

  close(): Promise<void> {
    return this.#broker.close()
  }
}

class BareTarget implements OscoreTarget {
  readonly victim: IssuedContext
  readonly mallory: IssuedContext
  #server: BareOscore

  private constructor(server: BareOscore, { victim, mallory }: Pick<OscoreTarget, 'victim' | 'mallory'>) {
    this.#server = server
    this.victim = victim
    this.mallory = mallory
  }

  static async start(contexts: Pick<OscoreTarget, 'victim' | 'mallory'>): Promise<BareTarget> {
    return new BareTarget(await BareOscore.start(ownersOf(contexts)), contexts)
  }

  get port(): number {
    return this.#server.port
  }

  async value(topic: string): Promise<string> {
    return this.#server.values.get(topic) ?? ''
  }

  async publish(topic: string, value: string): Promise<void> {
    this.#server.write(topic, value)
  }

  async restart(): Promise<void> {
    const { values } = this.#server
    await this.#server.close()
    this.#server = await BareOscore.start(ownersOf(this))
    for (const [topic, value] of values) this.#server.values.set(topic, value)
  }

  close(): Promise<void> {
    return this.#server.close()
  }
}

const CONFIGURATION = {
  listeners: { ...FREE_PORTS, coaps: false, coap: { port: 0 } },
  limits: { registry: { credentialsPerOwner: 200 } },
} as const

const ownersOf = ({ victim, mallory }: Pick<OscoreTarget, 'victim' | 'mallory'>) =>
  new Map(Object.entries({ victim, mallory }))
