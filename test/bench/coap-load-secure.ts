// The load of the scenarios over DTLS: handshakes one after the other, requests in open sessions, and sessions that only stay.
import { createSocket, type Socket } from 'node:dgram'
import { CODE } from '../../src/coap-wire/codes.ts'
import { DtlsClient } from '../../src/dtls/client.ts'
import type { DtlsSession } from '../../src/dtls/session.ts'
import { answers, datagramOf, LOOPBACK, renumber } from './coap-load-peer.ts'
import type { HoldOrder, Measured, SecureOrder, Shown } from './coap-orders.ts'
import { cpuSeconds, peakResidentBytes, residentBytes } from './process-usage.ts'
import { quantile } from './statistics.ts'

/** Samples of latency that are kept. */
const LATENCIES = 200_000
/** Handshakes under way at the same time, for sessions that stay. */
const CROWD = 16
/** The name in the server's certificate. */
const NAME = 'localhost'
/** Milliseconds: repetitions are for a network that loses, which this one does only when its buffers are full. */
const LIMITS = { retransmit: 2000 }

/** One client: a socket, and the session that it has at the moment. */
class SecurePeer {
  readonly #client: DtlsClient
  readonly #socket: Socket
  readonly #port: number
  #session: DtlsSession | null = null
  #heard: (payload: Buffer) => void = () => {}

  private constructor(client: DtlsClient, socket: Socket, port: number) {
    this.#client = client
    this.#socket = socket
    this.#port = port
    socket.on('message', bytes => this.#session?.receive(bytes))
  }

  static async of(client: DtlsClient, port: number): Promise<SecurePeer> {
    const socket = createSocket({ type: 'udp4', lookup: (host, _options, callback) => callback(null, host, 4) })
    await new Promise<void>(resolve => socket.connect(port, LOOPBACK, resolve))
    return new SecurePeer(client, socket, port)
  }

  /** Rejects when the handshake came to nothing. */
  open(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#session = this.#client.connect(
        { address: LOOPBACK, port: this.#port },
        {
          send: datagram => this.#socket.send(datagram),
          opened: resolve,
          message: payload => this.#heard(payload),
          ended: ({ inHandshake, reason, error }) => {
            if (inHandshake) reject(new Error(`no DTLS session: ${reason} ${error ?? ''}`))
          },
        },
        { name: NAME },
      )
    })
  }

  /** Sends a request; resolves with the answer. */
  ask(request: Buffer): Promise<Buffer> {
    return new Promise(resolve => {
      this.#heard = payload => {
        if (answers(payload, request) || payload.equals(request)) resolve(payload)
      }
      this.#session?.send(request)
    })
  }

  /** Says goodbye; the next session may come from the same port. */
  hangUp(): void {
    this.#session?.close()
    this.#session = null
  }

  close(): void {
    this.hangUp()
    this.#socket.close()
  }
}

const clientOf = ({ psk, certificate, authorities }: Shown): DtlsClient =>
  new DtlsClient({
    limits: LIMITS,
    ...(psk && { psk: { identity: psk.identity, key: Buffer.from(psk.key, 'hex') } }),
    ...(certificate && { certificate }),
    ...(authorities !== undefined && { authorities }),
  })

const requestTo = (path: readonly string[]) => datagramOf({ confirmable: true, method: CODE.GET, path, query: [] })

/** A reply that is the request itself is that of a server which echoes. */
function checkAnswer(answer: Buffer): void {
  const code = answer[1]
  if (code !== CODE.Content && code !== CODE.GET) throw new Error(`a request was answered with code ${code}`)
}

export async function loadSecure({ kind, port, pid, shown, path, warm, measured }: SecureOrder): Promise<Measured> {
  const peers = await Promise.all(shown.map(one => SecurePeer.of(clientOf(one), port)))
  try {
    if (kind === 'echo') await Promise.all(peers.map(peer => peer.open()))
    const requests = peers.map(() => requestTo(path))
    const once = async (at: number) => {
      const peer = peers[at]!
      if (kind === 'handshakes') {
        await peer.open()
        peer.hangUp()
        return
      }
      const request = requests[at]!
      renumber(request)
      checkAnswer(await peer.ask(request))
    }
    await inLoops(peers.length, warm.seconds, once)
    const begun = cpuSeconds(pid)
    const { latencies, seconds } = await inLoops(peers.length, measured.seconds, once)
    return {
      count: latencies.length,
      seconds,
      cpuSeconds: cpuSeconds(pid) - begun,
      p50: quantile(latencies.slice(0, LATENCIES), 0.5),
      p99: quantile(latencies.slice(0, LATENCIES), 0.99),
      lost: 0,
      memory: [{ requests: latencies.length, bytes: residentBytes(pid) }],
      peakBytes: peakResidentBytes(pid),
    }
  } finally {
    for (const peer of peers) peer.close()
  }
}

/** Each of `count` loops begins the next as soon as the one before is done, for so many seconds. */
async function inLoops(
  count: number,
  wanted: number,
  once: (at: number) => Promise<void>,
): Promise<{ latencies: number[]; seconds: number }> {
  const begun = performance.now()
  const latencies: number[] = []
  const loop = async (at: number) => {
    for (let now = performance.now(); now < begun + wanted * 1000; ) {
      await once(at)
      const done = performance.now()
      latencies.push(done - now)
      now = done
    }
  }
  await Promise.all(Array.from({ length: count }, (_, at) => loop(at)))
  return { latencies, seconds: (performance.now() - begun) / 1000 }
}

/** Sessions that stay. */
export class SecureCrowd {
  readonly #peers: SecurePeer[] = []

  /** Opens so many more, each of which asks once; answers with how many there are. */
  async grow({ port, shown, path, count }: HoldOrder): Promise<number> {
    const clients = shown.map(clientOf)
    let left = count
    const loop = async () => {
      while (left > 0) {
        left -= 1
        const peer = await SecurePeer.of(clients[this.#peers.length % clients.length]!, port)
        this.#peers.push(peer)
        await peer.open()
        checkAnswer(await peer.ask(requestTo(path)))
      }
    }
    await Promise.all(Array.from({ length: CROWD }, loop))
    return this.#peers.length
  }

  leave(): number {
    for (const peer of this.#peers.splice(0)) peer.close()
    return 0
  }
}
