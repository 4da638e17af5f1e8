// The servers that are measured: each a process of its own on loopback, started afresh for every measurement.
import { spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { readFile } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { BenchBroker } from './coap-broker.ts'
import type { LoadGenerator } from './coap-load-generator.ts'
import { type Server, serverOf, startProgram } from './coap-server-process.ts'
import { programOnPath } from './machine.ts'

export interface Contender {
  readonly key: string
  readonly about: string
  /** Requests of the memory scenario; fewer where memory grows so fast that the machine would suffer. 0: fan-out only. */
  readonly memoryRequests: number
  /** `confirmable`: how notifications go out, where the server is told and not asked by the observer. */
  start(confirmable: boolean): Promise<Server>
}

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
  const libcoap = LIBCOAP.map(programOnPath).find(found => found !== null)
  const all: Contender[] = [
    {
      key: 'latchkey-anonymous',
      about: 'Latchkey, anonymous role',
      memoryRequests: MILLION,
      start: () => broker.start(false),
    },
    {
      key: 'latchkey-session',
      about: 'Latchkey, session tokens',
      memoryRequests: MILLION,
      start: () => broker.start(true),
    },
    {
      key: 'npm-coap',
      about: 'npm coap server',
      memoryRequests: NPM_MEMORY_REQUESTS,
      start: () => startNpm(),
    },
    {
      key: 'npm-coap-roomy',
      about: 'npm coap, 4 MB receive buffer',
      memoryRequests: 0,
      start: () => startNpm('roomy'),
    },
    {
      key: 'floor',
      about: 'node:dgram echo (floor)',
      memoryRequests: MILLION,
      start: confirmable =>
        startProgram(process.execPath, [program('coap-echo-server.js'), confirmable ? 'CON' : 'NON']),
    },
  ]
  if (libcoap) {
    all.push({
      key: 'libcoap',
      about: 'libcoap coap-server (C)',
      memoryRequests: MILLION,
      start: confirmable => startLibcoap(libcoap, confirmable),
    })
  }
  return { all, missing: libcoap ? [] : ['libcoap: no coap-server on the PATH (Debian: libcoap3-bin)'] }
}

/** These programs are compiled beside this file. */
const program = (name: string) => fileURLToPath(new URL(name, import.meta.url))

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
