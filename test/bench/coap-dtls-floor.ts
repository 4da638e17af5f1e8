// The floor of DTLS as a contender: coap-dtls-server with credentials of a test authority.
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { TestAuthority } from '../fixtures/test-authority.ts'
import type { Credentials } from './coap-broker.ts'
import { type Server, startProgram } from './coap-server-process.ts'
import type { PreShared } from './latchkey-process.ts'
import { GARBAGE_OPTIONS } from './mqtt-contender.ts'

/** What the server is made of; PEM and hexadecimal. */
export interface ServerCredentials {
  readonly psk: readonly PreShared[]
  readonly chain: string
  readonly privateKey: string
  readonly authorities: string
}

const KEY_BYTES = 32

export class DtlsFloor {
  readonly #file: string
  #credentials: Promise<Credentials> | undefined

  constructor(folder: string) {
    this.#file = join(folder, 'dtls.json')
  }

  async start(count: number): Promise<Server> {
    await this.credentials(count)
    const program = fileURLToPath(new URL('coap-dtls-server.js', import.meta.url))
    return startProgram(process.execPath, [...GARBAGE_OPTIONS, program, this.#file], true)
  }

  /** Of so many clients; made once. */
  credentials(count: number): Promise<Credentials> {
    this.#credentials ??= this.#make(count)
    return this.#credentials
  }

  async #make(count: number): Promise<Credentials> {
    const authority = await TestAuthority.create('Devices')
    const own = await authority.server('localhost')
    const ids = Array.from({ length: count }, (_, at) => `display-${at}`)
    const psk = ids.map(identity => ({ identity, key: randomBytes(KEY_BYTES).toString('hex') }))
    const devices = await Promise.all(ids.map(id => authority.device(id)))
    const authorities = authority.pem
    const server: ServerCredentials = { psk, chain: own.pem, privateKey: own.privateKeyPem, authorities }
    await writeFile(this.#file, JSON.stringify(server), { mode: 0o600 })
    return {
      psk: psk.map(one => ({ psk: one })),
      x509: devices.map(({ pem, privateKeyPem }) => ({
        certificate: { chain: pem, privateKey: privateKeyPem },
        authorities,
      })),
    }
  }
}
