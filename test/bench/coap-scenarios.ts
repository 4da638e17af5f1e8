// What is measured, and what it is to reach.

/** All of them are to be reached, by Latchkey with an anonymous role, or with the device's own credential over DTLS. */
export interface Goals {
  /** CPU time of a peer to ours, at least. */
  readonly ratios?: Readonly<Record<string, number>>
  /** A second of CPU time of the server, at least. */
  readonly perCpuSecond?: number
  /** MiB of the server at its most. */
  readonly peak?: number
  /** KiB of one session. */
  readonly kibibytes?: number
}

export interface Scenario {
  readonly name: string
  readonly about: string
  readonly kind: 'get' | 'fan-out' | 'memory' | 'handshakes' | 'echo' | 'idle'
  /** What is counted. */
  readonly unit: 'request' | 'notification' | 'handshake' | 'session'
  /** Fan-out: how the notifications go. */
  readonly confirmable: boolean
  /** Over DTLS: what clients show. */
  readonly shown: 'psk' | 'x509'
  /** Not more rounds than this, where one takes long. */
  readonly rounds: number
  readonly goals: Goals
}

/** Peers with one request or handshake under way each. */
export const WINDOW = 32
export const OBSERVERS = 500
/** Sessions of which the second half is weighed. */
export const IDLE_SESSIONS = 2000
/** Seconds. */
export const WARM = 2
export const MEASURED = 2

const ALWAYS = Number.POSITIVE_INFINITY

const over = (unit: Scenario['unit'], shown: Scenario['shown'], goals: Goals, rounds = ALWAYS) => ({
  unit,
  shown,
  goals,
  rounds,
  confirmable: true,
})
const plain = (unit: Scenario['unit'], goals: Goals, rounds = ALWAYS, confirmable = true) => ({
  unit,
  shown: 'psk' as const,
  goals,
  rounds,
  confirmable,
})
const BY = { psk: 'a pre-shared key', x509: 'mutual P-256 certificates' }
const fanOut = (name: string, how: string, confirmable: boolean): Scenario => ({
  name,
  kind: 'fan-out',
  about: `a value put by one publisher reaches ${OBSERVERS} observers, ${how}; the next one is put when all have it`,
  ...plain('notification', { ratios: { 'npm-coap': 4, libcoap: 1.5 } }, ALWAYS, confirmable),
})
const handshakes = (shown: Scenario['shown'], perCpuSecond: number): Scenario => ({
  name: `handshakes-${shown}`,
  kind: 'handshakes',
  about: `DTLS 1.2 handshakes with ${BY[shown]}, full, ${WINDOW} under way: hello, cookie, keys, goodbye`,
  ...over('handshake', shown, { perCpuSecond }),
})
const idle = (shown: Scenario['shown'], kibibytes: number): Scenario => ({
  name: `idle-${shown}`,
  kind: 'idle',
  about: `memory of a DTLS session by ${BY[shown]} that has asked once: growth from ${IDLE_SESSIONS / 2} to ${IDLE_SESSIONS}`,
  ...over('session', shown, { kibibytes }, 3),
})

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'get',
    kind: 'get',
    about: `GET of a small retained value, ${WINDOW} peers with one CON in flight each`,
    ...plain('request', { ratios: { 'npm-coap': 3, libcoap: 0.7 } }),
  },
  fanOut('fan-out-con', 'CON', true),
  fanOut('fan-out-non', 'NON', false),
  {
    name: 'memory',
    kind: 'memory',
    about: `memory over a million GETs, ${WINDOW} peers`,
    ...plain('request', { peak: 120 }, 1),
  },
  handshakes('psk', 2000),
  handshakes('x509', 450),
  {
    name: 'echo',
    kind: 'echo',
    about: `the same GET in ${WINDOW} open DTLS sessions with one CON in flight each; the floor only sends it back`,
    ...over('request', 'psk', { perCpuSecond: 18_000 }),
  },
  idle('psk', 40),
  idle('x509', 55),
]
