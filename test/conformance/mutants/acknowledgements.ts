// PUBACK, PUBREC, PUBREL, PUBCOMP and the delivery protocols.
import type { Mutant } from './mutant.ts'

export const ACKNOWLEDGEMENT_MUTANTS: readonly Mutant[] = [
  {
    // A reason code of SUBACK.
    file: 'mqtt/aedes-engine.ts',
    from: '5, mqtt5, reason)',
    to: '5, 0x8f, reason)',
    v5: '3.4.2-1 3.5.2-1',
  },
  {
    file: 'mqtt/decode.ts',
    from: 'case TYPE.pubrel:\n      checkFlags(header, 2, version)',
    to: 'case TYPE.pubrel:',
    v311: '3.6.1-1',
    v5: '3.6.1-1',
  },
  { file: 'mqtt/delivery.ts', from: 'REASON.packetIdentifierNotFound)', to: '0x91)', v5: '3.6.2-1' },
  {
    file: 'mqtt/aedes-engine.ts',
    from: "this.#exchange({ cmd: 'pubrel', messageId: packetId }, done)",
    to: `if (this.speaksReasons && !this.#side.isReceived(packetId)) {
      this.#side.write(encodeAcknowledgement('pubcomp', packetId, 5, 0x91))
      setImmediate(done)
    } else this.#exchange({ cmd: 'pubrel', messageId: packetId }, done)`,
    v5: '3.7.2-1',
  },
  {
    file: 'mqtt/copies.ts',
    from: 'const qos = Math.min(target.qos, frame.qos)',
    to: 'const qos = (frame.qos)',
    v311: '4.3.1-1 3.8.4-6',
    v5: '4.3.1-1 3.8.4-8',
  },
  {
    // QoS 1 is sent and forgotten.
    file: 'mqtt/delivery.ts',
    from: ".filter(entry => typeof entry === 'object')",
    to: ".filter(entry => typeof entry === 'object' && entry.qos === 2)",
    v311: '4.3.2-1 4.4.0-1',
    v5: '4.3.2-3 4.4.0-1',
  },
  {
    file: 'mqtt/delivery.ts',
    from: ".filter(entry => typeof entry === 'object')",
    to: ".filter(entry => typeof entry === 'object' && entry.qos === 1)",
    v311: '4.4.0-1',
    v5: '4.3.3-3 4.4.0-1 4.8.2-4',
  },
  {
    // DUP is taken for a proof that the message was here before.
    file: 'mqtt/incoming-publishes.ts',
    from: 'qos === 2 && session.received.has(packetId)',
    to: 'packet.dup || (qos === 2 && session.received.has(packetId))',
    v311: '4.3.2-2',
    v5: '4.3.2-5 4.3.3-12',
  },
  {
    file: 'mqtt/delivery.ts',
    from: 'dup: sent, packetId',
    to: 'dup: true, packetId',
    v5: '4.3.2-2 4.3.3-2',
  },
  {
    // PUBREC is not remembered.
    file: 'mqtt/delivery.ts',
    from: 'const stored = this.#parts.session.queue.release(entry)',
    to: 'const stored = null as Promise<void> | null',
    v311: '4.3.3-1',
    v5: '4.3.3-6',
  },
  {
    file: 'mqtt/delivery.ts',
    from: 'if (entry.released) {\n      this.#inflight.set(packetId, entry)',
    to: 'if (entry.released) {\n      this.#parts.session.queue.finish(entry)\n      return',
    v311: '4.3.3-1',
    v5: '4.3.3-5',
  },
  {
    file: 'mqtt/incoming-publishes.ts',
    from: 'qos === 2 && session.received.has(packetId)',
    to: 'false',
    v311: '4.3.3-2',
    v5: '4.3.3-10',
  },
  {
    file: 'mqtt/delivery.ts',
    from: "const send = () => this.connection.push(encodeAcknowledgement('pubrel', packetId,",
    to: "const send = () => this.connection.push(encodeAcknowledgement('pubrel', packetId + 1,",
    v5: '4.3.3-4',
  },
  {
    file: 'mqtt/delivery.ts',
    from: '!sent && message.hasExpired',
    to: 'message.hasExpired',
    v5: '4.3.3-7',
  },
  {
    file: 'mqtt/aedes-engine.ts',
    from: 'messageId: packetId,\n',
    to: 'messageId: packetId & 255,\n',
    v311: '2.3.1-6',
    v5: '4.3.3-8 2.2.1-5',
  },
  {
    // Known before it is judged.
    file: 'mqtt/incoming-publishes.ts',
    from: 'const isRepetition = qos === 2 && session.received.has(packetId)',
    to: 'const isRepetition = qos === 2 && session.received.has(packetId)\n    if (qos === 2) session.received.add(packetId)',
    v5: '4.3.3-9',
  },
  {
    file: 'mqtt/aedes-engine.ts',
    from: "cmd: 'pubrel', messageId: packetId ",
    to: "cmd: 'pubrel', messageId: packetId & 255 ",
    v311: '2.3.1-6',
    v5: '4.3.3-11 2.2.1-5',
  },
  {
    file: 'mqtt/fast-path.ts',
    from: "encodeAcknowledgement('pubcomp', packetId,",
    to: "encodeAcknowledgement('pubcomp', packetId & 255,",
    v311: '2.3.1-6',
    v5: '4.3.3-11 2.2.1-5',
  },
  {
    file: 'mqtt/incoming-publishes.ts',
    from: '!session.received.delete(packetId)',
    to: '!session.received.has(packetId)',
    v5: '4.3.3-12',
  },
  {
    file: 'bus/sessions.ts',
    from: 'session.received.delete(packet)',
    to: 'session.received.has(packet)',
    v5: '4.3.3-12',
  },
  {
    file: 'mqtt/incoming-publishes.ts',
    from: 'if (qos === 0) {',
    to: 'if (qos === 0 || packet.properties?.messageExpiryInterval !== undefined) {',
    v5: '4.3.3-13',
  },
  { file: 'mqtt/delivery.ts', from: 'if (reason >= 0x80)', to: 'if (false)', v5: '4.4.0-2' },
]
