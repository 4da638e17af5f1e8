// From the bus to one session: through its queue, or past it where nothing has to be kept.
import type { Message } from './message.ts'
import type { Overflow } from './overflow.ts'
import type { QueueEntry } from './queue.ts'
import type { Target } from './route.ts'
import type { Session } from './session.ts'

/** Takes a place in the queue for a QoS 1 or 2 copy that was permitted. */
export function reserve(target: Target, message: Message): QueueEntry {
  const { session, permittedAt } = target
  const { retain, identifiers } = target.deliver(message)
  const qos = target.qosOf(message) === 2 ? 2 : 1
  return session.queue.reserve(message.keep(), { retain, identifiers, qos }, session.durable, permittedAt)
}

/** These may leave now. */
export function addAll(session: Session, entries: readonly QueueEntry[]): void {
  if (session.ended) return // it has let go of them
  for (const entry of entries) session.queue.add(entry)
  session.receiver?.queued()
}

/**
 * One copy that need not outlive its connection: QoS 0, or the session ends with it. Decided now, since the message may
 * have waited for the store on behalf of others; it queues only behind what is queued already, or cannot leave at once.
 */
export function handOver(target: Target, message: Message, overflow: Overflow): void {
  const { session } = target
  if (session.ended || !target.mayHave(message)) return
  const { receiver, queue } = session
  const qos = target.qosOf(message)
  if (qos === 0) receiver?.send(message, target.deliver(message))
  else if (receiver?.pass(message, target.deliver(message), qos)) return
  else if (!queue.isFull || overflow.makeRoom(session, false)) addAll(session, [reserve(target, message)])
}
