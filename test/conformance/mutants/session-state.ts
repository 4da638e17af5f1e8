// Session state, redelivery and order.
import type { Mutant } from './mutant.ts'

export const SESSION_MUTANTS: readonly Mutant[] = [
  {
    file: 'bus/sessions.ts',
    from: '!cleanStart && older.belongsTo(principal) ? older : undefined',
    to: 'false ? older : undefined',
    v311: '3.1.2-4',
    v5: '3.1.2-5',
  },
  {
    // Nobody's session outlives its connection.
    file: 'mqtt/connect-terms.ts',
    from: 'return clean ? 0 : NEVER',
    to: 'return 0',
    v311: '4.1.0-1',
  },
  {
    file: 'mqtt/connect-terms.ts',
    from: 'return properties.sessionExpiryInterval ?? 0',
    to: 'return 0',
    v5: '3.1.2-23',
  },
  {
    file: 'bus/acceptance.ts',
    from: 'if (session.queue.isFull &&',
    to: 'if (session.receiver === null) return\n    if (session.queue.isFull &&',
    v311: '3.1.2-5 4.5.0-1',
    v5: '4.5.0-1',
  },
  {
    file: 'bus/sessions.ts',
    from: '!cleanStart && older',
    to: 'older',
    v311: '3.1.2-6 3.1.4-3',
    v5: '3.1.2-4 3.1.4-4',
  },
  {
    // What somebody has left to be kept goes with them.
    file: 'mqtt/gate.ts',
    from: 'this.#opening?.leave(this.#keepWill)',
    to: `this.#opening?.leave(this.#keepWill)
    for (const kept of [...this.#context.bus.retained.match('#')])
      if (kept !== null && kept.publisher?.session === this.#traffic?.session.publishesAs)
        this.#context.bus.retained.set({ topic: kept.topic, payload: Buffer.alloc(0) } as typeof kept)`,
    v311: '3.1.2-7',
  },
  {
    // Where one session ends, all lose their subscriptions.
    file: 'bus/sessions.ts',
    from: 'for (const name of [...session.subscriptions.keys()]) this.#parts.router.remove(session, name)',
    to: `for (const each of [session, ...this.#byId.values()])
      for (const name of [...each.subscriptions.keys()]) this.#parts.router.remove(each, name)`,
    v311: '4.1.0-2',
    v5: '4.1.0-1',
  },
  {
    file: 'bus/sessions.ts',
    from: 'null : now + expiry * 1000',
    to: 'null : now + expiry * 60_000',
    v5: '4.1.0-2',
  },
  {
    file: 'bus/queue.ts',
    from: 'sort((a, b) => a.sequence - b.sequence)',
    to: 'sort((a, b) => b.sequence - a.sequence)',
    v311: '4.6.0-1',
  },
  {
    // What need not be stored overtakes what must.
    file: 'mqtt/incoming-publishes.ts',
    from: 'this.#inOrder(qos, this.#accept(packet, topic))',
    to: 'this.#accept(packet, topic)',
    v311: '4.6.0-2 4.6.0-3',
  },
  {
    file: 'mqtt/delivery.ts',
    from: "const send = () => this.connection.push(encodeAcknowledgement('pubrel', packetId, this.version))",
    to: "const send = () => void setTimeout(() => this.connection.push(encodeAcknowledgement('pubrel', packetId, this.version)), packetId % 2 ? 50 : 0)",
    v311: '4.6.0-4',
  },
  {
    // The last comes first.
    file: 'bus/queue.ts',
    from: 'this.#reserved?.delete(entry)\n    this.#waiting.push(entry)',
    to: 'this.#reserved?.delete(entry)\n    this.#waiting.splice(this.#head, 0, entry)',
    v311: '4.6.0-5 4.6.0-6',
    v5: '4.6.0-6 4.6.0-5',
  },
]
