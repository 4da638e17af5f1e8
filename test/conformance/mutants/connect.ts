// CONNECT and CONNACK.
import type { Mutant } from './mutant.ts'

const CONNECTION: readonly Mutant[] = [
  {
    // Whoever begins with something else is let in without CONNECT.
    file: 'mqtt/decode.ts',
    from: "throw violation('CONNECT comes first')",
    to: "return { type: 'connect', version: 4, clean: true, keepAlive: 0, clientId: '', username: null, password: null, will: null, properties: {} }",
    v311: '3.1.0-1',
    v5: '3.1.0-1',
  },
  {
    file: 'mqtt/decode.ts',
    from: "throw violation('second CONNECT')",
    to: "return { type: 'pingreq' }",
    v311: '3.1.0-2',
    v5: '3.1.0-2',
  },
  {
    file: 'mqtt/decode.ts',
    from: 'VERSIONS.get(reader.text())',
    to: 'VERSIONS.get(reader.text()) ?? [4, 5]',
    v311: '3.1.2-1',
    v5: '3.1.2-1',
  },
  {
    file: 'mqtt/goodbye.ts',
    from: 'return encodeConnack(4, mqtt3, false)',
    to: 'return null',
    v311: '3.1.2-2',
    v5: '3.1.2-2',
  },
  { file: 'mqtt/decode.ts', from: 'if (flags & 1)', to: 'if (false)', v311: '3.1.2-3', v5: '3.1.2-3' },
  {
    file: 'mqtt/decode.ts',
    from: 'flags.username ? reader.text()',
    to: 'flags.username || !reader.isAtEnd ? reader.text()',
    v311: '3.1.2-18',
    v5: '3.1.2-16',
  },
  {
    file: 'mqtt/decode.ts',
    from: 'flags.username ? reader.text()',
    to: 'flags.username && !reader.isAtEnd ? reader.text()',
    v311: '3.1.2-19',
    v5: '3.1.2-17',
  },
  {
    file: 'mqtt/decode.ts',
    from: 'flags.password ? reader.binary()',
    to: 'flags.password || !reader.isAtEnd ? reader.binary()',
    v311: '3.1.2-20',
    v5: '3.1.2-18',
  },
  {
    file: 'mqtt/decode.ts',
    from: 'flags.password ? reader.binary()',
    to: 'flags.password && !reader.isAtEnd ? reader.binary()',
    v311: '3.1.2-21',
    v5: '3.1.2-19',
  },
  { file: 'mqtt/decode.ts', from: 'password && !username && version !== 5', to: 'false', v311: '3.1.2-22' },
  {
    file: 'mqtt/decode.ts',
    from: 'const topic = reader.text()\n  const payload = reader.binary()',
    to: 'const payload = reader.binary()\n  const topic = reader.text()',
    v311: '3.1.3-1',
    v5: '3.1.3-1',
  },
  {
    // Everybody's session is anybody's.
    file: 'bus/sessions.ts',
    from: 'const older = this.#byId.get(id)',
    to: 'const older = this.#byId.get(id) ?? [...this.#byId.values()].findLast(({ link }) => link === null)',
    v311: '3.1.3-2',
    v5: '3.1.3-2',
  },
  {
    file: 'mqtt/decode.ts',
    from: 'const clientId = reader.text()',
    to: "const clientId = reader.isAtEnd ? '' : reader.text()",
    v311: '3.1.3-3',
    v5: '3.1.3-3',
  },
  {
    file: 'mqtt/decode.ts',
    from: 'const clientId = reader.text()',
    to: 'const clientId = reader.binary().toString()',
    v311: '3.1.3-4',
    v5: '3.1.3-4',
  },
  {
    file: 'mqtt/opening.ts',
    from: 'if (door.admitsClientId(',
    to: 'if (clientId.length < 23 && door.admitsClientId(',
    v311: '3.1.3-5',
    v5: '3.1.3-5',
  },
  {
    file: 'mqtt/opening.ts',
    from: 'door.assignClientId(principal, random)',
    to: "'everybody'",
    v311: '3.1.3-6',
    v5: '3.1.3-6 3.2.2-16',
  },
  { file: 'mqtt/connect-terms.ts', from: 'opened.assignedClientId ?? undefined', to: 'undefined', v5: '3.1.3-7' },
  { file: 'mqtt/opening.ts', from: '(version === 4 && clean)', to: 'version === 4', v311: '3.1.3-8' },
  {
    file: 'mqtt/decode.ts',
    from: 'const topic = reader.text()\n  const payload = reader.binary()',
    to: 'const topic = reader.binary().toString()\n  const payload = reader.binary()',
    v311: '3.1.3-10',
    v5: '3.1.3-11',
  },
  {
    file: 'mqtt/decode.ts',
    from: 'flags.username ? reader.text()',
    to: 'flags.username ? reader.binary().toString()',
    v311: '3.1.3-11',
    v5: '3.1.3-12',
  },
  {
    file: 'mqtt/decode.ts',
    from: 'const password = flags.password ? reader.binary() : null\n  reader.end()',
    to: 'const password = flags.password ? reader.binary() : null',
    v311: '3.1.4-1',
    v5: '3.1.4-1',
  },
  {
    file: 'bus/sessions.ts',
    from: "this.#byId.get(id)?.link?.end('taken-over')",
    to: '',
    v311: '3.1.4-2',
    v5: '3.1.4-3',
  },
  {
    // A resumed session is not acknowledged.
    file: 'mqtt/gate.ts',
    from: 'this.#connection.push(encodeConnack(',
    to: 'if (!opening.isPresent) this.#connection.push(encodeConnack(',
    v311: '3.1.4-4',
    v5: '3.1.4-5',
  },
  {
    // Whoever shows the wrong password is served like those who show none.
    file: 'mqtt/opening.ts',
    from: 'evidenceOf(this.#peer, this.#connect)',
    to: 'evidenceOf(this.#peer, { ...this.#connect, username: null, password: null })',
    v311: '3.1.4-5',
    v5: '3.1.4-6 3.1.4-2',
  },
]

const CONNACK: readonly Mutant[] = [
  {
    file: 'mqtt/gate.ts',
    from: 'this.#connection.push(encodeConnack(connect.version, 0, opening.isPresent, properties))',
    to: 'setImmediate(() => this.#connection.push(encodeConnack(connect.version, 0, opening.isPresent, properties)))',
    v311: '3.2.0-1',
    v5: '3.2.0-1',
  },
  {
    file: 'mqtt/gate.ts',
    from: 'goodbye(failure, terms, this.#traffic !== null)',
    to: "goodbye(failure, terms, this.#traffic !== null && failure !== 'protocol-error')",
    v5: '3.2.0-2',
  },
  { file: 'mqtt/encode.ts', from: 'version !== 3 ? 1 : 0', to: 'version !== 3 ? 3 : 0', v5: '3.2.2-1' },
  {
    file: 'bus/sessions.ts',
    from: 'present: resumed !== undefined',
    to: 'present: older !== undefined',
    v311: '3.2.2-1',
    v5: '3.2.2-2',
  },
  {
    file: 'mqtt/opening.ts',
    from: 'this.isPresent = opened.present',
    to: 'this.isPresent = false',
    v311: '3.2.2-2',
    v5: '3.2.2-3',
  },
  {
    file: 'mqtt/opening.ts',
    from: 'this.isPresent = opened.present',
    to: 'this.isPresent = !this.#connect.clean',
    v311: '3.2.2-3',
    v5: '3.1.2-6',
  },
  {
    file: 'mqtt/goodbye.ts',
    from: 'encodeConnack(terms.version, mqtt3, false)',
    to: 'encodeConnack(terms.version, mqtt3, true)',
    v311: '3.2.2-4',
  },
  { file: 'mqtt/goodbye.ts', from: 'encodeConnack(5, code, false)', to: 'encodeConnack(5, code, true)', v5: '3.2.2-6' },
  {
    // Whoever is told that it is rejected may stay.
    file: 'mqtt/gate.ts',
    from: 'this.#connection.cut(goodbye(failure, terms, this.#traffic !== null))',
    to: 'const bye = goodbye(failure, terms, this.#traffic !== null)\n    if (this.#traffic === null && bye !== null) this.#connection.push(bye)\n    else this.#connection.cut(bye)',
    v311: '3.1.3-9 3.2.2-5',
    v5: '3.1.3-8 3.2.2-7 4.12.0-1',
  },
  {
    file: 'mqtt/goodbye.ts',
    from: 'if (terms === null) return null',
    to: 'if (terms === null) return encodeConnack(4, 2, false)',
    v311: '3.2.2-6',
  },
  {
    // Return codes of MQTT 3.1.1.
    file: 'mqtt/goodbye.ts',
    from: 'encodeConnack(5, code, false)',
    to: 'encodeConnack(5, mqtt3, false)',
    v5: '3.2.2-8',
  },
]

export const CONNECT_MUTANTS: readonly Mutant[] = [...CONNECTION, ...CONNACK]
