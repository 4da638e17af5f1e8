// The engine against its port: order, answers, and names that it must never see.
import { type Packet, parser } from 'mqtt-packet'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { AedesEngine } from '../../../src/mqtt/aedes-engine.ts'
import type { ConnectPacket } from '../../../src/mqtt/packets.ts'
import type { Accepted, EngineSession, EngineSide } from '../../../src/mqtt/session-engine.ts'

class RecordingSide implements EngineSide {
  readonly version: 4 | 5
  readonly failures: unknown[] = []
  readonly received = new Set<number>()
  admits = true
  releaseFails = false
  answers = 0
  #bytes: Buffer[] = []

  constructor(version: 4 | 5) {
    this.version = version
  }

  /** What was written so far, read by a foreign parser. */
  get packets(): Packet[] {
    const packets: Packet[] = []
    const reader = parser({ protocolVersion: this.version })
    reader.on('packet', packet => packets.push(packet))
    reader.parse(Buffer.concat(this.#bytes))
    return packets
  }

  forget(): void {
    this.#bytes = []
  }

  admit(): Promise<boolean> {
    return Promise.resolve(this.admits)
  }

  write(bytes: Buffer): void {
    this.#bytes.push(bytes)
  }

  answered(): void {
    this.answers++
  }

  failed(error: unknown): void {
    this.failures.push(error)
  }

  isReceived(packetId: number): boolean {
    return this.received.has(packetId)
  }

  async release(packetId: number): Promise<void> {
    if (this.releaseFails) throw new Error('the store is full')
    this.received.delete(packetId)
  }
}

const CONNECT: ConnectPacket = {
  type: 'connect',
  version: 5,
  clean: true,
  keepAlive: 0,
  clientId: 'toString',
  username: null,
  password: null,
  will: null,
  properties: {},
}

const answered = (feed: (done: () => void) => void) => new Promise<void>(resolve => feed(resolve))

describe.each([4, 5] as const)('engine, version %i', version => {
  let engine: AedesEngine
  let side: RecordingSide
  let session: EngineSession
  beforeAll(async () => {
    engine = await AedesEngine.create()
  })
  afterAll(() => engine.close())
  beforeEach(async () => {
    side = new RecordingSide(version)
    session = engine.open(side)
    await answered(done => session.connect({ ...CONNECT, version }, done))
    side.forget()
    return () => session.close()
  })

  const publish = (qos: 1 | 2, packetId: number, accept: () => Accepted | Promise<Accepted>) =>
    answered(done => session.publish({ qos, packetId }, accept, done))

  test('CONNACK is asked for and not written', async () => {
    const other = new RecordingSide(version)
    const next = engine.open(other)
    await answered(done => next.connect({ ...CONNECT, version }, done))
    next.close()
    expect([other.packets, other.failures]).toEqual([[], []])
  })

  test('each answer is counted once, however many pieces it is written in', async () => {
    await publish(1, 1, () => null)
    await publish(2, 2, () => 'policy-denied')
    await publish(2, 3, () => null)
    await answered(done => session.pubrel(3, done))
    await answered(done => session.subscribe(4, [0], done))
    await answered(done => session.unsubscribe(5, [true], done))
    session.ping()
    await new Promise(resolve => setImmediate(resolve))
    expect(side.answers).toBe(7)
    expect(side.packets).toHaveLength(7)
  })

  test('whoever is not admitted gets nothing from the engine', async () => {
    const stranger = new RecordingSide(version)
    stranger.admits = false
    const opened = engine.open(stranger)
    opened.connect({ ...CONNECT, version }, () => stranger.failures.push('answered'))
    await new Promise(resolve => setImmediate(() => setImmediate(resolve)))
    opened.close()
    expect([stranger.packets, stranger.failures]).toEqual([[], []])
  })

  test('a message is acknowledged when it is accepted, not before', async () => {
    let accept: (refusal: Accepted) => void = () => {}
    const published = publish(
      1,
      7,
      () =>
        new Promise(resolve => {
          accept = resolve
        }),
    )
    await new Promise(resolve => setImmediate(resolve))
    expect(side.packets).toEqual([])
    accept(null)
    await published
    expect(side.packets).toMatchObject([{ cmd: 'puback', messageId: 7 }])
  })

  test('a refusal has our codes and not the engine’s text; MQTT 3 acknowledges', async () => {
    await publish(1, 1, () => 'policy-denied')
    await publish(2, 2, () => Promise.resolve<Accepted>('quota-exceeded'))
    const packets = side.packets
    expect(packets).toMatchObject([
      { cmd: 'puback', messageId: 1 },
      { cmd: 'pubrec', messageId: 2 },
    ])
    if (version === 5) {
      expect(packets).toMatchObject([
        { reasonCode: 0x87, properties: { reasonString: 'policy-denied' } },
        { reasonCode: 0x97, properties: { reasonString: 'quota-exceeded' } },
      ])
    }
  })

  test('a message that could not be stored is never acknowledged as if it were', async () => {
    session.publish(
      { qos: 1, packetId: 1 },
      () => Promise.resolve<Accepted>('store-failed'),
      () => {},
    )
    if (version === 4) {
      await expect.poll(() => side.failures).toMatchObject([{ code: 'store-failed' }])
      expect(side.packets).toEqual([])
    } else await expect.poll(() => side.packets).toMatchObject([{ cmd: 'puback', reasonCode: 0x80 }])
  })

  test('an acceptance that goes wrong ends the client, not the process', async () => {
    session.publish(
      { qos: 1, packetId: 1 },
      () => Promise.reject(new Error('the store is full')),
      () => {},
    )
    session.publish(
      { qos: 1, packetId: 2 },
      () => {
        throw new Error('at once')
      },
      () => {},
    )
    await expect.poll(() => side.failures.length).toBe(2)
    expect(side.packets).toEqual([])
  })

  test('three PUBREL at once, known and unknown, and one that cannot be stored', async () => {
    side.received.add(1)
    const releases = [1, 1, 9].map(packetId => answered(done => session.pubrel(packetId, done)))
    await Promise.all(releases)
    expect(side.packets.map(({ cmd, messageId }) => [cmd, messageId]).sort()).toEqual([
      ['pubcomp', 1],
      ['pubcomp', 1],
      ['pubcomp', 9],
    ])
    side.received.add(5)
    side.releaseFails = true
    session.pubrel(5, () => {})
    await expect.poll(() => side.failures.length).toBe(1)
  })

  test('SUBACK repeats what was granted, refusals too; UNSUBACK tells what there was', async () => {
    const no = version === 5 ? 0x87 : 0x80
    await answered(done => session.subscribe(3, [0, 1, no, 2, no], done))
    expect(side.packets).toMatchObject([{ cmd: 'suback', messageId: 3, granted: [0, 1, no, 2, no] }])
    side.forget()
    await answered(done => session.unsubscribe(4, [true, false, true, false], done))
    expect(side.packets).toMatchObject([{ cmd: 'unsuback', messageId: 4 }])
    if (version === 5) expect(side.packets).toMatchObject([{ granted: [0, 0x11, 0, 0x11] }])
  })

  test('what one connection did says nothing to the next', async () => {
    await answered(done => session.subscribe(1, [0, 1], done))
    const other = new RecordingSide(version === 5 ? 4 : 5)
    const next = engine.open(other)
    await answered(done => next.connect({ ...CONNECT, version: other.version }, done))
    await answered(done => next.unsubscribe(2, [false, false], done))
    await answered(done => session.subscribe(3, [2], done))
    next.close()
    expect(other.packets).toMatchObject([{ cmd: 'unsuback', messageId: 2 }])
    if (other.version === 5) expect(other.packets).toMatchObject([{ granted: [0x11, 0x11] }])
    expect(side.packets).toMatchObject([
      { cmd: 'suback', messageId: 1, granted: [0, 1] },
      { cmd: 'suback', messageId: 3, granted: [2] },
    ])
  })

  test('an acceptance that comes after the end of its connection reaches nobody', async () => {
    let accept: (refusal: Accepted) => void = () => {}
    session.publish(
      { qos: 1, packetId: 7 },
      () =>
        new Promise(resolve => {
          accept = resolve
        }),
      () => {},
    )
    session.close()
    const other = new RecordingSide(version)
    const next = engine.open(other)
    await answered(done => next.connect({ ...CONNECT, version }, done))
    next.publish(
      { qos: 1, packetId: 8 },
      () => new Promise<Accepted>(() => {}),
      () => {},
    )
    accept('policy-denied')
    await answered(done => next.pubrel(9, done))
    next.close()
    expect(side.packets).toEqual([])
    expect(other.packets).toMatchObject([{ cmd: 'pubcomp', messageId: 9 }])
  })

  test('PINGREQ is answered', async () => {
    session.ping()
    await expect.poll(() => side.packets).toMatchObject([{ cmd: 'pingresp' }])
  })

  test('nothing is answered after the end', async () => {
    session.close()
    session.ping()
    session.publish(
      { qos: 1, packetId: 1 },
      () => null,
      () => {},
    )
    await new Promise(resolve => setImmediate(() => setImmediate(resolve)))
    expect([side.packets, side.failures]).toEqual([[], []])
  })
})
