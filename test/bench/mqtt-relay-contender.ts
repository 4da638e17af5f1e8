// Starts mqtt-relay.ts beside the brokers.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import {
  type Broker,
  type Contender,
  GARBAGE_OPTIONS,
  nodeBroker,
  type Ports,
  type ServerFiles,
} from './mqtt-contender.ts'

const PROGRAM = fileURLToPath(new URL('mqtt-relay.js', import.meta.url))

export class RelayContender implements Contender {
  readonly key = 'relay'
  readonly about = `bare relay (Node ${process.versions.node})`
  readonly configuration = 'no passwords, no rules, no framing: it passes on what it reads (test/bench/mqtt-relay.ts)\n'
  readonly #server: ServerFiles

  constructor(server: ServerFiles) {
    this.#server = server
  }

  async start(idle: boolean): Promise<Broker> {
    const { key, chain, root } = this.#server
    const child = spawn(process.execPath, [...(idle ? GARBAGE_OPTIONS : []), PROGRAM, key, chain, root], {
      stdio: ['ignore', 'pipe', 'inherit', ...(idle ? (['ipc'] as const) : [])],
    })
    const ports = await new Promise<Ports>((resolve, reject) => {
      child.stdout?.once('data', line => resolve(JSON.parse(line)))
      child.once('error', reject)
      child.once('exit', code => reject(new Error(`the relay ended with ${code} before it listened`)))
    })
    return nodeBroker(child, ports)
  }
}
