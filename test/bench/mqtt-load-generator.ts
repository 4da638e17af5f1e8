// Builds and runs mqtt-load, and reads the broker's CPU time at both ends of what it measures.
import { execFile, spawn } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { z } from 'zod'
import { programOnPath } from './machine.ts'
import type { Channel, Target } from './mqtt-contender.ts'
import type { Clients } from './mqtt-latchkey.ts'
import { cpuSeconds, peakResidentBytes, residentBytes } from './process-usage.ts'

/** Its TypeScript neighbours are compiled to dist/test/bench. */
const SOURCES = fileURLToPath(new URL('../../../test/bench/mqtt-load', import.meta.url))

/** Fixed by the load, so the same for each broker. */
export const TLS = 'TLS 1.3, TLS_AES_128_GCM_SHA256, X25519, P-256 certificates, no resumption'

/** Seconds. */
export interface Time {
  readonly warm: number
  readonly seconds: number
}

/** What the others get while one subscriber does not read, beside what they got while it did. */
export interface Frozen {
  readonly calmPerSecond: number
  /** Milliseconds that one of the others waited for a message, at most: before, and then. */
  readonly calmSilence: number
  readonly silence: number
  /** Whether the broker had ended its connection. */
  readonly closed: boolean
  /** Resident memory of the broker at its most, since it was started. */
  readonly peakBytes: number
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
  readonly frozen: Frozen | null
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
    frozen: z
      .object({ calmPerSecond: z.number(), calmSilence: z.number(), silence: z.number(), closed: z.boolean() })
      .optional(),
  }),
])

export class MqttLoad {
  /** Of the OpenSSL it was built with, which is the system's and so Mosquitto's; null without. */
  readonly openssl: string | null
  readonly #program: string

  private constructor(program: string, openssl: string | null) {
    this.#program = program
    this.openssl = openssl
  }

  /** Compiles into `folder`, with TLS where OpenSSL's headers are. Throws where there is no C compiler. */
  static async build(folder: string): Promise<MqttLoad> {
    const compiler = programOnPath('cc')
    if (compiler === null) {
      throw new Error(
        'The load comes from a C program that is built now, and there is no C compiler: no `cc` on the PATH (Debian: apt install gcc libc6-dev).',
      )
    }
    const run = promisify(execFile)
    const program = join(folder, 'mqtt-load')
    const sources = (await readdir(SOURCES)).filter(name => name.endsWith('.c')).map(name => join(SOURCES, name))
    const hasOpenssl = await run(compiler, ['-fsyntax-only', '-include', 'openssl/ssl.h', '-x', 'c', '/dev/null']).then(
      () => true,
      () => false,
    )
    const flags = ['-O2', '-Wall', '-Wextra', '-Werror', ...(hasOpenssl ? ['-DWITH_TLS'] : [])]
    await run(compiler, [...flags, '-o', program, ...sources, ...(hasOpenssl ? ['-lssl', '-lcrypto'] : [])])
    if (!hasOpenssl) return new MqttLoad(program, null)
    const { stdout } = await run(program, ['versions'])
    return new MqttLoad(program, z.object({ openssl: z.string() }).parse(JSON.parse(stdout)).openssl)
  }

  async measure(
    target: Target,
    { load, channel, time }: { load: readonly string[]; channel: Channel; time: Time },
    clients: Clients,
  ): Promise<Measured> {
    const args = [...load, '--clients', clients.passwords, '--port', String(target.ports[channel])]
    if (channel !== 'tcp') args.push('--tls')
    if (channel === 'mutual-tls') args.push('--certificates', clients.certificates)
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
        const { at: _, frozen, ...rest } = said
        result = {
          ...rest,
          cpuSeconds: cpu,
          bytes: residentBytes(target.pid),
          bytesPerConnection: perConnection,
          frozen: frozen ? { ...frozen, peakBytes: peakResidentBytes(target.pid) } : null,
        }
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
