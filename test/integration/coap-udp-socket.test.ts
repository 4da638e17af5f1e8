// The socket below CoAP, by node:dgram and by the addon: what either does with datagrams that come in masses, are too long, or
// come while it closes.
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { networkInterfaces } from 'node:os'
import { afterEach, describe, expect, test } from 'vitest'
import { udpAddon } from '../../src/coap/udp-addon.ts'
import type { UdpRemote } from '../../src/coap/udp-carrier.ts'
import { UdpSocket, type UdpSocketOptions } from '../../src/coap/udp-socket.ts'
import { silentLog } from '../../src/model/log.ts'

const KINDS = process.platform === 'linux' ? ['node:dgram', 'the addon'] : ['node:dgram']
const HAS_IPV6 = Object.values(networkInterfaces()).some(all => all?.some(({ address }) => address === '::1'))
const BUFFER = 4 << 20

const closings: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closings.splice(0)) await close()
})

describe.each(KINDS)('%s', kind => {
  let drops = 0
  async function open(options: Partial<UdpSocketOptions> = {}): Promise<UdpSocket> {
    drops = 0
    const addon = kind === 'the addon' ? udpAddon() : null
    if (kind === 'the addon') expect(addon, 'it was built').not.toBeNull()
    const terms = { name: 'coap', host: '127.0.0.1', port: 0, receiveBufferBytes: BUFFER, sendQueueBytes: BUFFER }
    const dropped = () => {
      drops += 1
    }
    const socket = await UdpSocket.open({ ...terms, log: silentLog, dropped, ...options }, addon)
    closings.push(() => socket.close())
    return socket
  }

  test('10 000 datagrams, 100 at a time, come back whole and in order', async () => {
    const socket = await open()
    socket.onMessage((bytes, from) => socket.send(bytes, from))
    const client = await clientOf('udp4')
    const seen: string[] = []
    const payload = (at: number) => `${at}:${'x'.repeat(at % 97)}`
    for (let at = 0; at < 10_000; at += 100) {
      const before = seen.length
      const all = new Promise<void>(resolve => {
        client.on('message', bytes => {
          seen.push(bytes.toString('latin1'))
          if (seen.length === before + 100) resolve()
        })
      })
      for (let one = at; one < at + 100; one += 1) client.send(payload(one), socket.port, '127.0.0.1')
      await all
      client.removeAllListeners('message')
    }
    expect(seen).toEqual(Array.from({ length: 10_000 }, (_, at) => payload(at)))
    expect(drops).toBe(0)
  })

  test('many datagrams of one turn leave in order, whatever may wait', async () => {
    const socket = await open({ sendQueueBytes: 2000 })
    const client = await clientOf('udp4')
    const from = await introduced(socket, client)
    const seen: number[] = []
    const all = new Promise<void>(resolve => {
      client.on('message', bytes => {
        if (seen.push(bytes.readUInt16BE(0)) === 200) resolve()
      })
    })
    const bytes = Buffer.alloc(50)
    for (let at = 0; at < 200; at += 1) {
      bytes.writeUInt16BE(at, 0) // the same memory each time: what was sent before is not changed by it
      if (kind === 'the addon') socket.send(bytes, from)
      else socket.send(Buffer.from(bytes), from)
    }
    await all
    expect(seen).toEqual(Array.from({ length: 200 }, (_, at) => at))
  })

  test('a datagram is the receiver’s to keep', async () => {
    const socket = await open()
    const kept: Buffer[] = []
    socket.onMessage((bytes, from) => {
      kept.push(bytes)
      socket.send(bytes, from)
    })
    const client = await clientOf('udp4')
    for (let at = 0; at < 300; at += 1) {
      client.send(`datagram ${at}`, socket.port, '127.0.0.1')
      await once(client, 'message')
    }
    expect(kept.map(String)).toEqual(Array.from({ length: 300 }, (_, at) => `datagram ${at}`))
  })

  test('empty and very long datagrams come in and go out', async () => {
    const socket = await open()
    socket.onMessage((bytes, from) => socket.send(bytes, from))
    const client = await clientOf('udp4')
    for (const length of [0, 1, 65_507]) {
      client.send(Buffer.alloc(length, 7), socket.port, '127.0.0.1')
      const [bytes] = await once(client, 'message')
      expect(bytes).toEqual(Buffer.alloc(length, 7))
    }
  })

  test('one that is longer than of use is known as longer, and one of that length is whole', async () => {
    const socket = await open({ datagramBytes: 100 })
    const lengths: number[] = []
    const both = new Promise<void>(resolve => {
      socket.onMessage(bytes => {
        expect(bytes.every(byte => byte === 7)).toBe(true)
        if (lengths.push(bytes.length) === 2) resolve()
      })
    })
    const client = await clientOf('udp4')
    client.send(Buffer.alloc(100, 7), socket.port, '127.0.0.1')
    client.send(Buffer.alloc(5000, 7), socket.port, '127.0.0.1')
    await both
    expect(lengths[0]).toBe(100)
    expect(lengths[1]).toBeGreaterThan(100)
  })

  test('what the network refuses is told and harms nobody', async () => {
    const socket = await open()
    socket.onMessage((bytes, from) => {
      socket.send(Buffer.alloc(70_000), from) // EMSGSIZE
      socket.send(bytes, { address: '255.255.255.255', port: 9 }) // EACCES: no broadcast was asked for
      socket.send(bytes, from)
    })
    const client = await clientOf('udp4')
    for (let round = 1; round <= 2; round += 1) {
      client.send('hello', socket.port, '127.0.0.1')
      expect(String((await once(client, 'message'))[0])).toBe('hello')
    }
    await socket.close()
    if (kind === 'the addon') expect(drops).toBe(4)
  })

  test('a peer that is gone (ICMP) stops nothing', async () => {
    const socket = await open()
    const gone = await clientOf('udp4')
    const from = await introduced(socket, gone)
    await new Promise<void>(resolve => gone.close(resolve))
    for (let at = 0; at < 10; at += 1) socket.send(Buffer.from('is anybody there?'), from)
    socket.onMessage((bytes, sender) => socket.send(bytes, sender))
    const client = await clientOf('udp4')
    client.send('hello', socket.port, '127.0.0.1')
    expect(String((await once(client, 'message'))[0])).toBe('hello')
  })

  test('closed from inside its listener, it hands on nothing more, sends what it was given, and frees the port', async () => {
    const socket = await open()
    let received = 0
    socket.onMessage((bytes, from) => {
      received += 1
      socket.send(Buffer.from(`last words to ${bytes}`), from)
      void socket.close()
      socket.send(Buffer.from('from the other side'), from)
    })
    const client = await clientOf('udp4')
    const heard: string[] = []
    client.on('message', bytes => heard.push(String(bytes)))
    for (let at = 0; at < 20; at += 1) client.send(`client ${at}`, socket.port, '127.0.0.1')
    await once(client, 'message')
    const { port } = socket
    await socket.close()
    const second = await open({ port })
    second.onMessage((bytes, from) => second.send(bytes, from))
    client.send('again', port, '127.0.0.1')
    while (!heard.includes('again')) await once(client, 'message')
    expect(received).toBe(1)
    expect(heard).toEqual(['last words to client 0', 'again'])
  })

  test('peers have names of their own, and a name stays', async () => {
    const socket = await open()
    const [one, other] = [await clientOf('udp4'), await clientOf('udp4')]
    const names = [await introduced(socket, one), await introduced(socket, other), await introduced(socket, one)]
    expect(names.map(({ name }) => name)).toEqual([one, other, one].map(client => `127.0.0.1 ${client.address().port}`))
  })

  test.runIf(HAS_IPV6)('IPv6, and IPv4 in an IPv6 socket', async () => {
    const socket = await open({ host: '::' })
    const seen: string[] = []
    socket.onMessage((bytes, from) => {
      seen.push(from.address)
      socket.send(bytes, { address: from.address, port: from.port })
    })
    for (const [type, address] of [
      ['udp6', '::1'],
      ['udp4', '127.0.0.1'],
    ] as const) {
      const client = await clientOf(type)
      client.send('hello', socket.port, address)
      expect(String((await once(client, 'message'))[0])).toBe('hello')
    }
    expect(seen).toEqual(['::1', '::ffff:127.0.0.1'])
  })

  test('a port that is taken, and a multicast address, are told', async () => {
    const first = await open()
    await expect(open({ port: first.port })).rejects.toMatchObject({
      code: 'listener-failed',
      message: expect.stringContaining('the port is taken'),
    })
    await expect(open({ host: '192.0.2.1' })).rejects.toMatchObject({
      code: 'listener-failed',
      message: expect.stringContaining('does not have that address'),
    })
    await expect(open({ host: '224.0.1.187' })).rejects.toMatchObject({ code: 'listener-failed' })
  })

  // What node:dgram does not do.
  if (kind !== 'the addon') return

  test('bound to all addresses, it answers from the one that was asked', async () => {
    const socket = await open({ host: '0.0.0.0' })
    socket.onMessage((bytes, from) => socket.send(bytes, from))
    // Connected, a client hears nobody but whom it has asked.
    const client = await clientOf('udp4')
    await new Promise<void>(resolve => client.connect(socket.port, '127.0.0.2', resolve))
    client.send('hello')
    expect(String((await once(client, 'message'))[0])).toBe('hello')
  })

  test('a datagram that could never wait is dropped and told', async () => {
    const socket = await open({ sendQueueBytes: 1000 })
    const client = await clientOf('udp4')
    const from = await introduced(socket, client)
    socket.send(Buffer.alloc(2000), from)
    socket.send(Buffer.from('short'), from)
    expect(String((await once(client, 'message'))[0])).toBe('short')
    expect(drops).toBe(1)
  })
})

async function clientOf(type: 'udp4' | 'udp6'): Promise<Socket> {
  const client = createSocket({ type, recvBufferSize: BUFFER })
  client.on('error', () => {})
  let isOpen = true
  client.on('close', () => {
    isOpen = false
  })
  closings.push(() => isOpen && client.close())
  await new Promise<void>(resolve => client.bind(0, type === 'udp6' ? '::1' : '127.0.0.1', resolve))
  return client
}

/** The client as the socket knows it. */
function introduced(socket: UdpSocket, client: Socket): Promise<UdpRemote> {
  return new Promise(resolve => {
    socket.onMessage((_bytes, from) => resolve(from))
    client.send('me', socket.port, '127.0.0.1')
  })
}
