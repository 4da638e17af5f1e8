// Wills and the keep-alive.
import type { Mutant } from './mutant.ts'

export const WILL_MUTANTS: readonly Mutant[] = [
  { file: 'mqtt/gate.ts', from: '#keepWill = true\n', to: '#keepWill = false\n', v311: '3.1.2-8', v5: '3.1.2-8' },
  {
    // Whoever never comes back has no will.
    file: 'bus/sessions.ts',
    from: 'if (session.will !== null) this.#sendWill(session)',
    to: '',
    v5: '3.1.2-7',
  },
  {
    file: 'mqtt/decode.ts',
    from: 'flags.will === null ? null',
    to: 'flags.will === null || reader.isAtEnd ? null',
    v311: '3.1.2-9',
    v5: '3.1.2-9',
  },
  {
    file: 'bus/sessions.ts',
    from: 'const { will, id } = session\n    session.will = session.willAt = null',
    to: 'const { will, id } = session',
    v311: '3.1.2-10',
    v5: '3.1.2-10',
  },
  {
    file: 'mqtt/gate.ts',
    from: 'this.#keepWill = reason !== 0',
    to: 'this.#keepWill = true',
    v311: '3.14.4-3 3.1.2-10',
    v5: '3.14.4-3 3.1.2-10',
  },
  {
    file: 'mqtt/decode.ts',
    from: '!hasWill && (qos > 0 || retain)',
    to: 'false',
    v311: '3.1.2-11',
  },
  {
    // The broker tells of everybody who goes.
    file: 'mqtt/connect-terms.ts',
    from: '({ will }: ConnectPacket): Will | null {\n  if (will === null) return null',
    to: '({ will, clientId }: ConnectPacket): Will | null {\n  if (will === null) return { delay: 0, message: { topic: clientId, payload: Buffer.alloc(0), qos: 0, retain: false } }',
    v311: '3.1.2-12',
  },
  {
    file: 'mqtt/decode.ts',
    from: '!hasWill && (qos > 0 || retain)',
    to: '!hasWill && retain',
    v311: '3.1.2-13',
    v5: '3.1.2-11',
  },
  {
    file: 'mqtt/decode.ts',
    from: "if (qos === 3) throw malformed('will QoS 3')",
    to: '',
    v311: '3.1.2-14',
    v5: '3.1.2-12',
  },
  {
    file: 'mqtt/decode.ts',
    from: '!hasWill && (qos > 0 || retain)',
    to: '!hasWill && qos > 0',
    v311: '3.1.2-15',
    v5: '3.1.2-13',
  },
  {
    file: 'mqtt/connect-terms.ts',
    from: 'message: { topic, payload, qos, retain, properties }',
    to: 'message: { topic, payload, qos, retain: true, properties }',
    v311: '3.1.2-16',
    v5: '3.1.2-14',
  },
  {
    file: 'mqtt/connect-terms.ts',
    from: 'message: { topic, payload, qos, retain, properties }',
    to: 'message: { topic, payload, qos, retain: false, properties }',
    v311: '3.1.2-17',
    v5: '3.1.2-15',
  },
  {
    // The delay goes on although the client is back.
    file: 'bus/sessions.ts',
    from: 'session.holdBy(principal)\n    this.#disarm(session)',
    to: 'session.holdBy(principal)',
    v5: '3.1.3-9',
  },
  {
    file: 'mqtt/property-table.ts',
    from: 'properties.userProperties.push(',
    to: 'properties.userProperties.unshift(',
    v5: '3.1.3-10 3.3.2-18',
  },
  { file: 'mqtt/gate.ts', from: 'keepAlive * 1500', to: 'keepAlive * 3000', v311: '3.1.2-24', v5: '3.1.2-22' },
  {
    file: 'mqtt/gate.ts',
    from: 'const keepAlive = this.#opening?.keepAlive ?? 0',
    to: 'const keepAlive = this.#context.limits.maxKeepAlive',
    v5: '3.2.2-22',
  },
  {
    // Only whoever has subscribed is answered.
    file: 'mqtt/gate.ts',
    from: 'this.#engine.ping()',
    to: 'if (this.#traffic?.session.subscriptions.size) this.#engine.ping()',
    v311: '3.12.4-1',
    v5: '3.12.4-1',
  },
]
