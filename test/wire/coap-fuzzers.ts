// Who sends random and spoiled messages to the CoAP listeners of a broker: strangers, and devices with a session of their own.
import { codeClass, codeText } from '../../src/coap-wire/codes.ts'
import { encodeFrame, encodeWebSocketFrame } from '../../src/coap-wire/frame.ts'
import { TYPE } from '../../src/coap-wire/message.ts'
import { ping as pingFrame } from '../../src/coap-wire/signalling.ts'
import type { DtlsClientOptions } from '../../src/dtls/client.ts'
import { frame } from '../fixtures/coap-frame-fuzz.ts'
import { datagram } from '../fixtures/coap-fuzz.ts'
import { logIn, openStream, type StreamName } from '../fixtures/coap-stream-device.ts'
import { openChannel } from '../fixtures/coaps-device.ts'
import { mutated } from '../fixtures/dtls-datagrams.ts'
import { strangersSocket } from '../fixtures/strangers-socket.ts'
import type { CoapStreamClient } from './coap-stream-client.ts'
import { CoapClient } from './coap-wire.ts'
import { loggedIn, type Served, type Witness } from './coap-witnesses.ts'

/** Datagrams between two pings: what came before a ping was read before it is answered. */
const BURST = 20
/** At a time to one listener; every other one logs in. */
const CONNECTIONS = 10
/** Frames that one of them takes at most. */
const FRAMES_A_CONNECTION = 100
/** Milliseconds without a Pong after which the broker is taken to wait for the rest of a frame that was cut. */
const SILENCE = 60
/** Milliseconds after which a ping is sent again. */
const AGAIN = 500

export interface FuzzReport {
  sent: number
  /** Of them behind a login or a handshake. */
  bySessions: number
  /** What was answered: codes, and how connections ended. */
  readonly answers: Map<string, number>
  /** Payloads of answers that refuse. */
  readonly told: Set<string>
}

export const newReport = (): FuzzReport => ({ sent: 0, bySessions: 0, answers: new Map(), told: new Set() })

export interface Fuzzer {
  readonly broker: Served
  readonly random: () => number
  readonly id: string
  readonly secret: string
  readonly credentials: DtlsClientOptions
}

const count = ({ answers }: FuzzReport, what: string) => answers.set(what, (answers.get(what) ?? 0) + 1)

function tally(report: FuzzReport, received: readonly { code: number; payload: Buffer }[]): void {
  for (const { code, payload } of received) {
    if (codeClass(code) < 2 || codeClass(code) === 7) continue
    count(report, codeText(code))
    if (codeClass(code) >= 4) report.told.add(payload.toString())
  }
}

/** In a session, whatever carries it, and of nobody. */
async function messages(client: CoapClient, by: Fuzzer, query: readonly string[], many: number, report: FuzzReport) {
  for (let sent = 0; sent < many; sent += BURST) {
    for (let n = 0; n < BURST; n += 1) {
      const bytes = datagram(by.random, ['device', by.id], query)
      // No record of DTLS is empty, or longer.
      if (bytes.length > 0 && bytes.length < 1100) client.send(bytes)
    }
    await heard(client)
    tally(report, client.received.splice(0))
    client.datagrams.length = 0
    client.inbox.take()
    report.sent += BURST
  }
}

/** Resolves when the broker has read what was sent before, or the kernel has dropped it. */
async function heard(client: CoapClient): Promise<void> {
  const messageId = client.messageId()
  const send = () => client.sendEmpty(TYPE.CON, messageId)
  const again = setInterval(send, AGAIN)
  send()
  await client.next(message => message.type === TYPE.RST && message.messageId === messageId)
  clearInterval(again)
}

export async function overUdp(by: Fuzzer, many: number, report: FuzzReport): Promise<void> {
  for (const isLoggedIn of [true, false]) {
    const client = await CoapClient.open(by.broker.port('coap'), { echo: isLoggedIn })
    const query = isLoggedIn ? await loggedIn(client, by.id, by.secret) : []
    await messages(client, by, query, many / 2, report)
    if (isLoggedIn) report.bySessions += many / 2
    await client.close()
  }
}

/** Half of it inside a session; the other half records, of strangers and in the name of the witnesses. */
export async function overDtls(
  by: Fuzzer,
  victims: readonly Witness[],
  many: number,
  report: FuzzReport,
): Promise<void> {
  const corpus: Buffer[] = []
  const sending = (bytes: Buffer) => corpus.push(Buffer.from(bytes))
  const { client, session } = await openChannel(by.broker, by.credentials, { sending })
  await messages(client, by, [], many / 2, report)
  report.bySessions += many / 2
  const stranger = await strangersSocket()
  const port = by.broker.port('coaps')
  const sample = corpus.slice(0, 60)
  for (let sent = 0; sent < many / 2; sent += BURST) {
    for (let n = 0; n < BURST; n += 1) {
      const victim = by.random() < 0.5 ? victims[Math.floor(by.random() * victims.length)] : undefined
      const bytes = mutated(by.random, sample)
      if (victim?.spoof === undefined) stranger.send(bytes, port, '127.0.0.1')
      else victim.spoof(bytes)
    }
    await heard(client)
    report.sent += BURST
  }
  if (!session.isOpen) throw new Error('the session of the fuzzer itself has ended')
  stranger.close()
  await client.close()
}

export async function overStream(name: StreamName, by: Fuzzer, many: number, report: FuzzReport): Promise<void> {
  const lane = async (at: number) => {
    const isLoggedIn = at % 2 === 0
    for (let left = many / CONNECTIONS; left > 0; ) {
      const client = await openStream(by.broker, name)
      const query = isLoggedIn ? await logIn(client, by.id, by.secret) : []
      const sent = await frames(client, name, by, query, Math.min(left, FRAMES_A_CONNECTION), report)
      left -= sent
      report.sent += sent
      if (isLoggedIn) report.bySessions += sent
      tally(report, client.received)
      await client.close()
    }
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, (_, at) => lane(at)))
}

/** One by one, as long as the broker keeps the connection; resolves to how many. */
async function frames(
  client: CoapStreamClient,
  name: StreamName,
  { random, id }: Fuzzer,
  query: readonly string[],
  many: number,
  report: FuzzReport,
): Promise<number> {
  const encode = name.endsWith('tcp') ? encodeFrame : encodeWebSocketFrame
  for (let sent = 1; ; sent += 1) {
    const token = Buffer.from([0xff, sent & 255, 0xee])
    client.send(frame(random, encode, ['device', id], query))
    client.send(encode(pingFrame(token)))
    const fate = await answered(client, token)
    if (fate !== 'pong') count(report, fate)
    if (fate !== 'pong' || sent >= many) return sent
  }
}

/** What became of a frame with a Ping behind it. */
async function answered(client: CoapStreamClient, token: Buffer): Promise<'pong' | 'closed' | 'waits for more'> {
  let silence: NodeJS.Timeout | undefined
  const quiet = new Promise<'waits for more'>(resolve => {
    silence = setTimeout(resolve, SILENCE, 'waits for more')
  })
  try {
    for (;;) {
      const outcome = await Promise.race([client.signal('pong').catch(() => 'closed' as const), quiet])
      if (typeof outcome === 'string') return outcome
      if (outcome.token.equals(token)) return 'pong'
    }
  } finally {
    clearTimeout(silence)
  }
}
