// What is measured, and what it is to reach.

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
}

export interface Scenario {
  readonly name: string
  readonly about: string
  readonly unit: 'message' | 'connect' | 'connection'
  /** What mqtt-load is told, but for the broker, the clients and the time. */
  readonly load: readonly string[]
  readonly goal: Goal
  /** Not more rounds than this, where one takes long. */
  readonly rounds: number
}

const ALWAYS = Number.POSITIVE_INFINITY

function messages(name: string, about: string, load: string, goal: Goal, rounds = ALWAYS): Scenario {
  return { name, about, unit: 'message', load: ['load', ...load.split(' ')], goal, rounds }
}

const FAN_OUT = '--shape fan-out --subscribers 200'
const FAN_IN = '--shape fan-in --publishers 200'
const PAIRS = '--shape pairs --publishers 200 --subscribers 200'

export const IDLE_CONNECTIONS = 2000

export const SCENARIOS: readonly Scenario[] = [
  messages('fan-out', 'fan-out 1 to 200, QoS 0, window 20', `${FAN_OUT} --qos 0 --window 20`, { ratio: 10 }),
  messages('fan-in', 'fan-in 200 to 1, QoS 0, window 20', `${FAN_IN} --qos 0 --window 20`, { ratio: 10 }),
  messages('pairs', '200 pairs, QoS 0, window 20', `${PAIRS} --qos 0 --window 20`, { ratio: 10 }),
  messages('pairs-qos1', '200 pairs, QoS 1, clean, window 20', `${PAIRS} --qos 1 --window 20`, { ratio: 6 }),
  messages('pairs-qos2', '200 pairs, QoS 2, clean, window 20', `${PAIRS} --qos 2 --window 20`, { ratio: 2 }),
  messages(
    'fan-out-v5',
    'MQTT 5 with three properties and a subscription identifier, fan-out 1 to 200, QoS 0, window 20',
    `${FAN_OUT} --qos 0 --window 20 --properties`,
    { ratio: 5 },
  ),
  messages('fan-out-1', 'fan-out 1 to 200, QoS 0, window 1', `${FAN_OUT} --qos 0 --window 1`, { ratio: 1 }),
  messages('fan-in-1', 'fan-in 200 to 1, QoS 0, window 1', `${FAN_IN} --qos 0 --window 1`, { ratio: 1 }),
  messages('pairs-1', '200 pairs, QoS 0, window 1', `${PAIRS} --qos 0 --window 1`, { ratio: 1 }),
  messages('pairs-qos1-1', '200 pairs, QoS 1, clean, window 1', `${PAIRS} --qos 1 --window 1`, { ratio: 0.8 }),
  messages('rate-2000', '200 pairs, QoS 0, 2 000 messages a second', `${PAIRS} --qos 0 --rate 2000`, { ratio: 0.8 }),
  messages('rate-10000', '200 pairs, QoS 0, 10 000 messages a second', `${PAIRS} --qos 0 --rate 10000`, { ratio: 0.8 }),
  {
    name: 'connects',
    about: 'connects with a secret, 64 under way: TCP, CONNECT, CONNACK, DISCONNECT',
    unit: 'connect',
    load: ['connects', '--window', '64'],
    goal: { ratio: 0.4 },
    rounds: ALWAYS,
  },
  {
    name: 'idle',
    about: `memory of an idle connection with one subscription: growth from ${IDLE_CONNECTIONS / 2} to ${IDLE_CONNECTIONS} of them`,
    unit: 'connection',
    load: ['idle', '--count', String(IDLE_CONNECTIONS)],
    goal: { bytes: 8192 },
    rounds: 3,
  },
  messages(
    'crowd',
    '10 000 connections, 5 000 of them publish once a second, each to one other, QoS 0',
    '--shape pairs --publishers 5000 --subscribers 5000 --qos 0 --rate 5000',
    { p99: 20 },
    1,
  ),
  // At last: its sessions stay behind in the broker.
  messages(
    'persistent',
    '200 pairs, QoS 1, subscribers with a persistent session, online, window 20',
    `${PAIRS} --qos 1 --window 20 --persistent`,
    { perSecond: 25_000, cpu: 45 },
  ),
]
