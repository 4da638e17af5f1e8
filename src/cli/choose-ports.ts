// Which ports a broker of our own can have: the usual ones, and another for each that is taken.
import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'

export interface WantedPort {
  readonly name: string
  readonly protocol: 'tcp' | 'udp'
  readonly port: number
}

export interface ChosenPort {
  readonly name: string
  /** 0: any that is free. */
  readonly port: number
  readonly taken: boolean
}

/** Looks by binding each for a moment. Somebody may still be faster: whoever binds in earnest must be ready for that. */
export function choosePorts(wanted: readonly WantedPort[], host: string): Promise<ChosenPort[]> {
  return Promise.all(
    wanted.map(async ({ name, protocol, port }) => {
      const free = await (protocol === 'tcp' ? bindsTcp(host, port) : bindsUdp(host, port))
      return { name, port: free ? port : 0, taken: !free }
    }),
  )
}

function bindsTcp(host: string, port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)))
  })
}

function bindsUdp(address: string, port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = createSocket('udp4')
    socket.once('error', () => {
      socket.close()
      resolve(false)
    })
    socket.bind({ address, port, exclusive: true }, () => socket.close(() => resolve(true)))
  })
}
