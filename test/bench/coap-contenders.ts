// The servers that are measured: each a process of its own on loopback, started afresh for every measurement.
import { spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { readFile } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { BenchBroker, type Credentials } from './coap-broker.ts'
import { DtlsFloor } from './coap-dtls-floor.ts'
import type { LoadGenerator } from './coap-load-generator.ts'
import { type Scenario, WINDOW } from './coap-scenarios.ts'
import { type Server, serverOf, startProgram } from './coap-server-process.ts'
import { programOnPath } from './machine.ts'

export interface Contender {
  readonly key: string
  readonly about: string
  /** Of scenarios. */
  readonly takes: readonly Scenario['kind'][]
  /** Requests of the memory scenario; fewer where memory grows so fast that the machine would suffer. */
  readonly memoryRequests: number
  /** `confirmable`: how notifications go out, where the server is told and not asked by the observer. */
  start(scenario: Scenario): Promise<Server>
  /** What its clients over DTLS show. */
  credentials?(): Promise<Credentials>
}

const PLAIN: Contender['takes'] = ['get', 'fan-out', 'memory']
const SECURE: Contender['takes'] = ['handshakes', 'echo', 'idle']

const MILLION = 1_000_000
/** The npm server keeps some kilobytes and a timer of 202 to 247 s for each response. */
const NPM_MEMORY_REQUESTS = 100_000
/** Milliseconds for a server to begin listening. */
const PATIENCE = 10_000

const LIBCOAP = ['coap-server-notls', 'coap-server-openssl', 'coap-server-gnutls', 'coap-server']

export interface Contenders {
  readonly all: readonly Contender[]
  /** Peers that are not installed here. */
  readonly missing: readonly string[]
}

export function contenders(folder: string, load: LoadGenerator): Contenders {
  const broker = new BenchBroker(folder, load)
  const floor = new DtlsFloor(folder)
  const libcoap = LIBCOAP.map(programOnPath).find(found => found !== null)
  const all: Contender[] = [
    {
      key: 'latchkey',
      about: 'Latchkey',
      takes: [...PLAIN, ...SECURE],
      memoryRequests: MILLION,
      start: ({ kind }) => broker.start({ collects: kind === 'idle' }),
      credentials: () => broker.credentials(WINDOW),
    },
    {
      key: 'latchkey-session',
      about: 'Latchkey, session tokens',
      takes: PLAIN,
      memoryRequests: MILLION,
      start: () => broker.start({ sessions: true }),
    },
    {
      key: 'latchkey-dgram',
      about: 'Latchkey without native/udp',
      takes: ['get', 'fan-out', 'echo', 'handshakes'],
      memoryRequests: 0,
      start: () => broker.start({ dgram: true }),
      credentials: () => broker.credentials(WINDOW),
    },
    {
      key: 'npm-coap',
      about: 'npm coap server',
      takes: PLAIN,
      memoryRequests: NPM_MEMORY_REQUESTS,
      start: () => startNpm(),
    },
    {
      key: 'npm-coap-roomy',
      about: 'npm coap, 4 MB receive buffer',
      takes: ['fan-out'],
      memoryRequests: 0,
      start: () => startNpm('roomy'),
    },
    {
      key: 'floor',
      about: 'node:dgram echo (floor)',
      takes: PLAIN,
      memoryRequests: MILLION,
      start: scenario => startEcho(scenario, 'none'),
    },
    {
      key: 'floor-batches',
      about: 'echo over native/udp (floor)',
      takes: ['get', 'fan-out'],
      memoryRequests: 0,
      start: scenario => startEcho(scenario, ''),
    },
    {
      key: 'dtls-floor',
      about: 'src/dtls echo (floor)',
      takes: SECURE,
      memoryRequests: 0,
      start: () => floor.start(WINDOW),
      credentials: () => floor.credentials(WINDOW),
    },
  ]
  if (libcoap) {
    all.push({
      key: 'libcoap',
      about: 'libcoap coap-server (C)',
      takes: PLAIN,
      memoryRequests: MILLION,
      start: ({ confirmable }) => startLibcoap(libcoap, confirmable),
    })
  }
  return { all, missing: libcoap ? [] : ['libcoap: no coap-server on the PATH (Debian: libcoap3-bin)'] }
}

/** These programs are compiled beside this file. */
const program = (name: string) => fileURLToPath(new URL(name, import.meta.url))

const startEcho = ({ confirmable }: Scenario, addon: string) =>
  startProgram(process.execPath, [program('coap-echo-server.js'), confirmable ? 'CON' : 'NON', addon])

async function startNpm(...options: readonly string[]): Promise<Server> {
  return startProgram(process.execPath, [program('coap-npm-server.js'), String(await freePort()), ...options])
}

async function startLibcoap(command: string, confirmable: boolean): Promise<Server> {
  const port = await freePort()
  // -d: a PUT to an unknown path makes a resource. -N: notifications are non-confirmable, but for every fifth.
  const args = ['-A', '127.0.0.1', '-p', String(port), '-v', '0', '-d', '16', ...(confirmable ? [] : ['-N'])]
  const child = spawn(command, args, { stdio: 'ignore' })
  const address = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const deadline = performance.now() + PATIENCE
  while (!(await readFile('/proc/net/udp', 'latin1')).includes(address)) {
    if (child.exitCode !== null || performance.now() > deadline) throw new Error(`${command} does not listen`)
    await pause(20)
  }
  return serverOf(child, port)
}

async function freePort(): Promise<number> {
  const socket = createSocket('udp4')
  await new Promise<void>(resolve => socket.bind(0, '127.0.0.1', resolve))
  const { port } = socket.address()
  await new Promise<void>(resolve => socket.close(resolve))
  return port
}
