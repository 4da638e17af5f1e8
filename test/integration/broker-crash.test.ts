// kill -9 at store writes of a whole broker, from the very first one on: what was acknowledged is there after the next
// start, the audit chain verifies, and the broker starts.
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connectAsync, type MqttClient } from 'mqtt'
import { expect, test } from 'vitest'
import { FREE_PORTS_OF_MQTT } from '../fixtures/broker.ts'
import { type BrokerProcess, startBrokerProcess } from '../fixtures/broker-process.ts'

const POLICY = `
version: 1
roles: { own: { permit: [ { id: own, allow: "device/#" } ] } }
assign: [ { type: sensor, roles: [own] } ]
`

/** What a client of the broker was told is done. */
interface Acknowledged {
  policy: boolean
  devices: string[]
  secrets: Map<string, { id: string; secret: string }>
  revoked: string[]
  published: string[]
  retained: string | null
  subscribed: boolean
}

const nothing = (): Acknowledged => ({
  policy: false,
  devices: [],
  secrets: new Map(),
  revoked: [],
  published: [],
  retained: null,
  subscribed: false,
})

async function work(broker: BrokerProcess, done: Acknowledged): Promise<void> {
  await broker.api('PUT', '/v1/policies', { files: [{ path: 'p.yaml', text: POLICY }] })
  done.policy = true
  for (const id of ['reader', 'writer', 'goner']) {
    await broker.api('POST', '/v1/devices', { id, type: 'sensor' })
    done.devices.push(id)
    const issued = await broker.api('POST', '/v1/credentials', { owner: id, kind: 'secret', audience: 'mqtt' })
    done.secrets.set(id, { id: issued.credential.id, secret: issued.secret })
  }
  const reader = await connect(broker, 'reader', done, false)
  await reader.subscribeAsync('device/events', { qos: 1 })
  done.subscribed = true
  await reader.endAsync(true)
  const goner = done.secrets.get('goner')
  await broker.api('POST', `/v1/credentials/${goner?.id}/revoke`, { reason: 'test' })
  done.revoked.push('goner')
  const writer = await connect(broker, 'writer', done, true)
  for (let i = 0; i < 12; i++) {
    await writer.publishAsync('device/events', `event ${i}`, { qos: i % 2 === 0 ? 1 : 2 })
    done.published.push(`event ${i}`)
    await writer.publishAsync('device/state', `state ${i}`, { qos: 1, retain: true })
    done.retained = `state ${i}`
  }
  await writer.endAsync()
}

function connect(broker: BrokerProcess, id: string, done: Acknowledged, clean: boolean): Promise<MqttClient> {
  return connectAsync(`mqtt://127.0.0.1:${broker.listeners.mqtt?.port}`, {
    clientId: id,
    username: id,
    password: done.secrets.get(id)?.secret ?? '',
    clean,
    reconnectPeriod: 0,
    connectTimeout: 5000,
  })
}

async function check(broker: BrokerProcess, done: Acknowledged): Promise<void> {
  const verdict = await broker.api('GET', '/v1/audit/verify')
  expect(verdict).toMatchObject({ ok: true })
  for (const id of done.devices) expect((await broker.api('GET', `/v1/devices/${id}`)).id).toBe(id)
  if (!done.policy) return
  for (const [id] of done.secrets) {
    if (!done.revoked.includes(id)) continue
    await expect(connect(broker, id, done, true), `${id} was revoked`).rejects.toThrowError(/not authorized/i)
  }
  if (done.retained !== null) {
    const writer = await connect(broker, 'writer', done, true)
    const state = new Promise<string>(resolve =>
      writer.once('message', (_topic, payload) => resolve(payload.toString())),
    )
    await writer.subscribeAsync('device/state', { qos: 1 })
    const [, acknowledged] = done.retained.split(' ')
    expect(Number((await state).split(' ')[1])).toBeGreaterThanOrEqual(Number(acknowledged))
    await writer.endAsync()
  }
  if (!done.subscribed) return
  const received: string[] = []
  const reader = await connectAsyncCollecting(broker, done, received)
  for (const text of done.published) expect(received).toContain(text)
  const order = received.map(text => Number(text.split(' ')[1]))
  for (const parity of [0, 1]) {
    const one = order.filter(n => n % 2 === parity)
    expect(
      [...one].sort((a, b) => a - b),
      'order per topic and QoS',
    ).toEqual(one)
  }
  expect(new Set(order.filter(n => n % 2 === 1)).size, 'no QoS 2 duplicate').toBe(order.filter(n => n % 2 === 1).length)
  await reader.endAsync(true)
}

/** Resolves once the queue has been drained: a marker published afterwards has come through. */
async function connectAsyncCollecting(
  broker: BrokerProcess,
  done: Acknowledged,
  received: string[],
): Promise<MqttClient> {
  const { connect: open } = await import('mqtt')
  const reader = open(`mqtt://127.0.0.1:${broker.listeners.mqtt?.port}`, {
    clientId: 'reader',
    username: 'reader',
    password: done.secrets.get('reader')?.secret ?? '',
    clean: false,
    reconnectPeriod: 0,
  })
  const drained = new Promise<void>((resolve, reject) => {
    reader.on('message', (_topic, payload) => {
      if (payload.toString() === 'marker') resolve()
      else received.push(payload.toString())
    })
    reader.on('error', reject)
  })
  await new Promise(resolve => reader.once('connect', resolve))
  // Both QoS levels keep their own order, so both need a marker; the second one to arrive ends it.
  await reader.publishAsync('device/events', 'marker', { qos: 2 })
  await drained
  return reader
}

const ROUNDS = Number(process.env.LATCHKEY_CRASH_ROUNDS ?? 32)

test(`killed at ${ROUNDS} different store writes, before and after each`, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-crash-'))
  const configuration = {
    log: { level: 'error' },
    listeners: FREE_PORTS_OF_MQTT,
  } as const
  let died = 0
  let acknowledged = 0
  try {
    for (let round = 1; round <= ROUNDS; round++) {
      // Every write of the first start, then every third: the work of the clients.
      const write = round <= 10 ? round : 10 + (round - 10) * 3
      const data = join(folder, `data-${write}`)
      const moment = round % 2 === 0 ? 'after' : 'before'
      const done = nothing()
      const first = await startBrokerProcess(
        folder,
        { ...configuration, data },
        { args: ['--unsafe-kill-at-write', `${moment}:${write}`] },
      ).catch(() => null)
      if (first === null) died++
      else {
        // A client whose broker died may wait for ever; the death itself ends the work.
        const worked = await Promise.race([
          work(first, done).then(
            () => true,
            () => false,
          ),
          first.ended.then(() => false),
        ])
        if (worked) await first.stop('SIGKILL')
        else died++
        await first.ended
      }
      const second = await startBrokerProcess(folder, { ...configuration, data })
      try {
        await check(second, done)
      } catch (error) {
        throw new Error(
          `killed ${moment} write ${write}: ${error instanceof Error ? error.message : error}\n${second.log().slice(-2000)}`,
          { cause: error },
        )
      } finally {
        await second.stop()
      }
      acknowledged += done.published.length + done.devices.length + done.secrets.size
      await rm(data, { recursive: true, force: true })
    }
    expect(died, 'the fault was met').toBeGreaterThan(ROUNDS / 2)
    console.info(`${died} deaths in ${ROUNDS} rounds; ${acknowledged} acknowledged changes and messages, all there`)
  } finally {
    expect(await readdir(folder)).toBeDefined()
    await rm(folder, { recursive: true, force: true })
  }
}, 600_000)
