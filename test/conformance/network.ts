// The network connection: TCP and WebSocket (3.1.1 and 5: 4.2, 6, 7).
import { once } from 'node:events'
import { expect } from 'vitest'
import { WebSocket } from 'ws'
import { packet, type Row, type Scene, text } from './scene.ts'

const connect = (scene: Scene) => scene.connectBytes(2, text(scene.word))

async function webSocket(scene: Scene, ...protocols: string[]): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${scene.mqtt.broker.port('ws')}/mqtt`, protocols)
  await once(socket, 'open')
  return socket
}

/** The bytes that have come when there are so many of them. */
function received(socket: WebSocket, count: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let bytes = Buffer.alloc(0)
    socket.on('message', (data: Buffer, isBinary) => {
      if (!isBinary) reject(new Error('the broker sent a text frame'))
      bytes = Buffer.concat([bytes, data])
      if (bytes.length >= count) resolve(bytes)
    })
    socket.on('close', () => reject(new Error(`closed after ${bytes.length} bytes`)))
  })
}

export const NETWORK: readonly Row[] = [
  {
    v311: '7.1.1-1',
    v5: '4.2-1',
    says: 'TCP is an ordered, lossless stream, however it is cut',
    async check(scene) {
      const other = await scene.client()
      const wire = scene.wire()
      for (const byte of [...connect(scene), ...packet(0xc0)]) {
        wire.sendBytes([byte])
        await wire.settleWriting()
        await other.settle() // the broker has read what there was
      }
      await wire.next('connack')
      await wire.next('pingresp')
    },
  },
  {
    v311: '6.0.0-1',
    v5: '6.0.0-1',
    says: 'WebSocket frames are binary: a text frame ends the connection',
    async check(scene) {
      const socket = await webSocket(scene, 'mqtt')
      const answer = received(socket, 4)
      socket.send(Buffer.from(connect(scene)))
      expect((await answer)[0]).toBe(0x20)
      const closed = once(socket, 'close')
      socket.send('text', { binary: false })
      await closed
    },
  },
  {
    v311: '6.0.0-2',
    v5: '6.0.0-2',
    says: 'a WebSocket frame holds any part of packets, or many',
    async check(scene) {
      const socket = await webSocket(scene, 'mqtt')
      const bytes = Buffer.from([...connect(scene), ...packet(0xc0), ...packet(0xc0)])
      const pings = new Promise<void>(resolve => {
        let all = Buffer.alloc(0)
        socket.on('message', (data: Buffer) => {
          all = Buffer.concat([all, data])
          if (all.subarray(-4).equals(Buffer.from([0xd0, 0, 0xd0, 0]))) resolve()
        })
      })
      for (const byte of bytes.subarray(0, 5)) socket.send(Buffer.of(byte))
      socket.send(bytes.subarray(5))
      await pings
      socket.terminate()
    },
  },
  {
    v311: '6.0.0-4',
    v5: '6.0.0-4',
    says: 'the WebSocket subprotocol that the broker chooses is mqtt',
    async check(scene) {
      const socket = await webSocket(scene, 'other', 'mqtt')
      expect(socket.protocol).toBe('mqtt')
      socket.terminate()
    },
  },
]
