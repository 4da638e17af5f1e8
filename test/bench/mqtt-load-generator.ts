// Builds and runs mqtt-load.c, and reads the broker's CPU time at both ends of what it measures.
import { execFile, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { z } from 'zod'
import { programOnPath } from './machine.ts'
import { cpuSeconds, residentBytes } from './process-usage.ts'

/** Beside its TypeScript neighbours, which are compiled to dist/test/bench. */
const SOURCE = fileURLToPath(new URL('../../../test/bench/mqtt-load.c', import.meta.url))

export interface Target {
  readonly port: number
  readonly pid: number
  /** Asks the broker to give back what memory it can. */
  collectGarbage(): Promise<void>
}

export interface Measured {
  /** Messages delivered, connects accepted, or connections opened. */
  readonly count: number
  readonly seconds: number
  /** User and system time of the broker. */
  readonly cpuSeconds: number
  /** The same of the load generator. */
  readonly loadCpuSeconds: number
  /** Milliseconds from sending to receiving, or from opening a connection to CONNACK. */
  readonly p50: number
  readonly p99: number
  /** Messages that never came, or connects that were refused. */
  readonly lost: number
  /** Resident memory of the broker at the end. */
  readonly bytes: number
  /** Resident bytes that each of the second half of idle connections added; null for other loads. */
  readonly bytesPerConnection: number | null
}

const line = z.discriminatedUnion('at', [
  z.object({ at: z.enum(['begin', 'end', 'half', 'all']) }),
  z.object({
    at: z.literal('done'),
    count: z.number(),
    seconds: z.number(),
    p50: z.number(),
    p99: z.number(),
    lost: z.number(),
    loadCpuSeconds: z.number(),
  }),
])

export class MqttLoad {
  readonly #program: string
  readonly #clients: string

  private constructor(program: string, clients: string) {
    this.#program = program
    this.#clients = clients
  }

  /** Compiles into `folder`. `clients`: a file with lines of "user password". Throws where there is no C compiler. */
  static async build(folder: string, clients: string): Promise<MqttLoad> {
    const compiler = programOnPath('cc')
    if (compiler === null) {
      throw new Error(
        'The load comes from a C program that is built now, and there is no C compiler: no `cc` on the PATH (Debian: apt install gcc libc6-dev).',
      )
    }
    const program = join(folder, 'mqtt-load')
    await promisify(execFile)(compiler, ['-O2', '-Wall', '-Wextra', '-Werror', '-o', program, SOURCE])
    return new MqttLoad(program, clients)
  }

  async measure(target: Target, load: readonly string[], time: { warm: number; seconds: number }): Promise<Measured> {
    const args = [...load, '--clients', this.#clients, '--port', String(target.port)]
    const child = spawn(this.#program, [...args, '--warm', String(time.warm), '--seconds', String(time.seconds)], {
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    let complaint = ''
    child.stderr.on('data', part => {
      complaint += part
    })
    const ended = new Promise<number | null>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', resolve)
    })
    let cpu = cpuSeconds(target.pid)
    let half = Number.NaN
    let perConnection: number | null = null
    let result: Measured | null = null
    for await (const text of createInterface({ input: child.stdout })) {
      const said = line.parse(JSON.parse(text))
      if (said.at === 'begin') cpu = cpuSeconds(target.pid)
      else if (said.at === 'end') cpu = cpuSeconds(target.pid) - cpu
      else if (said.at === 'done') {
        const { at: _, ...rest } = said
        result = { ...rest, cpuSeconds: cpu, bytes: residentBytes(target.pid), bytesPerConnection: perConnection }
      } else {
        await target.collectGarbage()
        const bytes = residentBytes(target.pid)
        if (said.at === 'half') half = bytes
        else perConnection = (bytes - half) / (connectionsOf(load) / 2)
        child.stdin.write('\n')
      }
    }
    const code = await ended
    if (result === null || code !== 0) throw new Error(complaint.trim() || `mqtt-load ended with ${code}`)
    return result
  }
}

const connectionsOf = (load: readonly string[]) => Number(load[load.indexOf('--count') + 1])
