// A broker of our own as a process beside us, as users run it: it can be killed at any moment and started again.
import { type ChildProcess, spawn } from 'node:child_process'
import { type FileHandle, open, readFile, writeFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { z } from 'zod'
import { LatchkeyClient } from '../client/client.ts'
import { whyNoDtls } from '../coaps-listener.ts'
import { Failure } from '../model/failure.ts'
import { choosePorts, type WantedPort } from './choose-ports.ts'
import { readOperatorFile, type Server } from './server.ts'

const HOST = '127.0.0.1'
const WANTED: readonly WantedPort[] = [
  { name: 'mqtt', protocol: 'tcp', port: 1883 },
  { name: 'mqtts', protocol: 'tcp', port: 8883 },
  { name: 'ws', protocol: 'tcp', port: 8083 },
  { name: 'wss', protocol: 'tcp', port: 8084 },
  { name: 'https', protocol: 'tcp', port: 8443 },
  { name: 'coap', protocol: 'udp', port: 5683 },
  { name: 'coaps', protocol: 'udp', port: 5684 },
  { name: 'coaps+tcp', protocol: 'tcp', port: 5684 },
]
/** Milliseconds to become ready, and to end when asked. */
const READY_WITHIN = 30_000
const ENDED_WITHIN = 10_000
/** Somebody may take a port between our look and the broker's start. */
const STARTS = 3
/** Milliseconds for one call of the API. */
const CALL_WITHIN = 10_000
const TOLD_OF_LOG = 2_000

const readyLine = z.object({
  ready: z.literal(true),
  listeners: z.record(z.string(), z.object({ host: z.string(), port: z.int() })),
})
const refusedLine = z.object({ error: z.object({ code: z.string(), message: z.string() }) })
export type ListeningOn = Readonly<Record<string, { readonly host: string; readonly port: number }>>

export interface BrokerProcessOptions {
  /** Of our own: configuration and log go there. */
  readonly folder: string
  readonly data: string
  /** Handed to `serve`. */
  readonly args: readonly string[]
  /** Do not even try the usual ports. */
  readonly freePorts: boolean
  /** Told when a port is not the usual one. */
  readonly say: (line: string) => void
}

export class BrokerProcess {
  readonly #options: BrokerProcessOptions
  #child: ChildProcess | null = null
  #listeners: ListeningOn | null = null
  #server: Server | null = null
  #stopped = false

  constructor(options: BrokerProcessOptions) {
    this.#options = options
    // Whatever ends us: nobody else would end it.
    process.once('exit', this.#killNow)
  }

  readonly #killNow = () => this.#child?.kill('SIGKILL')

  /** As the broker's ready line said; the same after each further start. */
  get listeners(): ListeningOn {
    return this.#listeners ?? {}
  }

  /** What devices and people need: address of the HTTP API and root certificate. */
  get server(): { readonly url: string; readonly ca: string } {
    return { url: this.#server?.url ?? '', ca: this.#server?.ca ?? '' }
  }

  /** The API, as the operator of this start. */
  operator(): LatchkeyClient {
    if (this.#server === null) throw new Failure('internal', 'the broker has not been started')
    return new LatchkeyClient({ ...this.#server, timeout: CALL_WITHIN })
  }

  /** Resolves when it is ready. Throws a Failure with the end of its log. */
  async start(): Promise<void> {
    const again = this.#listeners !== null
    for (let attempt = 1; ; attempt++) {
      const ports = again ? portsOf(this.listeners) : await this.#choose()
      try {
        await this.#startOn(ports)
        return
      } catch (error) {
        const raced = error instanceof Failure && error.code === 'listener-failed'
        if (again || !raced || attempt >= STARTS) throw error
      }
    }
  }

  /** SIGKILL, as a power cut would; resolves when the process has gone. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  /** Asks it to end, and makes it when it does not. It is not started again, also not by a start under way. */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#end('SIGTERM')
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    // Without a process id it never was a process, and nothing will end.
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise<void>(resolve => child.once('exit', () => resolve()))
    child.kill(signal)
    const timer = setTimeout(() => child.kill('SIGKILL'), ENDED_WITHIN)
    await ended
    clearTimeout(timer)
    this.#child = null
  }

  async #choose(): Promise<ReadonlyMap<string, number>> {
    const { freePorts, say } = this.#options
    const wanted = whyNoDtls() === null ? WANTED : WANTED.filter(({ name }) => name !== 'coaps')
    if (freePorts) return new Map(wanted.map(({ name }) => [name, 0]))
    const chosen = await choosePorts(wanted, HOST)
    for (const { name, taken } of chosen) {
      const usual = WANTED.find(wanted => wanted.name === name)?.port
      if (taken) say(`port ${usual} (${name}) is taken: another one is used`)
    }
    return new Map(chosen.map(({ name, port }) => [name, port]))
  }

  async #startOn(ports: ReadonlyMap<string, number>): Promise<void> {
    const { folder, data, args } = this.#options
    const configuration = join(folder, 'latchkey.json')
    await writeFile(configuration, JSON.stringify(configurationOf(data, ports)), { mode: 0o600 }) // JSON is YAML
    const log = await open(join(folder, 'broker.log'), 'a', 0o600)
    try {
      const { size } = await log.stat()
      if (this.#stopped) throw new Failure('internal', 'the broker is not wanted any more')
      this.#child = spawnBroker(['serve', '--config', configuration, '--json', ...args], log)
      this.#listeners = await this.#ready(this.#child, size)
    } finally {
      await log.close()
    }
    this.#server = await readOperatorFile(data)
  }

  /** `from`: where the log of this start begins. */
  async #ready(child: ChildProcess, from: number): Promise<ListeningOn> {
    let timer: NodeJS.Timeout | undefined
    try {
      const line = await new Promise<string>((resolve, reject) => {
        let text = ''
        child.stdout?.setEncoding('utf8').on('data', (part: string) => {
          text += part
          const end = text.indexOf('\n')
          if (end >= 0) resolve(text.slice(0, end))
        })
        child.on('error', reject)
        child.once('exit', () => reject(new Error('it ended before it was ready')))
        timer = setTimeout(() => reject(new Error(`it was not ready within ${READY_WITHIN} ms`)), READY_WITHIN)
      })
      return readyLine.parse(JSON.parse(line)).listeners
    } catch (error) {
      await this.kill()
      throw await this.#notStarted(error, from)
    } finally {
      clearTimeout(timer)
    }
  }

  async #notStarted(cause: unknown, from: number): Promise<Failure> {
    const log = await readFile(join(this.#options.folder, 'broker.log'))
    const { code, message } = endOf(log.subarray(from).toString())
    const why = message ?? (cause instanceof Error ? cause.message : String(cause))
    return new Failure(code, `the broker did not start: ${why}`, { cause })
  }
}

/** What `serve --json` says last when it cannot serve, or else the end of its log. */
function endOf(log: string): { code: 'listener-failed' | 'internal'; message: string | null } {
  const last = log.trim().split('\n').at(-1) ?? ''
  try {
    const { error } = refusedLine.parse(JSON.parse(last))
    return { code: error.code === 'listener-failed' ? 'listener-failed' : 'internal', message: error.message }
  } catch {
    return { code: 'internal', message: last === '' ? null : last.slice(-TOLD_OF_LOG) }
  }
}

const portsOf = (listeners: ListeningOn): ReadonlyMap<string, number> =>
  new Map(Object.entries(listeners).map(([name, { port }]) => [name, port]))

/** The shortest tokens that it gives, so that renewals are seen. */
const TOKEN_LIFETIME = 30

const configurationOf = (data: string, ports: ReadonlyMap<string, number>) => ({
  data,
  listeners: {
    coaps: false, // unless it has a port here
    ...Object.fromEntries(
      [...ports].map(([name, port]) => [name, { host: HOST, port, ...(name === 'coap' && { insecure: true }) }]),
    ),
  },
  tokens: { lifetime: TOKEN_LIFETIME },
})

/** Our own program, compiled or not. In a process group of its own: Ctrl-C is for us, and we end it when we are done. */
function spawnBroker(args: readonly string[], log: FileHandle): ChildProcess {
  const program = join(import.meta.dirname, `main${extname(import.meta.filename)}`)
  // What somebody set for a broker of theirs (LATCHKEY_DATA, LATCHKEY_VAULT_KEY) is not meant for this one.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('LATCHKEY_')))
  return spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', log.fd], detached: true, env })
}
