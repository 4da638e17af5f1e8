// Random and spoiled datagrams and frames on all six CoAP listeners of one broker at once, half of them behind a login or a
// handshake, while devices have sessions open on each: by secret, pre-shared key, certificate and OSCORE, with observations and
// a payload on its way in blocks. All of them are served all the time, and observers miss nothing.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connectAsync } from 'mqtt'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CODE } from '../../src/coap-wire/codes.ts'
import { OPTION } from '../../src/coap-wire/options.ts'
import { FAILURES } from '../../src/model/failure.ts'
import { FREE_PORTS_WITH_COAP_STREAMS, FREE_PORTS_WITH_COAPS } from '../fixtures/broker.ts'
import { type BrokerProcess, startBrokerProcess } from '../fixtures/broker-process.ts'
import { told } from '../fixtures/coap-device.ts'
import { byPsk } from '../fixtures/coaps-device.ts'
import { generator } from '../fixtures/fuzz.ts'
import { blockOption } from '../wire/coap-blocks.ts'
import { type Fuzzer, type FuzzReport, newReport, overDtls, overStream, overUdp } from '../wire/coap-fuzzers.ts'
import { openWitnesses, proveServed, type Served, type Witness } from '../wire/coap-witnesses.ts'

/** On each listener. */
const MESSAGES = Number(process.env.LATCHKEY_FUZZ_PACKETS ?? 2_400)
const SEED = Number(process.env.LATCHKEY_FUZZ_SEED ?? 20_261_123)
/** A block of a transfer goes with each, and it must not rest for long. */
const ROUNDS = Math.ceil(MESSAGES / 200)
const MEGABYTE = 1 << 20
const LISTENERS = ['coap', 'coaps', 'coap+tcp', 'coaps+tcp', 'coap+ws', 'coaps+ws'] as const
const TOPIC = 'witness/count'
const BLOCK = 64
const FETCHED = 1024

const POLICY = `
version: 1
roles:
  own: { permit: [ { id: own, allow: "device/\${device.id}/#" } ] }
  witness: { permit: [ { id: read, subscribe: "${TOPIC}" } ] }
  clock: { permit: [ { id: write, publish: "${TOPIC}" } ] }
assign:
  - { type: fuzzer, roles: [own] }
  - { type: witness, roles: [own, witness] }
  - { type: clock, roles: [clock] }
`
/** All that anybody may read in an answer that refuses; the last two where there is an OSCORE option (RFC 8613 8.2). */
const TOLD = new Set<string>([
  '',
  ...Object.values(FAILURES).map(row => row.stranger),
  'Failed to decode COSE',
  'Security context not found',
])
/** Told without a failure: a proxy is asked for (RFC 7252 5.10.2), If-Match or If-None-Match does not hold (5.10.8). */
const CODES = new Set<string>([...Object.values(FAILURES).map(row => row.coap), '5.05', '4.12'])

/** Of warnings and errors, nothing but how many handshakes of DTLS came to nothing. */
const EXPECTED = /"more DTLS handshakes failed"/

let folder: string
let broker: BrokerProcess
let served: Served

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'latchkey-fuzz-'))
  const many = 100_000_000
  broker = await startBrokerProcess(folder, {
    listeners: { ...FREE_PORTS_WITH_COAP_STREAMS, coaps: FREE_PORTS_WITH_COAPS.coaps },
    log: { level: 'warn' },
    durability: 'write',
    // what is refused for its rate or number alone would never meet what is surveyed
    limits: {
      authentication: { addressBurst: many, addressPerMinute: many, claimBurst: many, claimPerMinute: many },
      coap: { requestBurst: many, requestsPerSecond: many },
      dtls: { handshakeTimeout: 2_000 },
    },
  })
  await broker.api('PUT', '/v1/policies', { files: [{ path: 'policy.yaml', text: POLICY }] })
  served = {
    ca: broker.ca,
    api: broker.api,
    port: name => broker.listeners[name]?.port ?? 0,
    async psk(owner) {
      const { credential, psk } = await broker.api('POST', '/v1/credentials', { owner, kind: 'psk' })
      return { id: credential.id, ...psk }
    },
    async certificate(owner) {
      const issued = await broker.api('POST', '/v1/credentials', { owner, kind: 'x509' })
      return { id: issued.credential.id, ...issued }
    },
  }
})
afterAll(async () => {
  await broker?.stop()
  await rm(folder, { recursive: true, force: true })
})

async function newDevice(id: string, type: string): Promise<string> {
  await broker.api('POST', '/v1/devices', { id, type })
  const { secret } = await broker.api('POST', '/v1/credentials', { owner: id, kind: 'secret', audience: 'mqtt' })
  return secret
}

async function newFuzzer(_listener: string, at: number): Promise<Fuzzer> {
  const id = `fuzzer-${at}`
  const secret = await newDevice(id, 'fuzzer')
  return { broker: served, random: generator(SEED + at), id, secret, credentials: await byPsk(served, id) }
}

test(`${MESSAGES} bad messages a listener, seed ${SEED}`, { timeout: 30 * 60_000 }, async () => {
  const witnesses = await openWitnesses(served, TOPIC, id => newDevice(id, 'witness'))
  const fuzzers = await Promise.all(LISTENERS.map(newFuzzer))
  const reports = LISTENERS.map(newReport)
  const password = await newDevice('clock', 'clock')
  const clock = await connectAsync(`mqtt://127.0.0.1:${broker.listeners.mqtt?.port}`, {
    clientId: 'clock',
    username: 'clock',
    password,
    protocolVersion: 5,
  })
  const transfer = new SlowTransfer(witnesses.find(({ name }) => name === 'by-certificate') as Witness)
  const memory: number[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    const fuzzed = LISTENERS.map((listener, at) =>
      fuzz(listener, fuzzers[at] as Fuzzer, witnesses, reports[at] as FuzzReport),
    )
    await clock.publishAsync(TOPIC, `${round}`, { qos: 1 })
    await Promise.all(witnesses.map(witness => proveServed(witness, `${witness.name} ${round}`)))
    await transfer.step(round)
    await Promise.all(fuzzed)
    memory.push(await broker.memory())
  }
  for (const [at, report] of reports.entries())
    console.info(
      `${LISTENERS[at]}: ${report.sent} sent, ${report.bySessions} by sessions, ${JSON.stringify(Object.fromEntries([...report.answers].sort()))}`,
    )
  const half = ROUNDS / 2
  const growth = Math.max(...memory.slice(half)) - Math.max(...memory.slice(0, half))
  console.info(`RSS ${Math.max(...memory) / MEGABYTE} MB, ${growth / MEGABYTE} more in the second half`)

  expect(broker.process.exitCode, broker.log().slice(-2000)).toBeNull()
  for (const witness of witnesses) {
    await proveServed(witness, 'at the end')
    const all = Array.from({ length: ROUNDS }, (_, round) => `${round}`)
    await expect.poll(() => witness.heard, { message: witness.name }).toEqual(all)
  }
  expect(await transfer.result()).toBe(true)
  for (const { sent, bySessions, answers, told: texts } of reports) {
    expect(sent).toBeGreaterThanOrEqual(MESSAGES)
    expect(bySessions).toBeGreaterThanOrEqual(MESSAGES * 0.45)
    for (const code of answers.keys()) if (/^[45]/.test(code)) expect(CODES, `an answer ${code}`).toContain(code)
    expect(answers.has('5.00')).toBe(false)
    expect([...texts].filter(text => !TOLD.has(text))).toEqual([])
  }
  expect(Math.max(...memory) / MEGABYTE).toBeLessThan(400)
  expect(growth / MEGABYTE).toBeLessThan(64)
  expect(
    broker
      .log()
      .split('\n')
      .filter(line => line !== '' && !EXPECTED.test(line)),
  ).toEqual([])
  await clock.endAsync(true)
  for (const witness of witnesses) await witness.close()
})

function fuzz(listener: (typeof LISTENERS)[number], by: Fuzzer, victims: readonly Witness[], report: FuzzReport) {
  const many = Math.ceil(MESSAGES / ROUNDS)
  if (listener === 'coap') return overUdp(by, many, report)
  if (listener === 'coaps') return overDtls(by, victims, many, report)
  return overStream(listener, by, many, report)
}

/** A block with each round. */
class SlowTransfer {
  readonly #path: string
  readonly #witness: Witness
  readonly #body = Buffer.alloc(ROUNDS * BLOCK, 'abcdefg')

  constructor(witness: Witness) {
    this.#witness = witness
    this.#path = `ps/device/${witness.name}/slow`
  }

  async step(round: number): Promise<void> {
    const more = round < ROUNDS - 1
    const options = [blockOption(OPTION.Block1, { number: round, more, sizeExponent: 2 })]
    const payload = this.#body.subarray(round * BLOCK, (round + 1) * BLOCK)
    const answer = await this.#witness.request({ code: CODE.PUT, path: this.#path, options, payload })
    expect(told(answer)).toBe(more ? '2.31' : '2.04')
  }

  /** Whether it lies there as it was sent; it may have to be fetched in blocks. */
  async result(): Promise<boolean> {
    for (let at = 0; at < this.#body.length; at += FETCHED) {
      const options = [blockOption(OPTION.Block2, { number: at / FETCHED, more: false, sizeExponent: 6 })]
      const { payload } = await this.#witness.request({ path: this.#path, options })
      if (!payload.equals(this.#body.subarray(at, at + FETCHED))) return false
    }
    return true
  }
}
