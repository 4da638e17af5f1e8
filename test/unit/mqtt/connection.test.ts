import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { array, assert, integer, property } from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { Connection, type ConnectionLimits, type Peer } from '../../../src/mqtt/connection.ts'
import { CountedTurn } from '../../../src/mqtt/traffic.ts'

const LIMITS: ConnectionLimits = {
  connectBytes: 50,
  maximumPacketSize: 1000,
  outQueueBytes: 1000,
  totalOutQueueBytes: 10_000,
  heldBytes: 100,
  lingerTimeout: 50,
}

/** A stream whose other end the test holds: it takes writes only while `taking`. */
class OtherEnd extends Duplex {
  readonly written: Buffer[] = []
  taking = true
  #waiting: (() => void) | null = null

  constructor() {
    super({ writableHighWaterMark: 100 })
  }

  override _read(): void {}

  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    this.written.push(chunk)
    if (this.taking) done()
    else this.#waiting = done
  }

  takeAll(): void {
    this.taking = true
    this.#waiting?.()
    this.#waiting = null
  }

  get text(): string {
    return Buffer.concat(this.written).toString()
  }
}

class RecordingPeer implements Peer {
  isConnected = true
  readonly packets: string[] = []
  readonly failures: unknown[] = []
  drains = 0
  isGone = false
  onPacket: (packet: string) => void = () => {}

  packet(bytes: Buffer, at: number, _body: number, end: number): void {
    const packet = bytes.toString('latin1', at, end)
    this.packets.push(packet)
    this.onPacket(packet)
  }

  endOfRead(): void {}

  drained(): void {
    this.drains++
  }

  gone(): void {
    this.isGone = true
  }

  failed(error: unknown): void {
    this.failures.push(error)
  }
}

const turnOver = () => new Promise(resolve => setImmediate(resolve))
const packet = (letter: string, length = 2) => Buffer.from([0x30, length, ...Buffer.alloc(length, letter)])

describe('connection', () => {
  let stream: OtherEnd
  let peer: RecordingPeer
  let turn: CountedTurn
  let connection: Connection
  beforeEach(() => {
    stream = new OtherEnd()
    peer = new RecordingPeer()
    turn = new CountedTurn()
    connection = new Connection(stream, LIMITS, { now: () => 0 }, turn)
    connection.start(peer)
  })

  test('packets come out whole, however the bytes come in', () => {
    assert(
      property(
        array(integer({ min: 0, max: 300 }), { minLength: 1, maxLength: 6 }),
        array(integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 60 }),
        (lengths, cuts) => {
          const end = new OtherEnd()
          const received = new RecordingPeer()
          new Connection(end, LIMITS, { now: () => 0 }, turn).start(received)
          const packets = lengths.map((length, i) => {
            const size = length < 128 ? [length] : [(length & 127) | 128, length >> 7]
            return Buffer.from([0x30, ...size, ...Buffer.alloc(length, 65 + i)])
          })
          const whole = Buffer.concat(packets)
          for (let at = 0, i = 0; at < whole.length; i++) {
            const step = cuts[i % cuts.length] ?? 1
            end.emit('data', whole.subarray(at, at + step))
            at += step
          }
          expect(received.packets).toEqual(packets.map(some => some.toString('latin1')))
          expect(received.failures).toEqual([])
        },
      ),
    )
  })

  test.each([
    ['a packet above the limit', true, [0x30, 0xe7, 0x07], 'too-large'],
    ['a packet above a stranger’s limit', false, [0x10, 49], 'too-large'],
    ['a length of five bytes', true, [0x30, 0xff, 0xff, 0xff, 0xff, 0x01], 'malformed-packet'],
  ])('%s is refused at its header', (_, isConnected, bytes, code) => {
    peer.isConnected = isConnected
    stream.emit('data', Buffer.from(bytes))
    expect(peer.failures).toMatchObject([{ code }])
  })

  test('what follows a packet that holds waits until it is released', () => {
    peer.onPacket = some => {
      if (some.endsWith('aa')) connection.hold()
    }
    stream.emit('data', Buffer.concat([packet('a'), packet('b'), packet('c').subarray(0, 3)]))
    stream.emit('data', Buffer.concat([packet('c').subarray(3), packet('d', 80), packet('e', 80)]))
    expect(peer.packets).toHaveLength(1)
    expect(stream.isPaused()).toBe(true)
    connection.release()
    expect(peer.packets.map(some => some.at(-1))).toEqual(['a', 'b', 'c', 'd', 'e'])
    expect(stream.isPaused()).toBe(false)
  })

  test('what one turn makes leaves in one write', async () => {
    for (const text of ['a', 'b', 'c']) connection.push(Buffer.from(text))
    expect(stream.written).toEqual([])
    await turnOver()
    expect(stream.written.map(String)).toEqual(['abc'])
  })

  test('a reader that takes nothing is congested, until it takes again', async () => {
    stream.taking = false
    connection.push(Buffer.alloc(1001, 'x'))
    await turnOver()
    expect([connection.congested, turn.backlog]).toEqual([true, 1001])
    stream.takeAll()
    await turnOver()
    expect([connection.congested, turn.backlog, peer.drains]).toEqual([false, 0, 1])
  })

  test('one that takes nothing and makes us answer has failed', async () => {
    stream.taking = false
    for (let i = 0; i < 3; i++) {
      connection.push(Buffer.alloc(900, 'x'))
      await turnOver()
    }
    expect(peer.failures).toMatchObject([{ code: 'queue-full' }])
  })

  test('when all readers together are slow, each may have less', async () => {
    turn.backlog = 10_001
    connection.push(Buffer.alloc(64))
    expect(connection.congested).toBe(true)
    turn.backlog = 0
    expect(connection.congested).toBe(false)
  })

  test('leave: what is queued is sent first; cut: it is dropped', async () => {
    connection.push(Buffer.from('queued '))
    connection.leave()
    connection.push(Buffer.from('late'))
    await turnOver()
    expect(stream.text).toBe('queued ')
    expect(stream.writableEnded).toBe(true)

    const other = new OtherEnd()
    const another = new Connection(other, LIMITS, { now: () => 0 }, turn)
    another.start(new RecordingPeer())
    another.push(Buffer.from('queued '))
    another.cut(Buffer.from('bye'))
    await turnOver()
    expect(other.text).toBe('bye')
  })

  test('cut while the reader has not taken what was written: not even a goodbye', async () => {
    stream.taking = false
    connection.push(Buffer.alloc(200, 'x'))
    await turnOver()
    connection.cut(Buffer.from('bye'))
    expect(stream.destroyed).toBe(true)
    expect(stream.text).not.toContain('bye')
  })

  test('a peer that does not close in its turn is closed after the linger timeout', async () => {
    connection.leave()
    await connection.whenClosed()
    expect([stream.destroyed, peer.isGone]).toEqual([true, true])
  })

  test('who leaves over TCP gets all that was written, and is closed without waiting for his part', async () => {
    const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const client = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true })
    const [accepted] = (await once(server, 'connection')) as [Socket]
    const patient = new Connection(accepted, { ...LIMITS, lingerTimeout: 3_600_000 }, { now: () => 0 }, turn)
    patient.start(peer)
    patient.push(Buffer.alloc(50_000, 'x'))
    patient.leave()
    let bytes = 0
    client.on('data', part => {
      bytes += part.length
    })
    await once(client, 'end')
    expect(bytes).toBe(50_000)
    await expect.poll(() => peer.isGone).toBe(true)
    client.destroy()
    await new Promise(resolve => server.close(resolve))
  })

  test('nothing is read any more after the end', () => {
    connection.cut()
    stream.emit('data', packet('a'))
    expect(peer.packets).toEqual([])
  })
})
