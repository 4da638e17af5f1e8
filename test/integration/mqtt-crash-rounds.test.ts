// kill -9 at random points, also while the broker starts, round after round over one data directory: publishers of QoS 1
// and 2 and persistent subscribers, online and offline, lose nothing that was acknowledged, get no QoS 2 message twice and
// keep the order.
//   LATCHKEY_CRASH_ROUNDS=500 LATCHKEY_TEST_SEED=1 npm test -- test/integration/mqtt-crash-rounds.test.ts
import { randomInt } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { FREE_PORTS_OF_MQTT } from '../fixtures/broker.ts'
import { type BrokerProcess, startBrokerProcess } from '../fixtures/broker-process.ts'
import { generator } from '../fixtures/fuzz.ts'
import { LastingReceiver } from '../wire/lasting-receiver.ts'
import { LastingSender } from '../wire/lasting-sender.ts'
import { TESTER } from '../wire/mqtt-broker.ts'
import { MqttWire } from '../wire/mqtt-wire.ts'

const ROUNDS = Number(process.env.LATCHKEY_CRASH_ROUNDS ?? 12)
const SEED = Number(process.env.LATCHKEY_TEST_SEED ?? randomInt(2 ** 31))

const CONFIGURATION = {
  auth: { anonymous: { role: 'tester' } },
  listeners: FREE_PORTS_OF_MQTT,
  log: { level: 'error' },
} as const

/** Messages that may wait for somebody who is away before a round lets him have them: fewer than his queue takes. */
const ENOUGH = 4000
/** Milliseconds after which a round is killed that did not come to its point. */
const LONGEST = 3000

const random = generator(SEED)
const below = (limit: number) => Math.floor(random() * limit)
const pick = <T>(...items: readonly T[]): T => items[below(items.length)] as T

const senders = ([4, 5] as const).flatMap(version =>
  ([1, 2] as const).map(qos => new LastingSender(`v${version}-q${qos}`, version, qos, random)),
)
const online = [new LastingReceiver('online-4', 4), new LastingReceiver('online-5', 5, 10)]
const offline = [new LastingReceiver('offline-4', 4), new LastingReceiver('offline-5', 5)]
const receivers = [...online, ...offline]

const sum = (numbers: Iterable<number>) => [...numbers].reduce((total, each) => total + each, 0)
/** Messages that were sent and have not reached somebody. */
const waitingFor = (receiver: LastingReceiver) =>
  sum(senders.flatMap(({ sent }) => [...sent].map(([topic, number]) => number - (receiver.last.get(topic) ?? 0))))
const isDrained = () =>
  senders.every(({ unfinished }) => unfinished === 0) && receivers.every(receiver => waitingFor(receiver) === 0)

let folder: string
let broker: BrokerProcess
let wires: MqttWire[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'latchkey-rounds-'))
  broker = await startBrokerProcess(folder, CONFIGURATION)
  await broker.api('PUT', '/v1/policies', { files: [{ path: 'policy.yaml', text: TESTER }] })
  for (const receiver of receivers) await (await openReceiver(receiver, false)).subscribe('#', 2)
  await broker.stop('SIGKILL')
})
afterAll(async () => {
  await broker?.stop('SIGKILL')
  await rm(folder, { recursive: true, force: true })
})

function dial(version: 4 | 5 | 3): MqttWire {
  const wire = MqttWire.tcp(broker.listeners.mqtt?.port ?? 0, version)
  wires.push(wire)
  return wire
}

const lasting = (version: number, more = {}) =>
  version === 5 ? { clean: false, properties: { sessionExpiryInterval: 86_400, ...more } } : { clean: false }

async function openReceiver(receiver: LastingReceiver, isKnown = true): Promise<MqttWire> {
  const { clientId, version, receiveMaximum } = receiver
  const wire = dial(version)
  receiver.attach(wire)
  wire.sendConnect({ clientId, ...lasting(version, receiveMaximum === null ? {} : { receiveMaximum }) })
  const { sessionPresent } = await wire.next('connack')
  if (sessionPresent !== isKnown) receiver.faults.push(`${clientId}: session present ${sessionPresent}`)
  return wire
}

async function openSender(sender: LastingSender): Promise<MqttWire> {
  const { clientId, version } = sender
  const wire = dial(version)
  wire.sendConnect({ clientId, ...lasting(version) })
  await wire.next('connack')
  sender.attach(wire)
  return wire
}

/** Every topic holds what was acknowledged last, or something newer. */
async function checkRetained(): Promise<void> {
  const wire = dial(5)
  await wire.connect({ clientId: 'visitor' })
  await wire.subscribe('state/#', 1)
  const found = new Map<string, number>()
  for (const { topic, payload } of await wire.waiting()) found.set(topic, Number(payload.toString().split(' ')[1]))
  for (const { retainedTopic, confirmed } of senders)
    expect(found.get(retainedTopic) ?? 0, retainedTopic).toBeGreaterThanOrEqual(confirmed.get(retainedTopic) ?? 0)
  await wire.leave()
}

/** When a round ends: after some time, after so many acknowledgements, around a write, or when nothing is left to do. */
type Point =
  | { readonly kind: 'delay'; readonly milliseconds: number }
  | { readonly kind: 'acknowledgements'; readonly count: number }
  | { readonly kind: 'write'; readonly moment: string }
  | { readonly kind: 'rest' }

function nextPoint(): Point {
  if (Math.max(...receivers.map(waitingFor)) > ENOUGH) return { kind: 'rest' }
  switch (below(10)) {
    case 0:
      return { kind: 'rest' }
    case 1:
    case 2:
    case 3:
      return { kind: 'delay', milliseconds: below(400) }
    case 4:
    case 5:
    case 6:
      return { kind: 'acknowledgements', count: 1 + below(600) }
    default:
      return { kind: 'write', moment: `${pick('before', 'after')}:${1 + below(pick(6, 120))}` }
  }
}

/** Resolves when the time has come to kill; never, when the broker does it itself or dies before. */
async function come(point: Point): Promise<void> {
  if (point.kind === 'delay') return new Promise(resolve => setTimeout(resolve, point.milliseconds))
  if (point.kind === 'rest') return void (await expect.poll(isDrained, { timeout: 60_000, interval: 10 }).toBe(true))
  if (point.kind === 'write') return new Promise(resolve => setTimeout(resolve, LONGEST))
  let left = point.count
  return new Promise(resolve => {
    for (const sender of senders)
      sender.onAcknowledged = () => {
        if (--left === 0) resolve()
      }
    setTimeout(resolve, LONGEST)
  })
}

/** What the clients do; a step fails when the broker dies under it. */
async function load(isRest: boolean): Promise<void> {
  await checkRetained()
  const here = isRest || below(4) === 0 ? receivers : online
  const opened = await Promise.all([...here, ...senders].map(async client => ({ client, wire: await open(client) })))
  for (const sender of senders) sender.publish(50 + below(250))
  if (isRest || below(3) > 0) return
  // Somebody loses the connection and is back before the broker knows.
  await new Promise(resolve => setTimeout(resolve, below(100)))
  const { client, wire } = pick(...opened)
  wire.destroy()
  await open(client)
}

const open = (client: LastingSender | LastingReceiver) =>
  client instanceof LastingSender ? openSender(client) : openReceiver(client)

let [deaths, deathsAtStart] = [0, 0]

async function round(point: Point): Promise<void> {
  const args = point.kind === 'write' ? ['--unsafe-kill-at-write', point.moment] : []
  try {
    broker = await startBrokerProcess(folder, { ...CONFIGURATION, durability: pick('fsync', 'write') }, { args })
  } catch (error) {
    if (point.kind !== 'write' || !String(error).includes('SIGKILL')) throw error
    deathsAtStart++
    return
  }
  const died = broker.ended.then(() => true)
  const working = load(point.kind === 'rest').catch(error => {
    // The broker has died, or is about to: then it is no fault that a connection broke.
    if (!/connection was closed/.test(String(error))) throw error
  })
  const diedByItself = await Promise.race([come(point).then(() => false), died, working.then(() => died)])
  if (diedByItself && point.kind !== 'write') throw new Error(`the broker died by itself: ${broker.log()}`)
  const { signal } = await broker.stop('SIGKILL')
  expect(signal, broker.log()).toBe('SIGKILL')
  deaths++
  for (const wire of wires) await wire.closed() // what the broker wrote before it died arrives
  await working
  wires = []
  expect(broker.log()).toBe('')
  expect([...senders, ...receivers].flatMap(({ faults }) => faults)).toEqual([])
}

test(
  `${ROUNDS} deaths by kill -9, seed ${SEED}: nothing acknowledged is lost or out of order, nothing of QoS 2 comes twice`,
  async () => {
    for (let number = 1; number <= ROUNDS; number++) {
      const point = nextPoint()
      await round(point).catch(error => {
        throw new Error(`seed ${SEED}, round ${number}, ${JSON.stringify(point)}`, { cause: error })
      })
    }
    await round({ kind: 'rest' })
    for (const { sent, confirmed } of senders) expect(confirmed).toEqual(sent)
    for (const { last } of receivers) expect(last).toEqual(new Map(senders.flatMap(({ confirmed }) => [...confirmed])))
    const acknowledged = sum(senders.map(sender => sender.acknowledged))
    expect(acknowledged).toBeGreaterThan(ROUNDS * 50)
    console.info(
      [
        `seed ${SEED}: ${deaths} deaths at work and ${deathsAtStart} at the start`,
        `${acknowledged} acknowledged of which 0 lost`,
        `${sum(senders.map(({ repeated }) => repeated))} repeated by publishers`,
        `${sum(receivers.map(({ delivered }) => delivered))} delivered`,
        `${sum(receivers.map(({ repeatedOnce }) => repeatedOnce))} QoS 1 duplicates`,
        '0 QoS 2 duplicates',
        `${sum(receivers.map(({ marked }) => marked))} packets with DUP`,
      ].join(', '),
    )
  },
  60_000 + ROUNDS * 20_000,
)
