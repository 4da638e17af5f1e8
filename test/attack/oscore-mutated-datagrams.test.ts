// 100 000 protected datagrams, most of them spoiled: outside (any byte, the OSCORE option, other options, the end cut off),
// inside (by a device that has the keys, and sends nonsense under their protection), and sent again. Observations are open all
// the time. The broker lives, tells nothing but what RFC 8613 8.2 has it say, and its memory stays bounded.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CODE, codeClass, codeText } from '../../src/coap-wire/codes.ts'
import { decode, isMalformed } from '../../src/coap-wire/decode.ts'
import { encode } from '../../src/coap-wire/encode.ts'
import { type CoapMessage, type CoapOption, TYPE } from '../../src/coap-wire/message.ts'
import { OPTION, optionOf } from '../../src/coap-wire/options.ts'
import type { OscoreContext } from '../../src/coap-wire/oscore-client.ts'
import { additionalData, nonceOf, partialIvOf, seal } from '../../src/coap-wire/oscore-cose.ts'
import { encodeOscoreOption } from '../../src/coap-wire/oscore-option.ts'
import { FREE_PORTS } from '../fixtures/broker.ts'
import { type BrokerProcess, startBrokerProcess } from '../fixtures/broker-process.ts'
import { TOLD } from '../fixtures/coap-answers-to-strangers.ts'
import { told } from '../fixtures/coap-device.ts'
import { request } from '../fixtures/coap-fuzz.ts'
import { generator } from '../fixtures/fuzz.ts'
import { NO_RATE_OF_REQUESTS } from '../fixtures/fuzzed-broker.ts'
import { contextOf, OscoreDevice } from '../fixtures/oscore-device.ts'
import { CoapClient } from '../wire/coap-wire.ts'

const DATAGRAMS = Number(process.env.LATCHKEY_FUZZ_PACKETS ?? 100_000)
const SEED = Number(process.env.LATCHKEY_FUZZ_SEED ?? 20_261_123)
const DEVICES = 8
/** Datagrams between two pings. */
const BURST = 40
const MEGABYTE = 1 << 20

const POLICY = `
version: 1
roles:
  own: { permit: [ { id: own, allow: "device/\${device.id}/#" } ] }
assign: [ { type: sensor, roles: [own] } ]
`
/** All that may be read in an answer that is not protected. */
const TOLD_UNPROTECTED = new Set([...TOLD, 'Replay detected', 'Decryption failed'])

type Random = () => number
const below = (random: Random, n: number): number => Math.floor(random() * n)
const noise = (random: Random, most: number): Buffer =>
  Buffer.from(Array.from({ length: below(random, most) }, () => below(random, 256)))

/** Of a device that has the keys. */
class Fuzzer {
  readonly #context: OscoreContext
  readonly #random: Random
  readonly #own: readonly string[]
  readonly #kept: Buffer[] = []
  #sequence = 1000

  constructor(context: OscoreContext, random: Random, own: readonly string[]) {
    this.#context = context
    this.#random = random
    this.#own = own
  }

  datagram(): Buffer {
    const kind = this.#random()
    if (kind < 0.05) return this.#again()
    if (kind < 0.3) return this.#whole()
    if (kind < 0.5) return this.#spoiledInside()
    return this.#spoiled(this.#whole())
  }

  /** Something that was sent before, as if it were new: the message id is outside of what is protected. */
  #again(): Buffer {
    const known = this.#kept[below(this.#random, this.#kept.length)]
    if (known === undefined) return this.#whole()
    const copy = Buffer.from(known)
    copy.writeUInt16BE(below(this.#random, 65_536), 2)
    return copy
  }

  /** What makes sense, mostly. */
  #whole(): Buffer {
    const plain = decode(request(this.#random, this.#own, []))
    if (plain === null || isMalformed(plain) || plain.code === 0 || plain.code >= 0x20) return this.#spoiledInside()
    return this.#keep(this.#protect(plain, null))
  }

  /** Any bytes at all, under the right keys. */
  #spoiledInside(): Buffer {
    const random = this.#random
    const outside: CoapMessage = {
      type: random() < 0.5 ? TYPE.CON : TYPE.NON,
      code: CODE.POST,
      messageId: below(random, 65_536),
      token: noise(random, 9).subarray(0, 8),
      options: [],
      payload: Buffer.alloc(0),
    }
    const plaintext = noise(random, 60)
    if (plaintext.length > 0 && random() < 0.8) plaintext[0] = 1 + below(random, 7)
    return this.#keep(this.#protect(outside, plaintext))
  }

  #protect(plain: CoapMessage, instead: Buffer | null): Buffer {
    const { keys } = this.#context
    this.#sequence += 1
    const partialIv = partialIvOf(this.#sequence)
    const bare = encode({ ...plain, token: Buffer.alloc(0), options: plain.options.filter(notOscore) }).subarray(3)
    bare[0] = plain.code
    const nonce = nonceOf(keys.commonIv, keys.senderId, partialIv)
    const payload = seal(keys.senderKey, nonce, additionalData(keys.senderId, partialIv), instead ?? bare)
    const value = encodeOscoreOption({ partialIv, kidContext: null, kid: keys.senderId })
    const code = this.#random() < 0.5 ? CODE.POST : CODE.FETCH
    return encode({ ...plain, code, options: [{ number: OPTION.OSCORE, value }], payload })
  }

  #spoiled(bytes: Buffer): Buffer {
    const random = this.#random
    const kind = random()
    if (kind < 0.2) return bytes.subarray(0, below(random, bytes.length))
    if (kind < 0.6) {
      const flipped = Buffer.from(bytes)
      for (let i = 1 + below(random, 4); i > 0; i--) {
        const at = below(random, flipped.length)
        flipped[at] = (flipped[at] ?? 0) ^ (1 << below(random, 8))
      }
      return flipped
    }
    const message = decode(bytes)
    if (message === null || isMalformed(message)) return bytes
    if (kind < 0.8) {
      const options = message.options.map(option =>
        notOscore(option) ? option : { ...option, value: noise(random, 20) },
      )
      return encode({ ...message, options })
    }
    const number = [1, 3, 6, 6, 7, 9, 11, 15, 23, 27, 35, 39, 60, 252, 258, 292, 65_001][below(random, 17)] ?? 6
    const options = [...message.options, { number, value: noise(random, 12) }].sort((a, b) => a.number - b.number)
    return encode({ ...message, options, code: below(random, 32) })
  }

  #keep(bytes: Buffer): Buffer {
    this.#kept.push(bytes)
    if (this.#kept.length > 64) this.#kept.shift()
    return bytes
  }
}

const notOscore = ({ number }: CoapOption): boolean => number !== OPTION.OSCORE

describe(`${DATAGRAMS} protected datagrams, seed ${SEED}`, () => {
  let folder: string
  let broker: BrokerProcess

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'latchkey-fuzz-'))
    broker = await startBrokerProcess(folder, {
      listeners: { ...FREE_PORTS, coaps: false, coap: { port: 0 } },
      log: { level: 'error' },
      durability: 'write',
      limits: { coap: NO_RATE_OF_REQUESTS },
    })
    await broker.api('PUT', '/v1/policies', { files: [{ path: 'policy.yaml', text: POLICY }] })
  })
  afterAll(async () => {
    await broker?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  test(
    'the broker serves on',
    async () => {
      const port = broker.listeners.coap?.port ?? 0
      const answers = new Map<string, number>()
      const tattled: string[] = []
      let sent = 0
      let halfway = 0
      const survey = async (index: number): Promise<void> => {
        const id = `fuzz-${index}`
        await broker.api('POST', '/v1/devices', { id, type: 'sensor' })
        const { oscore } = await broker.api('POST', '/v1/credentials', { owner: id, kind: 'oscore' })
        const observer = await OscoreDevice.open(port, contextOf(oscore))
        await observer.observe(`device/${id}/#`)
        const random = generator(SEED + index)
        const fuzzer = new Fuzzer(contextOf(oscore), random, ['device', id])
        const client = await CoapClient.open(port)
        for (let count = 0; count < DATAGRAMS / DEVICES; count += BURST) {
          for (let i = 0; i < BURST; i++) client.send(fuzzer.datagram())
          await client.ping()
          sent += BURST
          client.datagrams.length = 0
          client.inbox.take()
          for (const message of client.received.splice(0)) {
            if (codeClass(message.code) < 2 || codeClass(message.code) > 5) continue
            const isProtected = optionOf(message, OPTION.OSCORE) !== null
            const name = `${isProtected ? 'protected ' : ''}${codeText(message.code)}`
            answers.set(name, (answers.get(name) ?? 0) + 1)
            if (!isProtected && !TOLD_UNPROTECTED.has(message.payload.toString()))
              tattled.push(message.payload.toString())
          }
          if (sent < DATAGRAMS / 2) halfway = Math.max(halfway, await broker.memory())
        }
        await Promise.all([client.close(), observer.close()])
      }
      await Promise.all(Array.from({ length: DEVICES }, (_, index) => survey(index)))
      const end = await broker.memory()
      console.info(`oscore: ${JSON.stringify({ sent, halfway, end, answers: Object.fromEntries(answers) })}`)
      expect(broker.process.exitCode, broker.log().slice(-2000)).toBeNull()
      expect(sent).toBeGreaterThanOrEqual(DATAGRAMS)
      expect(tattled).toEqual([])
      // Every branch of RFC 8613 8.2 was reached, and what was well protected was served.
      for (const name of ['4.00', '4.01', '4.02', 'protected 2.04', 'protected 2.05'])
        expect(answers.get(name), name).toBeGreaterThan(0)
      expect(answers.has('5.00')).toBe(false)
      expect(end).toBeLessThan(256 * MEGABYTE)
      expect(end - halfway).toBeLessThan(48 * MEGABYTE)
      expect(broker.log()).toBe('')
      await broker.api('POST', '/v1/devices', { id: 'honest', type: 'sensor' })
      const { oscore } = await broker.api('POST', '/v1/credentials', { owner: 'honest', kind: 'oscore' })
      const honest = await OscoreDevice.open(port, contextOf(oscore))
      expect(told(await honest.put('device/honest/a', 'x'))).toBe('2.04')
      await honest.close()
    },
    15 * 60_000,
  )
})
