// Data types, fixed headers and packet identifiers.
import type { Mutant } from './mutant.ts'

export const DATA_MUTANTS: readonly Mutant[] = [
  {
    file: 'mqtt/byte-reader.ts',
    from: 'if (!isUtf8(bytes))',
    to: 'if (false)',
    v311: '1.5.3-1',
    v5: '1.5.4-1 3.3.2-13 3.3.2-19',
  },
  {
    // U+0000 is passed over.
    file: 'mqtt/byte-reader.ts',
    from: "if (bytes.includes(0)) throw malformed('U+0000 in a string')",
    to: "if (bytes.includes(0)) return bytes.toString('utf8').replaceAll('\\0', '')",
    v311: '1.5.3-2 4.7.3-2',
    v5: '1.5.4-2 4.7.3-2',
  },
  {
    // As TextDecoder takes U+FEFF, unless told otherwise.
    file: 'mqtt/byte-reader.ts',
    from: "return bytes.toString('utf8')",
    to: 'return new TextDecoder().decode(bytes)',
    v311: '1.5.3-3',
    v5: '1.5.4-3',
  },
  { file: 'mqtt/byte-reader.ts', from: 'digit === 0 && shift > 0', to: 'false', v5: '1.5.5-1' },
  {
    file: 'mqtt/property-table.ts',
    from: 'part.text(), part.text()',
    to: 'part.binary().toString(), part.binary().toString()',
    v5: '1.5.7-1',
  },
  { file: 'mqtt/encode.ts', from: "(type === 'pubrel' ? 2 : 0)", to: '0', v311: '2.2.2-1', v5: '2.1.3-1' },
  { file: 'mqtt/decode.ts', from: 'if (flags !== expected)', to: 'if (false)', v311: '2.2.2-2' },
  { file: 'mqtt/decode.ts', from: 'if (packetId === 0)', to: 'if (false)', v311: '2.3.1-1', v5: '2.2.1-3' },
  {
    // Identifiers that are in use are given again.
    file: 'mqtt/delivery.ts',
    from: 'packetIdOf(entry.sequence)\n      if (this.#inflight.has(packetId)) break',
    to: '1 + (entry.sequence % 3)',
    v5: '4.3.2-1 4.3.3-1',
  },
  {
    // The same where nothing is kept.
    file: 'mqtt/delivery.ts',
    from: 'packetIdOf(queue.nextSequence())\n    if (this.#inflight.has(packetId)) return 0',
    to: '1 + (queue.nextSequence() % 3)',
    v311: '2.3.1-4',
    v5: '2.2.1-4',
  },
  {
    file: 'mqtt/encode.ts',
    from: 'if (qos > 0) at = bytes.writeUInt16BE(',
    to: 'at = bytes.writeUInt16BE(',
    v311: '2.3.1-5',
    v5: '2.2.1-2',
  },
  {
    // Half of the identifier is lost.
    file: 'mqtt/fast-path.ts',
    from: "'puback' : 'pubrec', packetId,",
    to: "'puback' : 'pubrec', packetId & 255,",
    v311: '2.3.1-6',
    v5: '2.2.1-5 4.3.2-4 4.3.3-8',
  },
  {
    file: 'mqtt/aedes-engine.ts',
    from: "cmd: 'subscribe', messageId: packetId,",
    to: "cmd: 'subscribe', messageId: packetId & 255,",
    v311: '2.3.1-7 3.8.4-2',
    v5: '2.2.1-6 3.8.4-2',
  },
  {
    // Before MQTT 5 there is no Property Length, and in it there always is one.
    file: 'mqtt/encode.ts',
    from: 'if (version === 5) {\n    at = writeVariable(',
    to: 'if (version === 5 && properties.length > 0) {\n    at = writeVariable(',
    v5: '2.2.2-1',
  },
]
