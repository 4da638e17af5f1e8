// What is measured, and what it is to reach.
import type { Channel } from './mqtt-contender.ts'
import type { Time } from './mqtt-load-generator.ts'

/** All of them are to be reached. `ratio`: Mosquitto's CPU time to ours. */
export interface Goal {
  readonly ratio?: number
  readonly perSecond?: number
  /** Microseconds of CPU time of the broker. */
  readonly cpu?: number
  /** Milliseconds. */
  readonly p99?: number
  /** Bytes of a connection. */
  readonly bytes?: number
  /** Of the throughput that was before one subscriber froze, and mebibytes of the broker at its most. */
  readonly share?: number
  readonly peak?: number
}

export interface Scenario {
  readonly name: string
  readonly about: string
  readonly unit: 'message' | 'connect' | 'connection'
  /** What mqtt-load is told, but for the broker, the clients and the time. */
  readonly load: readonly string[]
  readonly channel: Channel
  readonly goal: Goal
  /** Not more rounds than this, where one takes long. */
  readonly rounds: number
  /** Of each round. */
  readonly time: Time
  /** Whether the relay can do it. */
  readonly relayed: boolean
  /** Memory that a process was given before is not asked for again: each round in a new one. */
  readonly fresh: boolean
}

const ALWAYS = Number.POSITIVE_INFINITY
const TIME: Time = { warm: 0.7, seconds: 1.5 }

type Terms = Partial<Pick<Scenario, 'channel' | 'rounds' | 'time' | 'relayed' | 'fresh'>>

function scenario(
  unit: Scenario['unit'],
  name: string,
  about: string,
  load: string,
  goal: Goal,
  { channel = 'tcp', rounds = ALWAYS, time = TIME, relayed = false, fresh = unit === 'connection' }: Terms = {},
): Scenario {
  return { name, about, unit, load: load.split(' '), channel, goal, rounds, time, relayed, fresh }
}

const messages = (name: string, about: string, load: string, goal: Goal, terms?: Terms) =>
  scenario('message', name, about, `load ${load}`, goal, terms)

const FAN_OUT = '--shape fan-out --subscribers 200'
const FAN_IN = '--shape fan-in --publishers 200'
const PAIRS = '--shape pairs --publishers 200 --subscribers 200'
const RELAYED: Terms = { relayed: true }
const RELAYED_TLS: Terms = { relayed: true, channel: 'tls' }

const IDLE_CONNECTIONS = 2000
const IDLE_ABOUT = `growth from ${IDLE_CONNECTIONS / 2} to ${IDLE_CONNECTIONS} of them`
const IDLE = `idle --count ${IDLE_CONNECTIONS}`

/** Beside those who read, one who reads at first and then never again. */
function frozen(name: string, about: string, load: string, { readers = 200, seconds = 1.5 } = {}): Scenario {
  const goal: Goal = { share: 0.9, peak: 256 }
  const whole = `--shape fan-out --subscribers ${readers} --window 20 --freeze ${load}`
  return messages(name, `one beside ${readers} readers stops reading; fan-out, window 20, ${about}`, whole, goal, {
    rounds: 3,
    time: { warm: 1, seconds },
    fresh: true,
  })
}

export const SCENARIOS: readonly Scenario[] = [
  messages('fan-out', 'fan-out 1 to 200, QoS 0, window 20', `${FAN_OUT} --qos 0 --window 20`, { ratio: 10 }, RELAYED),
  messages('fan-in', 'fan-in 200 to 1, QoS 0, window 20', `${FAN_IN} --qos 0 --window 20`, { ratio: 10 }),
  messages('pairs', '200 pairs, QoS 0, window 20', `${PAIRS} --qos 0 --window 20`, { ratio: 10 }, RELAYED),
  messages('pairs-qos1', '200 pairs, QoS 1, clean, window 20', `${PAIRS} --qos 1 --window 20`, { ratio: 6 }, RELAYED),
  messages('pairs-qos2', '200 pairs, QoS 2, clean, window 20', `${PAIRS} --qos 2 --window 20`, { ratio: 2 }, RELAYED),
  messages(
    'fan-out-v5',
    'MQTT 5 with three properties and a subscription identifier, fan-out 1 to 200, QoS 0, window 20',
    `${FAN_OUT} --qos 0 --window 20 --properties`,
    { ratio: 5 },
  ),
  messages(
    'fan-out-tls',
    'fan-out 1 to 200 over TLS, QoS 0, window 20',
    `${FAN_OUT} --qos 0 --window 20`,
    { ratio: 3 },
    RELAYED_TLS,
  ),
  messages(
    'pairs-tls',
    '200 pairs over TLS, QoS 0, window 20',
    `${PAIRS} --qos 0 --window 20`,
    { ratio: 6 },
    RELAYED_TLS,
  ),
  messages('fan-out-1', 'fan-out 1 to 200, QoS 0, window 1', `${FAN_OUT} --qos 0 --window 1`, { ratio: 1 }, RELAYED),
  messages('fan-in-1', 'fan-in 200 to 1, QoS 0, window 1', `${FAN_IN} --qos 0 --window 1`, { ratio: 1 }),
  messages('pairs-1', '200 pairs, QoS 0, window 1', `${PAIRS} --qos 0 --window 1`, { ratio: 1 }, RELAYED),
  messages('pairs-qos1-1', '200 pairs, QoS 1, clean, window 1', `${PAIRS} --qos 1 --window 1`, { ratio: 0.8 }, RELAYED),
  messages(
    'rate-2000',
    '200 pairs, QoS 0, 2 000 messages a second',
    `${PAIRS} --qos 0 --rate 2000`,
    { ratio: 0.8 },
    RELAYED,
  ),
  messages(
    'rate-10000',
    '200 pairs, QoS 0, 10 000 messages a second',
    `${PAIRS} --qos 0 --rate 10000`,
    { ratio: 0.8 },
    RELAYED,
  ),
  scenario(
    'connect',
    'connects',
    'connects with a secret, 64 under way: TCP, CONNECT, CONNACK, DISCONNECT',
    'connects --window 64',
    { ratio: 0.4 },
    RELAYED,
  ),
  scenario(
    'connect',
    'connects-tls',
    'mutual-TLS connects with P-256 certificates, 64 under way: TCP, full handshake, CONNECT, CONNACK, DISCONNECT',
    'connects --window 64',
    { ratio: 0.6 },
    { relayed: true, channel: 'mutual-tls' },
  ),
  scenario(
    'connection',
    'idle',
    `memory of an idle connection with one subscription: ${IDLE_ABOUT}`,
    IDLE,
    { bytes: 8192 },
    { rounds: 3, relayed: true },
  ),
  scenario(
    'connection',
    'idle-tls',
    `memory of an idle connection over TLS with one subscription: ${IDLE_ABOUT}`,
    IDLE,
    { bytes: 45 * 1024 },
    { rounds: 3, ...RELAYED_TLS },
  ),
  messages(
    'crowd',
    '10 000 connections, 5 000 of them publish once a second, each to one other, QoS 0',
    '--shape pairs --publishers 5000 --subscribers 5000 --qos 0 --rate 5000',
    { p99: 20 },
    { rounds: 1 },
  ),
  frozen('frozen-qos0', 'QoS 0, 64 B', '--qos 0'),
  frozen('frozen-qos0-4k', 'QoS 0, 4 KiB', '--qos 0 --size 4096'),
  frozen('frozen-qos1', 'QoS 1, clean, 64 B', '--qos 1'),
  // Few readers, so many messages a second: its queue becomes full.
  frozen('frozen-qos1-4k', 'QoS 1, clean, 4 KiB', '--qos 1 --size 4096', { readers: 20, seconds: 2.5 }),
  frozen('frozen-persistent', 'QoS 1, its session persistent, 64 B', '--qos 1 --persistent'),
  frozen('frozen-persistent-4k', 'QoS 1, its session persistent, 4 KiB', '--qos 1 --persistent --size 4096'),
  // At last: its sessions stay behind in the broker.
  messages(
    'persistent',
    '200 pairs, QoS 1, subscribers with a persistent session, online, window 20',
    `${PAIRS} --qos 1 --window 20 --persistent`,
    { perSecond: 25_000, cpu: 45 },
  ),
]
