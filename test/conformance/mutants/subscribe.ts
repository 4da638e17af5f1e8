// SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK.
import type { Mutant } from './mutant.ts'

const SUBSCRIBING: readonly Mutant[] = [
  {
    file: 'mqtt/decode.ts',
    from: 'case TYPE.subscribe:\n      checkFlags(header, 2, version)',
    to: 'case TYPE.subscribe:',
    v311: '3.8.1-1',
    v5: '3.8.1-1',
  },
  {
    file: 'mqtt/decode.ts',
    from: 'const name = reader.text()',
    to: 'const name = reader.binary().toString()',
    v311: '3.8.3-1',
    v5: '3.8.3-1',
  },
  { file: 'model/topic.ts', from: "return level === '+' || (", to: 'return (', v311: '3.8.3-2' },
  {
    // Nothing stands for everything.
    file: 'mqtt/decode.ts',
    from: 'const name = reader.text()\n  const options = reader.byte()',
    to: "const name = reader.isAtEnd ? '#' : reader.text()\n  const options = reader.isAtEnd ? 0 : reader.byte()",
    v311: '3.8.3-3',
    v5: '3.8.3-2',
  },
  { file: 'mqtt/decode.ts', from: 'version === 5 ? 0xc0 : 0xfc', to: '0xc0', v311: '3.8.3-4' },
  { file: 'mqtt/decode.ts', from: 'version === 5 ? 0xc0 : 0xfc', to: 'version === 5 ? 0 : 0xfc', v5: '3.8.3-5' },
  {
    file: 'bus/route.ts',
    from: '? this : this.#local',
    to: '? this : this',
    v5: '3.8.3-3',
  },
  { file: 'mqtt/subscribing.ts', from: 'parsed.group !== null && noLocal', to: 'false', v5: '3.8.3-4' },
  {
    file: 'mqtt/subscribing.ts',
    from: 'engine.subscribe(',
    to: 'if (packetId !== 256) engine.subscribe(',
    v311: '3.8.4-1',
    v5: '3.8.4-1',
  },
  {
    file: 'bus/router.ts',
    from: 'if (older !== undefined) this.#detach(older)',
    to: '',
    v311: '3.8.4-3',
    v5: '3.8.4-3',
  },
  {
    // A filter that is known changes nothing, and is not asked for again.
    file: 'mqtt/subscribing.ts',
    from: '(retainHandling === 0 || ',
    to: '((retainHandling === 0 && isNew) || ',
    v311: '3.8.4-3',
    v5: '3.8.4-4',
  },
  {
    file: 'mqtt/subscribing.ts',
    from: 'i < limits.filtersPerPacket',
    to: 'i < 1',
    v311: '3.8.4-4',
    v5: '3.8.4-5',
  },
  {
    file: 'mqtt/subscribing.ts',
    from: 'const codes = granted.map(',
    to: 'const codes = granted.filter(({ code }) => code < FAILED).map(',
    v311: '3.8.4-5',
    v5: '3.8.4-6',
  },
  {
    file: 'mqtt/subscribing.ts',
    from: 'code: subscription.qos',
    to: 'code: 2',
    v5: '3.8.4-7',
  },
  {
    // QoS 0 and 1 become what was granted.
    file: 'bus/route.ts',
    from: 'return Math.min(message.qos, this.qos)',
    to: 'return (this.qos)',
    v311: '3.8.4-6',
    v5: '3.8.4-8',
  },
  {
    file: 'mqtt/subscribing.ts',
    from: 'const codes = granted.map(',
    to: 'const codes = [...granted].reverse().map(',
    v311: '3.9.3-1',
    v5: '3.9.3-1',
  },
  {
    // A return code of CONNACK.
    file: 'mqtt/subscribing.ts',
    from: 'this.#parts.version === 5 ? FAILURES[failure].mqtt5 : FAILED',
    to: 'FAILURES[failure].mqtt3',
    v311: '3.9.3-2',
    v5: '3.9.3-2',
  },
]

const UNSUBSCRIBING: readonly Mutant[] = [
  {
    file: 'mqtt/decode.ts',
    from: 'case TYPE.unsubscribe:\n      checkFlags(header, 2, version)',
    to: 'case TYPE.unsubscribe:',
    v311: '3.10.1-1',
    v5: '3.10.1-1',
  },
  {
    file: 'mqtt/decode.ts',
    from: 'names.push(reader.text())',
    to: 'names.push(reader.binary().toString())',
    v311: '3.10.3-1',
    v5: '3.10.3-1',
  },
  {
    file: 'mqtt/decode.ts',
    from: 'names.push(reader.text())',
    to: "names.push(reader.isAtEnd ? '#' : reader.text())",
    v311: '3.10.3-2',
    v5: '3.10.3-2',
  },
  {
    file: 'bus/sessions.ts',
    from: 'const gone = names.filter(',
    to: 'const gone = names.map(name => name.toLowerCase()).filter(',
    v311: '3.10.4-1',
    v5: '3.10.4-1',
  },
  {
    file: 'bus/router.ts',
    from: 'this.#detach(subscription)\n',
    to: '\n',
    v311: '3.10.4-2',
    v5: '3.10.4-2',
  },
  {
    // Whoever has no subscription left has nothing to wait for.
    file: 'mqtt/delivery.ts',
    from: 'this.#parts.session.queue.putBack(entries)',
    to: 'if (this.#parts.session.subscriptions.size > 0) this.#parts.session.queue.putBack(entries)',
    v311: '3.10.4-3',
    v5: '3.10.4-3',
  },
  {
    file: 'mqtt/subscribing.ts',
    from: 'engine.unsubscribe(',
    to: 'if (packetId !== 4321) engine.unsubscribe(',
    v311: '3.10.4-4',
    v5: '3.10.4-4',
  },
  {
    file: 'mqtt/aedes-engine.ts',
    from: "cmd: 'unsubscribe', messageId: packetId,",
    to: "cmd: 'unsubscribe', messageId: packetId & 255,",
    v311: '3.10.4-5 2.3.1-7',
    v5: '3.10.4-5 2.2.1-6',
  },
  {
    file: 'mqtt/subscribing.ts',
    from: 'bus.sessions.unsubscribe(session, names)',
    to: 'bus.sessions.unsubscribe(session, names.slice(0, 1))',
    v311: '3.10.4-6',
    v5: '3.10.4-6',
  },
  { file: 'mqtt/subscribing.ts', from: 'return isFirst && ', to: 'return ', v5: '3.10.4-6' },
  {
    file: 'mqtt/subscribing.ts',
    from: 'engine.unsubscribe(packetId, existed,',
    to: 'engine.unsubscribe(packetId, [...existed].sort(),',
    v5: '3.11.3-1',
  },
  {
    // Whatever was subscribed is not found.
    file: 'mqtt/aedes-engine.ts',
    from: 'unsubscriptions.filter((_, place) => existed[place])',
    to: '[]',
    v5: '3.11.3-2',
  },
]

export const SUBSCRIBE_MUTANTS: readonly Mutant[] = [...SUBSCRIBING, ...UNSUBSCRIBING]
