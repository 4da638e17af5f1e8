// What a broker that was killed and started again must still know.
import type { Acknowledged } from '../devices/home-device.ts'
import { isNumber, readMessage, type WireMessage } from '../message.ts'
import type { Check } from '../report.ts'

/** `seq` of a message of the home; a command has an `id` instead. Null: neither. */
export function sequenceOf(heard: WireMessage): number | null {
  const message = readMessage(heard)
  const number = message?.seq ?? message?.id
  return isNumber(number) ? number : null
}

/** Whether a message on this topic is stored, by the topics of the home. */
const isKept = (topic: string): boolean => /^home\/[^/]+\/(temperature|alert|ac\/state)$/.test(topic)

/** `before`: what devices were told is safe, before the kill. `found`: what a newcomer is given after it. */
export function retainedCheck(before: readonly Acknowledged[], found: readonly WireMessage[]): Check {
  const promised = newestByTopic(before.filter(({ topic }) => isKept(topic)))
  const stored = new Map<string, number>()
  for (const one of found) stored.set(one.topic, Math.max(stored.get(one.topic) ?? 0, sequenceOf(one) ?? 0))
  const lost = [...promised].filter(([topic, seq]) => (stored.get(topic) ?? -1) < seq)
  return {
    name: 'retained-survives-restart',
    ok: promised.size > 0 && lost.length === 0,
    expected: 'after the restart no retained value is older than the last one acknowledged before the kill',
    observed:
      lost.length === 0
        ? `${promised.size} topics, none older`
        : `older or missing: ${lost.map(([topic, seq]) => `${topic} (${stored.get(topic) ?? 'none'} < ${seq})`).join(', ')}`,
    evidence: [...promised]
      .slice(0, SHOWN)
      .map(([topic, seq]) => `${topic} acknowledged ${seq}, retained ${stored.get(topic) ?? 'none'}`)
      .join('; '),
  }
}

const SHOWN = 6

function newestByTopic(acknowledged: readonly Acknowledged[]): Map<string, number> {
  const newest = new Map<string, number>()
  for (const { topic, seq } of acknowledged) newest.set(topic, Math.max(newest.get(topic) ?? 0, seq))
  return newest
}

/**
 * `missed`: what was acknowledged to its senders while the reader was away. `received`: what the reader got when it came
 * back. A repetition is allowed (QoS 1), a gap is not, nor a first appearance out of order.
 */
export function queuedCheck(missed: readonly Acknowledged[], received: readonly WireMessage[]): Check {
  const expected = new Map<string, number[]>()
  for (const { topic, seq } of missed) expected.set(topic, [...(expected.get(topic) ?? []), seq])
  const got = firstAppearances(received)
  const problems: string[] = []
  for (const [topic, sequences] of expected) {
    const appeared = got.get(topic) ?? []
    const seen = new Set(appeared)
    const lost = sequences.filter(seq => !seen.has(seq))
    if (lost.length > 0) problems.push(`${topic} lacks ${lost.slice(0, SHOWN).join(' ')}`)
    if (appeared.some((seq, i) => i > 0 && seq < (appeared[i - 1] ?? 0))) problems.push(`${topic} out of order`)
  }
  const count = missed.length
  return {
    name: 'queued-survives-restart',
    ok: count > 0 && problems.length === 0,
    expected: 'a reader with a persistent session gets, in order, all that was acknowledged while it was away',
    observed:
      problems.length === 0 ? `${count} messages on ${expected.size} topics, none missing` : problems.join('; '),
    evidence: [...expected]
      .slice(0, SHOWN)
      .map(([topic, sequences]) => `${topic} ${sequences[0]} to ${sequences.at(-1)}`)
      .join('; '),
  }
}

function firstAppearances(received: readonly WireMessage[]): Map<string, number[]> {
  const got = new Map<string, Set<number>>()
  for (const one of received) {
    const seq = sequenceOf(one)
    if (seq === null) continue
    const seen = got.get(one.topic) ?? new Set()
    got.set(one.topic, seen.add(seq))
  }
  return new Map([...got].map(([topic, seen]) => [topic, [...seen]]))
}
