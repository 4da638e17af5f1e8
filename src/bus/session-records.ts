// Sessions as they lie in the store: operations that write them, and what reads them back.
import { Failure } from '../model/failure.ts'
import type { IncomingMessage } from '../model/message.ts'
import type { Principal, Subject } from '../model/principal.ts'
import type { Entry, Operation } from '../store/store.ts'
import type { EntryWrite } from './journal.ts'
import { queueKey, receivedKey, sessionKey, subscriptionKey, willKey } from './keys.ts'
import { Message } from './message.ts'
import { QueueEntry } from './queue.ts'
import type { Session, Will } from './session.ts'
import { decodeEntry, decodeMessage, encodeEntry, encodeMessage } from './stored-message.ts'
import type { Subscription, SubscriptionOptions } from './subscription.ts'

export interface SessionRecord {
  readonly expiry: number
  readonly endsAt: number | null
  readonly willAt: number | null
  /**
   * Of its queue, what has left (see `Queue.sentUpTo`); null while it is online. Written with the record alone, so that
   * no message costs a write for it: whatever a crash finds in the queue of somebody who was online may have left, and
   * is repeated as such [MQTT-3.3.1-1]; what came while he was away has not.
   */
  readonly sentUpTo: number | null
  readonly principal: Principal
}

type StoredPrincipal = Omit<Principal, 'subject'> & {
  readonly subject: Omit<Subject, 'attributes'> & { readonly attributes: readonly (readonly [string, string])[] }
}

export function putSession({ id, expiry, endsAt, willAt, principal, link, queue }: Session): Operation {
  const { subject } = principal
  const sentUpTo = link === null ? queue.sentUpTo : null
  const stored: StoredPrincipal = { ...principal, subject: { ...subject, attributes: [...subject.attributes] } }
  return { put: sessionKey(id), value: JSON.stringify({ expiry, endsAt, willAt, sentUpTo, principal: stored }) }
}

export function readSession(entry: Entry): SessionRecord {
  const { principal, ...record } = parse<SessionRecord & { principal: StoredPrincipal }>(entry)
  const { subject } = principal
  return { ...record, principal: { ...principal, subject: { ...subject, attributes: new Map(subject.attributes) } } }
}

export function putSubscription({
  session,
  name,
  qos,
  noLocal,
  retainAsPublished,
  identifier,
}: Subscription): Operation {
  const options: SubscriptionOptions = { qos, noLocal, retainAsPublished, identifier }
  return { put: subscriptionKey(session.id, name), value: JSON.stringify(options) }
}

export const readSubscription = (entry: Entry): SubscriptionOptions => parse<SubscriptionOptions>(entry)

const DELAY_BYTES = 4

export function putWill(id: string, { delay, message }: Will): Operation {
  const seconds = Buffer.alloc(DELAY_BYTES)
  seconds.writeUInt32BE(delay)
  const stored = new Message({ ...message, expiresAt: null, publisher: null })
  return { put: willKey(id), value: Buffer.concat([seconds, encodeMessage(stored)]) }
}

export function readWill({ value }: Entry): Will {
  const { topic, payload, qos, retain, properties } = decodeMessage(value.subarray(DELAY_BYTES))
  const message: IncomingMessage = { topic, payload, qos, retain, ...(properties && { properties }) }
  return { delay: value.readUInt32BE(), message }
}

/** Encoded when its batch is written. While the session is offline, the message is in memory only until then. */
export function putEntry(session: Pick<Session, 'id' | 'receiver' | 'queue'>, entry: QueueEntry): EntryWrite {
  return {
    entry,
    encode: () => {
      const value = entry.message === null ? RELEASED : encodeEntry(entry.message, entry)
      return { put: queueKey(session.id, entry.sequence), value }
    },
    onStored: () => {
      if (session.receiver === null) session.queue.sendAway(entry)
    },
  }
}

/** Stands in the place of a message whose receiver has it: only the identifier is left. */
const RELEASED = Buffer.alloc(1)

export const putRelease = (id: string, sequence: number): Operation => ({
  put: queueKey(id, sequence),
  value: RELEASED,
})

export function readEntry(sequence: number, { value }: Entry): QueueEntry {
  const released = value.length === RELEASED.length
  const delivery = released ? { qos: 2 as const, retain: false, identifiers: [], message: null } : decodeEntry(value)
  const entry = new QueueEntry({ ...delivery, sequence, durable: true, epoch: -1 })
  entry.stored = true
  entry.sent = entry.released = released
  return entry
}

/** The message of an entry; null when there is none that can be read. */
export function readQueued(entry: Entry | undefined): Message | null {
  if (entry === undefined) return null
  try {
    return decodeEntry(entry.value).message
  } catch (error) {
    if (error instanceof Failure) return null
    throw error
  }
}

export const putReceived = (id: string, packet: number): Operation => ({ put: receivedKey(id, packet), value: '' })

/** Everything of a session but its queue. */
export function deleteSession(session: Session): Operation[] {
  const { id } = session
  return [
    { del: sessionKey(id) },
    { del: willKey(id) },
    ...[...session.subscriptions.keys()].map(name => ({ del: subscriptionKey(id, name) })),
    ...[...session.received].map(packet => ({ del: receivedKey(id, packet) })),
  ]
}

function parse<T>({ key, value }: Entry): T {
  try {
    return JSON.parse(value.toString('utf8')) as T
  } catch (cause) {
    throw new Failure(
      'store-failed',
      `${JSON.stringify(key)} cannot be read; restore the data directory from a backup.`,
      {
        cause,
      },
    )
  }
}
