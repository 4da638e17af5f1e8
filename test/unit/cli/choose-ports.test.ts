import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { choosePorts } from '../../../src/cli/choose-ports.ts'

const HOST = '127.0.0.1'
const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

async function takenTcp(): Promise<number> {
  const server = createServer().listen(0, HOST)
  closers.push(() => server.close())
  await once(server, 'listening')
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

async function takenUdp(): Promise<number> {
  const socket = createSocket('udp4').bind(0, HOST)
  closers.push(() => socket.close())
  await once(socket, 'listening')
  return socket.address().port
}

test('a taken port becomes any port, by its own protocol', async () => {
  const [tcp, udp] = [await takenTcp(), await takenUdp()]
  expect(
    await choosePorts(
      [
        { name: 'mqtt', protocol: 'tcp', port: tcp },
        { name: 'coap', protocol: 'udp', port: udp },
      ],
      HOST,
    ),
  ).toEqual([
    { name: 'mqtt', port: 0, taken: true },
    { name: 'coap', port: 0, taken: true },
  ])
})

test('a free port stays, and is free afterwards', async () => {
  const port = await takenTcp()
  for (const close of closers.splice(0)) close()
  const wanted = [{ name: 'mqtt', protocol: 'tcp', port } as const]
  expect(await choosePorts(wanted, HOST)).toEqual([{ name: 'mqtt', port, taken: false }])
  expect(await choosePorts(wanted, HOST)).toEqual([{ name: 'mqtt', port, taken: false }])
})
