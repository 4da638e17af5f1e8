// Connections to CoAP's TCP listeners that take and give nothing: silent ones, promises of gigabytes, messages that never
// end, answers that nobody reads, floods of Ping and Abort. The broker stays small, and honest devices are served.
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { CODE, codeText } from '../../src/coap-wire/codes.ts'
import { encodeFrame } from '../../src/coap-wire/frame.ts'
import { OPTION } from '../../src/coap-wire/options.ts'
import { abort, csm, ping } from '../../src/coap-wire/signalling.ts'
import { FREE_PORTS } from '../fixtures/broker.ts'
import { type BrokerProcess, startBrokerProcess } from '../fixtures/broker-process.ts'
import { logIn, observeAt, putTo } from '../fixtures/coap-stream-device.ts'
import { CoapStreamClient, ROOMY } from '../wire/coap-stream-client.ts'

const MEGABYTE = 1 << 20
/** Bytes that the broker may be larger during an attack than before it. */
const GROWTH = 96 * MEGABYTE
const UNREAD = 8 * MEGABYTE
const BACKLOG = MEGABYTE
const POLICY = `
version: 1
roles: { own: { permit: [ { id: own, allow: "device/\${device.id}/#" } ] } }
assign: [ { type: sensor, roles: [own] } ]
`

let folder: string
let broker: BrokerProcess
let secret: string
let before: number
let witness: CoapStreamClient
let query: readonly string[]

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'latchkey-greedy-'))
  broker = await startBrokerProcess(folder, {
    listeners: { ...FREE_PORTS, 'coap+tcp': { port: 0 } },
    log: { level: 'error' },
    durability: 'write',
    limits: {
      coap: {
        csmTimeout: 3_000,
        connectionGrace: 1,
        connectionsWaitingPerAddress: 200,
        connectionsPerAddress: 1_000,
        unreadBytes: UNREAD,
        backlogBytes: BACKLOG,
        pingAfter: 2,
        pongTimeout: 2,
        requestBurst: 1_000_000,
      },
    },
  })
  await broker.api('PUT', '/v1/policies', { files: [{ path: 'policy.yaml', text: POLICY }] })
  await broker.api('POST', '/v1/devices', { id: 't1', type: 'sensor' })
  const issued = await broker.api('POST', '/v1/credentials', { owner: 't1', kind: 'secret', audience: 'mqtt' })
  secret = issued.secret
  witness = await CoapStreamClient.tcp(port())
  query = await logIn(witness, 't1', secret)
})
beforeEach(async () => {
  before = await broker.memory()
})
afterAll(async () => {
  await witness?.close()
  await broker?.stop()
  await rm(folder, { recursive: true, force: true })
})

const port = () => broker.listeners['coap+tcp']?.port ?? 0

/** Whoever was connected before is served, and so is a newcomer. */
async function honestAreServed(): Promise<void> {
  expect(codeText((await putTo(witness, 'device/t1/state', 'on', query)).code)).toBe('2.04')
  const newcomer = await CoapStreamClient.tcp(port())
  expect(codeText((await newcomer.request({ path: '.well-known/core' })).code)).toBe('2.05')
  await newcomer.close()
  expect(broker.process.exitCode).toBeNull()
  expect(broker.log()).toBe('')
  expect((await broker.memory()) - before).toBeLessThan(GROWTH)
}

/** Connected; what it does next is for the test. */
function dial(first: Buffer = Buffer.alloc(0)): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port: port(), host: '127.0.0.1' }, () => {
      if (first.length > 0) socket.write(first)
      resolve(socket)
    })
    socket.on('error', reject)
    socket.on('error', () => {})
  })
}

const closed = (socket: Socket) =>
  new Promise<void>(resolve => {
    if (socket.destroyed) resolve()
    else socket.once('close', () => resolve())
    socket.resume()
  })
const gone = () => expect.poll(() => broker.metric('latchkey_coap_connections'), { timeout: 20_000 }).toBe(1)
const CSM = encodeFrame(csm(ROOMY))

test('silent connections give way to newcomers, and are gone in time', async () => {
  const silent = await Promise.all(Array.from({ length: 600 }, () => dial()))
  await honestAreServed()
  expect(await broker.metric('latchkey_coap_connections_waiting')).toBeLessThanOrEqual(200)
  await Promise.all(silent.map(closed))
  await gone()
})

test('a Len that promises gigabytes is refused at its head, before and after the CSM', async () => {
  const promise = Buffer.from('f0ffffffff', 'hex')
  const greedy = await Promise.all(
    Array.from({ length: 300 }, (_, i) => dial(i % 2 === 0 ? promise : Buffer.concat([CSM, promise]))),
  )
  await Promise.all(greedy.map(closed))
  await honestAreServed()
  await gone()
})

test('messages that never end are kept up to a bound, all together', async () => {
  const promised = encodeFrame({
    code: CODE.PUT,
    token: Buffer.alloc(0),
    options: [],
    payload: Buffer.alloc(1_000_000),
  })
  const clients = []
  for (let i = 0; i < 60; i++) {
    const client = await CoapStreamClient.tcp(port())
    await logIn(client, 't1', secret)
    client.send(promised.subarray(0, 900_000))
    clients.push(client)
  }
  // 54 MB have been sent: all but what fits is refused.
  await expect.poll(() => broker.metric('latchkey_coap_connections'), { timeout: 20_000 }).toBeLessThan(15)
  expect(await broker.metric('latchkey_coap_unread_bytes')).toBeLessThanOrEqual(UNREAD + MEGABYTE)
  expect(clients.flatMap(({ signals }) => signals)).toContainEqual(
    expect.objectContaining({ kind: 'abort', diagnostic: 'too many messages are under way' }),
  )
  const again = await logIn(witness, 't1', secret)
  query = again
  await honestAreServed()
  await Promise.all(clients.map(client => client.close()))
  await gone()
  expect(await broker.metric('latchkey_coap_unread_bytes')).toBe(0)
})

test('answers that nobody reads stop the questions, and then the connection', async () => {
  expect((await putTo(witness, 'device/t1/large', Buffer.alloc(500_000), query)).code).toBe(CODE.Changed)
  const greedy = await CoapStreamClient.tcp(port())
  const own = await logIn(greedy, 't1', secret)
  greedy.stream.pause()
  for (let i = 0; i < 2_000; i++) greedy.send(greedy.compose({ path: 'ps/device/t1/large', query: own }))
  await expect
    .poll(() => broker.metric('latchkey_coap_backlog_bytes'), { timeout: 20_000 })
    .toBeGreaterThan(BACKLOG / 2)
  expect(await broker.metric('latchkey_coap_backlog_bytes')).toBeLessThan(3 * BACKLOG)
  await gone()
  greedy.stream.resume()
  await greedy.ended
  query = await logIn(witness, 't1', secret)
  await honestAreServed()
  expect(await broker.metric('latchkey_coap_backlog_bytes')).toBe(0)
})

test('an observer that does not read costs its publisher nothing', async () => {
  const greedy = await CoapStreamClient.tcp(port())
  await observeAt(greedy, 'device/t1/stream', { query })
  greedy.stream.pause()
  const payload = Buffer.alloc(50_000)
  for (let i = 0; i < 400; i++) {
    const options = [{ number: OPTION.UriQuery, value: Buffer.from('qos=0') }]
    const put = witness.compose({ code: CODE.POST, path: 'ps/device/t1/stream', query, payload, options })
    const answer = witness.answerTo(put.token)
    witness.send(put)
    expect((await answer).code).toBe(CODE.Changed)
  }
  expect(await broker.metric('latchkey_coap_backlog_bytes')).toBeLessThanOrEqual(BACKLOG)
  await greedy.close()
  await honestAreServed()
  await gone()
})

test('floods of Ping, of Abort, and of both', async () => {
  const pings = Buffer.concat([CSM, ...Array.from({ length: 100_000 }, () => encodeFrame(ping(Buffer.from([1]))))])
  const deaf = await Promise.all(Array.from({ length: 10 }, () => dial(pings)))
  for (let round = 0; round < 20; round++) {
    const last = Buffer.concat([CSM, encodeFrame(ping(Buffer.from([1]))), encodeFrame(abort('again'))])
    const aborting = await Promise.all(Array.from({ length: 100 }, () => dial(last)))
    await Promise.all(aborting.map(closed))
  }
  await honestAreServed()
  for (const socket of deaf) socket.destroy()
  await gone()
})
