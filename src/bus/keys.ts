// Where the bus keeps what must survive. Strings of MQTT never hold U+0000, so it ends a client identifier.
//   bus/session/<id>               owner, expiry, when it ends
//   bus/will/<id>                  its will
//   bus/subscription/<id>NUL<name> options
//   bus/queue/<id>NUL<sequence>    message on its way, or its release
//   bus/received/<id>NUL<packet>   QoS 2 identifier that came in and is not released
//   bus/retained/<topic>           retained message

export const PREFIX = {
  session: 'bus/session/',
  will: 'bus/will/',
  subscription: 'bus/subscription/',
  queue: 'bus/queue/',
  received: 'bus/received/',
  retained: 'bus/retained/',
} as const

export const sessionKey = (id: string): string => PREFIX.session + id
export const willKey = (id: string): string => PREFIX.will + id
export const subscriptionKey = (id: string, name: string): string => `${PREFIX.subscription}${id}\0${name}`
/** Padded, so that keys sort as the queue does. */
export const queueKey = (id: string, sequence: number): string =>
  `${PREFIX.queue}${id}\0${String(sequence).padStart(16, '0')}`
export const receivedKey = (id: string, packet: number): string => `${PREFIX.received}${id}\0${packet}`
export const retainedKey = (topic: string): string => PREFIX.retained + topic

/** The session identifier and what follows it in a key. */
export function splitKey(key: string, prefix: string): { id: string; rest: string } {
  const end = key.indexOf('\0', prefix.length)
  return end < 0
    ? { id: key.slice(prefix.length), rest: '' }
    : { id: key.slice(prefix.length, end), rest: key.slice(end + 1) }
}
