// 200 000 ClientHellos to the broker's coaps listener, from addresses that answer nothing: no session is made for any, what
// goes out is less than three times of what came in, a session that is open works on, and newcomers still shake hands.
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CODE } from '../../src/coap-wire/codes.ts'
import type { DtlsClientOptions } from '../../src/dtls/client.ts'
import { FREE_PORTS_WITH_COAPS } from '../fixtures/broker.ts'
import { type BrokerProcess, startBrokerProcess } from '../fixtures/broker-process.ts'
import { told } from '../fixtures/coap-device.ts'
import { openChannel } from '../fixtures/coaps-device.ts'
import { record } from '../fixtures/dtls-datagrams.ts'

const HELLOS = 200_000
/** The kernel may drop some. */
const SENT = 204_000
const SENDERS = 32
/** Hellos between two looks at whether the broker still serves. */
const BURST = 250
const NEWCOMER_EVERY = 20_000
const MEGABYTE = 1 << 20
/** Where the client random of a hello lies: behind the headers of record and handshake, and the version. */
const RANDOM = 13 + 12 + 2

let folder: string
let broker: BrokerProcess
let psk: DtlsClientOptions
const port = () => broker.listeners.coaps?.port ?? 0

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'latchkey-flood-'))
  broker = await startBrokerProcess(folder, { listeners: FREE_PORTS_WITH_COAPS, log: { level: 'info' } })
  const text = `
version: 1
roles: { own: { permit: [ { id: own, allow: "device/\${device.id}/#" } ] } }
assign: [ { type: sensor, roles: [own] } ]
`
  await broker.api('PUT', '/v1/policies', { files: [{ path: 'policy.yaml', text }] })
  await broker.api('POST', '/v1/devices', { id: 'honest', type: 'sensor' })
  const issued = await broker.api('POST', '/v1/credentials', { owner: 'honest', kind: 'psk' })
  psk = { psk: { identity: issued.psk.identity, key: Buffer.from(issued.psk.key, 'hex') } }
})
afterAll(async () => {
  await broker?.stop()
  await rm(folder, { recursive: true, force: true })
})

test(`${HELLOS} spoofed hellos`, { timeout: 180_000 }, async () => {
  const sent: Buffer[] = []
  const open = await openChannel({ port }, psk, { sending: bytes => sent.push(Buffer.from(bytes)) })
  const observation = await open.client.observe({ path: 'ps/device/honest/state' })
  const hello = sent[0] ?? Buffer.alloc(0)
  const flood = await Flood.begin(hello)
  const memory: number[] = []
  for (let round = 0; round * BURST < SENT; round += 1) {
    flood.burst(BURST, port())
    // What was sent before it was read before it: the broker takes datagrams in their order.
    const put = await open.client.request({ code: CODE.PUT, path: 'ps/device/honest/state', payload: `${round}` })
    expect(told(put)).toBe('2.04')
    const isTold = (await observation.next(({ payload }) => payload.length > 0)).payload.toString()
    expect(isTold).toBe(`${round}`)
    if ((round * BURST) % NEWCOMER_EVERY === 0) {
      const newcomer = await openChannel({ port }, psk)
      expect(told(await newcomer.client.request({ path: 'ps/device/honest/state' }))).toBe(`2.05 ${round}`)
      await newcomer.client.close()
      memory.push(await broker.memory())
    }
  }
  const read = () => broker.metric('latchkey_dtls_hellos_total')
  await expect.poll(read, { timeout: 20_000 }).toBeGreaterThanOrEqual(HELLOS)
  expect(await broker.metric('latchkey_dtls_pending')).toBe(0)
  // The open one and the newcomers, whose goodbyes may have been lost.
  expect(await broker.metric('latchkey_dtls_sessions')).toBeLessThanOrEqual(1 + memory.length)
  expect(open.session.isOpen).toBe(true)
  const { came } = flood
  await flood.end()
  console.info(
    `${SENT * hello.length} bytes in, ${came} out, RSS ${memory.map(each => Math.round(each / MEGABYTE))} MB`,
  )
  expect(came).toBeGreaterThan(0)
  expect(came).toBeLessThan(3 * HELLOS * hello.length)
  const half = memory.length / 2
  expect((Math.max(...memory.slice(half)) - Math.max(...memory.slice(0, half))) / MEGABYTE).toBeLessThan(32)
  const lines = broker.log().split('\n')
  expect(
    lines.filter(line => line !== '' && !/"(http request|ready|session-\w+|sessions and .*)"}$/.test(line)),
  ).toEqual([])
  await open.client.close()
})

test('records of every short length and kind in the name of an open session', async () => {
  const open = await openChannel({ port }, psk)
  await open.client.request({ path: 'ps/device/honest/state' })
  for (const type of [20, 21, 22, 23, 24, 25])
    for (const epoch of [0, 1, 2])
      for (let length = 0; length < 64; length += 1)
        open.spoof(record(type, epoch, 5_000 + length, Buffer.alloc(length, 2)))
  for (const type of [21, 22, 23]) open.spoof(record(type, 1, 2 ** 47, Buffer.alloc(40)))
  expect(told(await open.client.request({ code: CODE.PUT, path: 'ps/device/honest/a', payload: 'x' }))).toBe('2.04')
  expect(told(await open.client.request({ path: 'ps/device/honest/a' }))).toBe('2.05 x')
  expect(open.session.isOpen).toBe(true)
  await open.client.close()
})

/** From many addresses and ports, whose owners never asked for anything and count what they get. */
class Flood {
  came = 0
  readonly #sockets: Socket[]
  readonly #hello: Buffer
  #next = 0

  private constructor(sockets: Socket[], hello: Buffer) {
    this.#sockets = sockets
    this.#hello = hello
    for (const socket of sockets)
      socket.on('message', ({ length }) => {
        this.came += length
      })
  }

  static async begin(hello: Buffer): Promise<Flood> {
    const sockets = Array.from({ length: SENDERS }, () => createSocket({ type: 'udp4', recvBufferSize: 1 << 20 }))
    for (const [at, socket] of sockets.entries()) {
      socket.bind(0, `127.0.${at}.9`)
      await once(socket, 'listening')
    }
    return new Flood(sockets, hello)
  }

  burst(many: number, to: number): void {
    for (let n = 0; n < many; n += 1) {
      this.#next += 1
      const hello = Buffer.from(this.#hello)
      hello.writeUInt32BE(this.#next, RANDOM)
      this.#sockets[this.#next % SENDERS]?.send(hello, to, '127.0.0.1')
    }
  }

  async end(): Promise<void> {
    for (const socket of this.#sockets) {
      socket.close()
      await once(socket, 'close')
    }
  }
}
