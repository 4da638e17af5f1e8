// DISCONNECT, AUTH, what is done about errors, and the network connection.
import type { Mutant } from './mutant.ts'

const ENDINGS: readonly Mutant[] = [
  {
    file: 'mqtt/gate.ts',
    from: 'goodbye(failure, terms, this.#traffic !== null)',
    to: 'goodbye(failure, terms, true)',
    v5: '3.14.0-1',
  },
  {
    file: 'mqtt/decode.ts',
    from: 'case TYPE.disconnect:\n      checkFlags(header, 0)',
    to: 'case TYPE.disconnect:',
    v311: '3.14.1-1',
    v5: '3.14.1-1',
  },
  {
    file: 'mqtt/goodbye.ts',
    from: 'encodeDisconnect(code, reason)',
    to: 'encodeDisconnect(code & 0x7f, reason)',
    v5: '3.14.2-1',
  },
  {
    file: 'mqtt/encode.ts',
    from: 'const properties = reasonString === undefined ? EMPTY : encodeReasonString(reasonString)',
    to: 'const properties = Buffer.from([0x11, 0, 0, 0, 0])',
    v5: '3.14.2-2',
  },
  {
    // DISCONNECT is sent twice.
    file: 'mqtt/connection.ts',
    from: 'this.#stream.write(last)',
    to: 'this.#stream.write(Buffer.concat([last, last]))',
    v5: '3.14.4-1',
  },
  {
    file: 'mqtt/connection.ts',
    from: 'this.#stream.write(last)',
    to: 'this.#stream.write(last)\n      if (last[2] === 0x82) return',
    v5: '3.14.4-2 4.13.2-1',
  },
  {
    file: 'mqtt/gate.ts',
    from: 'this.end(failure.code)',
    to: "if (failure.code !== 'protocol-error') this.end(failure.code)",
    v311: '4.8.0-1',
    v5: '4.13.1-1',
  },
]

const AUTHENTICATION: readonly Mutant[] = [
  {
    file: 'mqtt/decode.ts',
    from: 'case TYPE.auth:\n      checkFlags(header, 0)',
    to: 'case TYPE.auth:',
    v5: '3.15.1-1',
  },
  { file: 'mqtt/opening.ts', from: 'if (authenticationMethod === undefined)', to: 'if (true)', v5: '4.12.0-1' },
  {
    file: 'mqtt/connect-terms.ts',
    from: 'authenticationMethod: connect.properties.authenticationMethod',
    to: "authenticationMethod: connect.properties.authenticationMethod ?? 'none'",
    v5: '4.12.0-6',
  },
  {
    file: 'mqtt/gate.ts',
    from: "throw violation('AUTH without a method in CONNECT')",
    to: 'return',
    v5: '4.12.0-7',
  },
]

const NETWORK: readonly Mutant[] = [
  {
    // Of a packet in many pieces only the last is kept.
    file: 'mqtt/connection.ts',
    from: 'this.#parts.push(chunk)',
    to: 'this.#parts = [chunk]',
    v311: '7.1.1-1',
    v5: '4.2-1',
  },
  {
    file: 'stream/websocket-stream.ts',
    from: 'if (!isBinary)',
    to: 'if (false)',
    v311: '6.0.0-1',
    v5: '6.0.0-1',
  },
  {
    file: 'stream/websocket-stream.ts',
    from: '|| chunk.length > 0',
    to: '|| chunk.length > 1',
    v311: '6.0.0-2',
    v5: '6.0.0-2',
  },
  {
    file: 'stream/websocket-acceptor.ts',
    from: 'terms.subprotocols.find(protocol => offered.has(protocol))',
    to: '[...offered][0]',
    v311: '6.0.0-4',
    v5: '6.0.0-4',
  },
]

export const ENDING_MUTANTS: readonly Mutant[] = [...ENDINGS, ...AUTHENTICATION, ...NETWORK]
