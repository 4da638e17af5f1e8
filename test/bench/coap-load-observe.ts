// The load of scenario "fan-out": observers with a socket each, and one publisher that puts the next value when the one before
// has reached everybody.
import type { Socket } from 'node:dgram'
import { CODE, codeText } from '../../src/coap-wire/codes.ts'
import { decode } from '../../src/coap-wire/decode.ts'
import { OPTION, optionOf } from '../../src/coap-wire/options.ts'
import { answers, datagramOf, openSocket, type RequestForm } from './coap-load-peer.ts'
import type { Extent, Measured, ObserveOrder } from './coap-orders.ts'
import { cpuSeconds, peakResidentBytes, residentBytes } from './process-usage.ts'
import { quantile } from './statistics.ts'

/** Milliseconds to wait for what may be lost: an answer, or the last notification of a publication. */
const PATIENCE = 2000
const ATTEMPTS = 4
/** Observers that register at the same time. */
const CROWD = 25
const SEQUENCE_DIGITS = 8

export async function loadObserve(order: ObserveOrder): Promise<Measured> {
  const { port, pid, path, confirmable, queries, publisherQuery, warm, measured } = order
  const publisher = await openSocket(port)
  const observers: Socket[] = []
  try {
    for (const _ of queries) observers.push(await openSocket(port))
    const audience = new Audience(observers)
    for (let from = 0; from < observers.length; from += CROWD) {
      const crowd = observers.slice(from, from + CROWD)
      await Promise.all(
        crowd.map((socket, index) => {
          const query = queries[from + index]!
          return ask(socket, { confirmable, method: CODE.GET, path, query, observe: true }, CODE.Content)
        }),
      )
    }

    const ping = () =>
      ask(publisher, { confirmable: true, method: CODE.GET, path, query: publisherQuery }, CODE.Content)
    let sequence = 0
    const publish = async ({ seconds, count }: Extent) => {
      const until = performance.now() + seconds * 1000
      for (let put = 0; put < count || performance.now() < until; put++) {
        sequence++
        const payload = Buffer.from(`{"seq":${String(sequence).padStart(SEQUENCE_DIGITS)}}`)
        const arrived = audience.expect(sequence)
        const form = { confirmable, method: CODE.PUT, path, query: publisherQuery, payload }
        await Promise.all([arrived, ask(publisher, form, CODE.Changed)])
      }
    }
    await publish(warm)
    await ping()
    audience.forget()
    const begun = { at: performance.now(), cpu: cpuSeconds(pid) }
    await publish(measured)
    const seconds = (performance.now() - begun.at) / 1000
    // One socket is read in order: with the answer to this, the last acknowledgements have been dealt with too.
    await ping()
    return {
      count: audience.latencies.length,
      seconds,
      cpuSeconds: cpuSeconds(pid) - begun.cpu,
      p50: quantile(audience.latencies, 0.5),
      p99: quantile(audience.latencies, 0.99),
      lost: audience.lost,
      memory: [{ requests: sequence, bytes: residentBytes(pid) }],
      peakBytes: peakResidentBytes(pid),
    }
  } finally {
    for (const socket of [publisher, ...observers]) socket.close()
  }
}

/** All observers: counts who has got the publication that is under way. */
class Audience {
  /** Milliseconds from the publication to each notification of it. */
  latencies: number[] = []
  lost = 0
  readonly #size: number
  #sequence = 0
  #publishedAt = 0
  #missing = 0
  #arrived = () => {}

  constructor(observers: readonly Socket[]) {
    this.#size = observers.length
    for (const socket of observers) {
      let latest = 0
      socket.on('message', bytes => {
        const sequence = sequenceOf(bytes)
        if (sequence !== this.#sequence || sequence === latest) return
        latest = sequence
        this.latencies.push(performance.now() - this.#publishedAt)
        if (--this.#missing === 0) this.#arrived()
      })
    }
  }

  /** Resolves when everybody has got it, or when whoever has not will not get it any more. */
  expect(sequence: number): Promise<void> {
    this.#sequence = sequence
    this.#missing = this.#size
    this.#publishedAt = performance.now()
    return new Promise(resolve => {
      const patience = setTimeout(() => {
        this.lost += this.#missing
        resolve()
      }, ATTEMPTS * PATIENCE)
      this.#arrived = () => {
        clearTimeout(patience)
        resolve()
      }
    })
  }

  forget(): void {
    this.latencies = []
    this.lost = 0
  }
}

/** The number in the payload `{"seq":    17}`, which ends the datagram; 0 of anything else. */
function sequenceOf(bytes: Buffer): number {
  if (bytes[bytes.length - 1] !== 0x7d) return 0
  return Number(bytes.toString('latin1', bytes.length - 1 - SEQUENCE_DIGITS, bytes.length - 1)) || 0
}

/** One request until it is answered, with the Echo option that a server may ask for (RFC 9175 2.3). */
export async function ask(
  socket: Socket,
  form: RequestForm,
  expected?: number,
): Promise<{ code: number; payload: string }> {
  let echo: Buffer | undefined
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const bytes = await exchange(socket, datagramOf(echo ? { ...form, echo } : form))
    const answer = bytes && decode(bytes)
    if (!answer || 'malformed' in answer) continue
    const challenge = optionOf(answer, OPTION.Echo)
    if (answer.code === CODE.Unauthorized && challenge && !echo) {
      echo = challenge
      continue
    }
    // Whoever put it first made it: 2.01.
    if (expected !== undefined && answer.code !== expected && answer.code !== CODE.Created) {
      throw new Error(`/${form.path.join('/')} was answered with ${codeText(answer.code)}, not ${codeText(expected)}`)
    }
    return { code: answer.code, payload: answer.payload.toString() }
  }
  throw new Error(`/${form.path.join('/')} was not answered`)
}

/** Sends a datagram, waits for the response to it; null when none came in time. */
function exchange(socket: Socket, datagram: Buffer): Promise<Buffer | null> {
  return new Promise(resolve => {
    const settle = (bytes: Buffer | null) => {
      clearTimeout(patience)
      socket.off('message', receive)
      resolve(bytes)
    }
    const receive = (bytes: Buffer) => {
      if (answers(bytes, datagram)) settle(bytes)
    }
    const patience = setTimeout(settle, PATIENCE, null)
    socket.on('message', receive)
    socket.send(datagram)
  })
}
