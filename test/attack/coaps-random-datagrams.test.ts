// Random and mutated datagrams on coaps: DTLS that is none, from strangers, and CoAP that is none, inside of sessions. The
// broker lives, the sessions and observations that are open go on, and its memory stays bounded.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CODE } from '../../src/coap-wire/codes.ts'
import { TYPE } from '../../src/coap-wire/message.ts'
import { DtlsClient, type DtlsClientOptions } from '../../src/dtls/client.ts'
import { FREE_PORTS_WITH_COAPS } from '../fixtures/broker.ts'
import { type BrokerProcess, startBrokerProcess } from '../fixtures/broker-process.ts'
import { told } from '../fixtures/coap-device.ts'
import { datagram } from '../fixtures/coap-fuzz.ts'
import { openChannel } from '../fixtures/coaps-device.ts'
import { udp } from '../fixtures/datagram-network.ts'
import { mutated } from '../fixtures/dtls-datagrams.ts'
import { generator } from '../fixtures/fuzz.ts'
import { NO_RATE_OF_ATTEMPTS, NO_RATE_OF_REQUESTS } from '../fixtures/fuzzed-broker.ts'
import { strangersSocket } from '../fixtures/strangers-socket.ts'
import type { CoapClient } from '../wire/coap-wire.ts'

const DATAGRAMS = Number(process.env.LATCHKEY_FUZZ_PACKETS ?? 100_000)
const SEED = Number(process.env.LATCHKEY_FUZZ_SEED ?? 20_261_123)
const MEGABYTE = 1 << 20
const SESSIONS = 8
/** Datagrams between two pings: what came before a ping was taken before it, or dropped by the kernel. */
const BURST = 40

let folder: string
let broker: BrokerProcess
const credentials: DtlsClientOptions[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'latchkey-fuzz-'))
  broker = await startBrokerProcess(folder, {
    listeners: FREE_PORTS_WITH_COAPS,
    log: { level: 'error' },
    durability: 'write',
    limits: {
      authentication: NO_RATE_OF_ATTEMPTS,
      coap: NO_RATE_OF_REQUESTS,
      dtls: { pendingPerAddress: 1_000, handshakeTimeout: 2_000 },
    },
  })
  const text = `
version: 1
roles: { own: { permit: [ { id: own, allow: "device/\${device.id}/#" } ] } }
assign: [ { type: sensor, roles: [own] } ]
`
  await broker.api('PUT', '/v1/policies', { files: [{ path: 'policy.yaml', text }] })
  for (let i = 0; i < SESSIONS; i++) {
    await broker.api('POST', '/v1/devices', { id: `fuzz-${i}`, type: 'sensor' })
    const { psk } = await broker.api('POST', '/v1/credentials', { owner: `fuzz-${i}`, kind: 'psk' })
    credentials.push({ psk: { identity: psk.identity, key: Buffer.from(psk.key, 'hex') } })
  }
})
afterAll(async () => {
  await broker?.stop()
  await rm(folder, { recursive: true, force: true })
})

const port = () => broker.listeners.coaps?.port ?? 0

test(`${DATAGRAMS} datagrams, seed ${SEED}`, { timeout: 300_000 }, async () => {
  const random = generator(SEED)
  const corpus = await recorded()
  const sessions = await Promise.all(credentials.map(each => openChannel({ port }, each)))
  // One that only watches: what others send is nothing to it.
  const watcher = await openChannel({ port }, credentials[0] ?? {})
  const watched = await watcher.client.observe({ path: 'ps/device/fuzz-0/watched' })
  const strangers = await Promise.all(Array.from({ length: SESSIONS }, strangersSocket))
  const memory: number[] = []
  for (let sent = 0; sent < DATAGRAMS; sent += 2 * BURST * SESSIONS) {
    await Promise.all(
      sessions.map(async ({ client, session }, i) => {
        for (let n = 0; n < BURST; n++) {
          strangers[i]?.send(mutated(random, corpus), port(), '127.0.0.1')
          const payload = datagram(random, ['device', `fuzz-${i}`], [])
          if (payload.length > 0 && payload.length <= session.maximumPayload) client.send(payload)
        }
        await ping(client)
        client.inbox.take()
        client.received.length = 0
        client.datagrams.length = 0
      }),
    )
    if (sent % (50 * BURST * SESSIONS) === 0) memory.push(await broker.memory())
  }
  for (const [i, channel] of sessions.entries()) {
    expect(channel.session.isOpen).toBe(true)
    const path = `ps/device/fuzz-${i}/state`
    expect(told(await channel.client.request({ code: CODE.PUT, path, payload: 'alive' }))).toBe('2.04')
    expect(told(await channel.client.request({ path }))).toBe('2.05 alive')
  }
  await sessions[0]?.client.request({ code: CODE.PUT, path: 'ps/device/fuzz-0/watched', payload: 'seen' })
  expect(told(await watched.next(({ payload }) => payload.includes('seen')))).toBe('2.05 seen')
  const half = Math.ceil(memory.length / 2)
  const growth = Math.max(...memory.slice(half)) - Math.max(...memory.slice(0, half))
  expect(growth / MEGABYTE).toBeLessThan(32)
  for (const { client } of [...sessions, watcher]) await client.close()
  for (const socket of strangers) socket.close()
})

/** Again and again: the kernel may have dropped it among the others. */
async function ping(client: CoapClient): Promise<void> {
  const messageId = client.messageId()
  const send = () => client.sendEmpty(TYPE.CON, messageId)
  const again = setInterval(send, 500)
  send()
  await client.next(message => message.type === TYPE.RST && message.messageId === messageId)
  clearInterval(again)
}

/** What goes to the broker in a handshake. */
async function recorded(): Promise<Buffer[]> {
  const sent: Buffer[] = []
  const to = { address: '127.0.0.1', port: port() }
  for (const options of credentials.slice(0, 2)) {
    let deliver: (bytes: Buffer) => void = () => {}
    const socket = await udp.bind(bytes => deliver(bytes))
    await new Promise<void>((resolve, reject) => {
      const session = new DtlsClient(options).connect(to, {
        send(bytes) {
          sent.push(Buffer.from(bytes))
          socket.send(bytes, to)
        },
        opened: resolve,
        message() {},
        ended: ({ reason }) => reject(new Error(`no session to record: ${reason}`)),
      })
      deliver = bytes => session.receive(bytes)
    })
    socket.close()
  }
  return sent
}
