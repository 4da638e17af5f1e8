// PUBLISH and its properties.
import type { Mutant } from './mutant.ts'

const MESSAGES: readonly Mutant[] = [
  {
    file: 'mqtt/delivery.ts',
    from: 'dup: sent, packetId',
    to: 'dup: false, packetId',
    v311: '3.3.1-1',
    v5: '3.3.1-1',
  },
  { file: 'mqtt/decode.ts', from: 'if (dup && qos === 0)', to: 'if (false)', v311: '3.3.1-2', v5: '3.3.1-2' },
  {
    // The bytes of the publisher leave as they came.
    file: 'mqtt/fast-path.ts',
    from: 'case PUBLISH_QOS_0:',
    to: 'case PUBLISH_QOS_0:\n      case 0x3a:',
    v311: '3.3.1-3',
    v5: '3.3.1-3',
  },
  { file: 'mqtt/decode.ts', from: "if (qos === 3) throw malformed('QoS 3')", to: '', v311: '3.3.1-4', v5: '3.3.1-4' },
  {
    file: 'bus/retained.ts',
    from: 'this.restore(message.detached())',
    to: 'if (this.get(topic) === undefined) this.restore(message.detached())',
    v311: '3.3.1-5',
    v5: '3.3.1-5',
  },
  {
    file: 'bus/retained.ts',
    from: 'hasExpired(this.#clock.now())) yield message',
    to: 'hasExpired(this.#clock.now())) return void (yield message)',
    v311: '3.3.1-6',
  },
  {
    file: 'bus/acceptance.ts',
    from: 'if (message.retain) writes.push(',
    to: 'if (message.retain && message.qos > 0) writes.push(',
    v311: '3.3.1-7',
  },
  {
    file: 'bus/retained-delivery.ts',
    from: 'const delivered = { retain: true',
    to: 'const delivered = { retain: false',
    v311: '3.3.1-8',
  },
  {
    file: 'bus/route.ts',
    from: 'message.retain && this.retainAsPublished ?',
    to: 'message.retain ?',
    v311: '3.3.1-9',
    v5: '3.3.1-12',
  },
  {
    file: 'bus/retained.ts',
    from: 'this.#delete(topic)\n      return',
    to: 'return',
    v311: '3.3.1-10',
    v5: '3.3.1-6',
  },
  {
    file: 'bus/retained.ts',
    from: 'if (payload.length === 0) {',
    to: 'if (payload.length === 0 && this.get(topic) !== undefined) {',
    v311: '3.3.1-11',
    v5: '3.3.1-7',
  },
  {
    file: 'bus/acceptance.ts',
    from: 'if (message.retain) writes.push(',
    to: 'writes.push(',
    v311: '3.3.1-12',
    v5: '3.3.1-8',
  },
  {
    file: 'mqtt/subscribing.ts',
    from: '(retainHandling === 0 || ',
    to: '((retainHandling === 0 && isNew) || ',
    v5: '3.3.1-9',
  },
  {
    file: 'mqtt/subscribing.ts',
    from: '(retainHandling === 1 && isNew)',
    to: 'retainHandling === 1',
    v5: '3.3.1-10',
  },
  { file: 'mqtt/subscribing.ts', from: '(retainHandling === 1 && isNew)', to: 'isNew', v5: '3.3.1-11' },
  { file: 'bus/route.ts', from: 'message.retain && this.retainAsPublished ?', to: 'false ?', v5: '3.3.1-13' },
  {
    file: 'mqtt/decode.ts',
    from: 'const topic = reader.text()\n  const packetId',
    to: 'const topic = reader.binary().toString()\n  const packetId',
    v311: '3.3.2-1',
    v5: '3.3.2-1',
  },
  {
    file: 'mqtt/incoming-publishes.ts',
    from: 'if (!isTopicName(topic))',
    to: "if (topic === '')",
    v311: '3.3.2-2 4.7.1-1',
    v5: '3.3.2-2 4.7.0-1',
  },
  {
    // A filter matches whatever begins like it.
    file: 'bus/filter-tree.ts',
    from: 'if (level === undefined) {',
    to: 'if (level === undefined || (branch.children === null && branch.here !== null)) {',
    v311: '3.3.2-3',
    v5: '3.3.2-3',
  },
  {
    file: 'mqtt/fast-path.ts',
    from: 'connection.push(encodeAcknowledgement(qos === 1',
    to: 'if (route.targets.length > 0) connection.push(encodeAcknowledgement(qos === 1',
    v311: '3.3.4-1',
    v5: '3.3.4-1',
  },
  {
    file: 'bus/route.ts',
    from: 'Math.max(...subscriptions',
    to: 'Math.min(...subscriptions',
    v311: '3.3.5-1',
    v5: '3.3.4-2',
  },
  {
    file: 'mqtt/aedes-engine.ts',
    from: 'if (UNSPOKEN.has(refusal)) done(null)',
    to: 'if (UNSPOKEN.has(refusal)) return',
    v311: '3.3.5-2',
  },
  { file: 'bus/route.ts', from: 'subscription.identifier ?? []', to: '[]', v5: '3.3.4-3' },
  {
    file: 'bus/route.ts',
    from: 'subscription.identifier ?? [])',
    to: 'subscription.identifier ?? []).slice(0, 1)',
    v5: '3.3.4-4',
  },
  { file: 'mqtt/property-table.ts', from: 'if (!row.places.includes(place))', to: 'if (false)', v5: '3.3.4-6' },
]

const PROPERTIES: readonly Mutant[] = [
  { file: 'mqtt/encode.ts', from: 'payloadFormatIndicator ? 1 : 0', to: '0', v5: '3.3.2-4' },
  {
    file: 'mqtt/delivery.ts',
    from: 'if (!sent && message.hasExpired(clock.now()))',
    to: 'if (false)',
    v5: '3.3.2-5',
  },
  {
    file: 'bus/message.ts',
    from: '(this.expiresAt - now) / 1000',
    to: '(this.expiresAt - now + 60_000) / 1000',
    v5: '3.3.2-6',
  },
  {
    // Of everybody.
    file: 'mqtt/incoming-publishes.ts',
    from: '#aliases: Map<number, string> | null = null',
    to: '#aliases: Map<number, string> = ((globalThis as unknown as { aliases: Map<number, string> }).aliases ??= new Map())',
    v5: '3.3.2-7',
  },
  { file: 'mqtt/incoming-publishes.ts', from: 'alias === 0 || alias > most', to: 'alias > most', v5: '3.3.2-8' },
  { file: 'mqtt/incoming-publishes.ts', from: 'alias === 0 || alias > most', to: 'alias === 0', v5: '3.3.2-9' },
  {
    file: 'mqtt/delivery.ts',
    from: 'count < topicAliasMaximum',
    to: 'count <= topicAliasMaximum',
    v5: '3.3.2-11 3.1.2-26',
  },
  {
    file: 'mqtt/incoming-publishes.ts',
    from: 'alias === 0 || alias > most',
    to: 'alias === 0 || alias >= most',
    v5: '3.3.2-12',
  },
  {
    file: 'mqtt/decode.ts',
    from: 'if (topic !== undefined && !isTopicName(topic))',
    to: 'if (false)',
    v5: '3.3.2-14',
  },
  { file: 'mqtt/encode.ts', from: 'text(responseTopic)', to: "text('answer')", v5: '3.3.2-15' },
  {
    file: 'mqtt/encode.ts',
    from: 'binary(correlationData)',
    to: 'binary(Buffer.from(correlationData.toString()))',
    v5: '3.3.2-16',
  },
  {
    file: 'mqtt/encode.ts',
    from: '(userProperties ?? []).flatMap(',
    to: "(userProperties ?? []).filter(([name]) => name !== '').flatMap(",
    v5: '3.3.2-17',
  },
  { file: 'mqtt/encode.ts', from: 'text(contentType)', to: 'text(contentType.toUpperCase())', v5: '3.3.2-20' },
]

export const PUBLISH_MUTANTS: readonly Mutant[] = [...MESSAGES, ...PROPERTIES]
