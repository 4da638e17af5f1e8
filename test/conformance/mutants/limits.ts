// What the client sets limits to, and flow control.
import type { Mutant } from './mutant.ts'

/** Makes the engine's answer ourselves, for MQTT 5: the engine knows no properties. */
const ownAnswer = (engine: string, own: string): Pick<Mutant, 'from' | 'to'> => ({
  from: engine,
  to: `if (this.speaksReasons) {
      this.#side.write(${own})
      setImmediate(done)
    } else ${engine}`,
})

export const LIMIT_MUTANTS: readonly Mutant[] = [
  {
    file: 'mqtt/delivery.ts',
    from: 'if (head.length <= most) {',
    to: 'if (head.length <= 2 * most) {',
    v5: '3.1.2-24',
  },
  {
    // What is too large waits for an acknowledgement.
    file: 'mqtt/delivery.ts',
    from: '} else this.#parts.session.queue.finish(entry)',
    to: '} else this.#inflight.set(packetId, entry)',
    v5: '3.1.2-25',
  },
  {
    file: 'mqtt/delivery.ts',
    from: 'if (head === null) this.#inflight.delete(packetId)',
    to: 'if (head === null) return true',
    v5: '3.1.2-25',
  },
  {
    file: 'mqtt/connect-terms.ts',
    from: 'properties.topicAliasMaximum ?? 0',
    to: 'properties.topicAliasMaximum ?? 2',
    v5: '3.1.2-27',
  },
  { file: 'mqtt/connect-terms.ts', from: 'asksForResponses(connect) ?', to: 'true ?', v5: '3.1.2-28' },
  {
    file: 'mqtt/answer-terms.ts',
    from: 'version === 5 && requestProblemInformation',
    to: 'version === 5',
    v5: '3.1.2-29',
  },
  { file: 'mqtt/connection.ts', from: 'if (next - at > limit)', to: 'if (next - at > 2 * limit)', v5: '3.2.2-15' },
  {
    // Every CONNACK says why.
    file: 'mqtt/encode.ts',
    from: 'Buffer.from(head), encodeConnackProperties(properties))',
    to: "Buffer.from(head), Buffer.concat([encodeConnackProperties(properties), encodeReasonString('code')]))",
    v5: '3.2.2-19',
  },
  {
    file: 'mqtt/encode.ts',
    from: 'Buffer.from(head), encodeConnackProperties(properties))',
    to: "Buffer.from(head), Buffer.concat([encodeConnackProperties(properties), Buffer.from([0x26]), text('a'), text('b')]))",
    v5: '3.2.2-20',
  },
  {
    file: 'mqtt/answer-terms.ts',
    from: 'if (told.length <= terms.maximumPacketSize)',
    to: 'if (true)',
    v5: '3.4.2-2 3.4.2-3 3.5.2-2 3.5.2-3 3.14.2-3',
  },
  {
    file: 'mqtt/delivery.ts',
    from: 'REASON.packetIdentifierNotFound)',
    to: "REASON.packetIdentifierNotFound, 'packet-identifier-not-found')",
    v5: '3.6.2-2 3.6.2-3',
  },
  {
    file: 'mqtt/aedes-engine.ts',
    ...ownAnswer(
      "this.#exchange({ cmd: 'pubrel', messageId: packetId }, done)",
      "encodeAcknowledgement('pubcomp', packetId, 5, 0x92, 'packet-identifier-not-found')",
    ),
    v5: '3.7.2-2 3.7.2-3',
  },
  {
    file: 'mqtt/subscribing.ts',
    from: 'answer === null || answer.length > maximumPacketSize',
    to: 'answer === null',
    v5: '3.9.2-1',
  },
  {
    file: 'mqtt/aedes-engine.ts',
    ...ownAnswer(
      "this.#exchange({ cmd: 'subscribe', messageId: packetId, subscriptions }, done, [])",
      'Buffer.from([0x90, 22 + granted.length, packetId >> 8, packetId & 255, 19, 0x1f, 0, 4, 100, 111, 110, 101, 0x26, 0, 4, 110, 97, 109, 101, 0, 3, 111, 110, 101, ...granted])',
    ),
    v5: '3.9.2-2',
  },
  {
    file: 'mqtt/aedes-engine.ts',
    ...ownAnswer(
      "this.#exchange({ cmd: 'unsubscribe', messageId: packetId, unsubscriptions }, done, held)",
      'Buffer.from([0xb0, 22 + existed.length, packetId >> 8, packetId & 255, 19, 0x1f, 0, 4, 100, 111, 110, 101, 0x26, 0, 4, 110, 97, 109, 101, 0, 3, 111, 110, 101, ...existed.map(() => 0)])',
    ),
    v5: '3.11.2-1 3.11.2-2',
  },
  {
    file: 'mqtt/encode.ts',
    from: 'reasonString === undefined ? EMPTY :',
    to: "reasonString === undefined ? Buffer.concat([Buffer.from([0x26]), text('what'), text('a refusal')]) :",
    v5: '3.14.2-4',
  },
  {
    file: 'mqtt/incoming-publishes.ts',
    from: 'if (this.#unfinished.size <= most)',
    to: 'if (this.#unfinished.size <= 2 * most)',
    v5: '3.3.4-7',
  },
  {
    file: 'mqtt/delivery.ts',
    from: 'this.#inflight.size < this.#terms.receiveMaximum && !',
    to: '!',
    v5: '3.3.4-9 4.9.0-1 4.9.0-2',
  },
  {
    // QoS 0 waits for the window too, and is dropped.
    file: 'mqtt/delivery.ts',
    from: 'if (this.congested) {',
    to: 'if (this.congested || this.#inflight.size >= this.#terms.receiveMaximum) {',
    v5: '3.3.4-10 4.9.0-3',
  },
]
