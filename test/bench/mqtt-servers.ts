// The brokers that are measured: each a process of its own on loopback, with passwords and rules on.
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { packageVersion } from '../../src/cli/version.ts'
import type { ConfigurationInput } from '../../src/config.ts'
import { stopProcess } from './coap-server-process.ts'
import { type Device, LatchkeyFolder } from './latchkey-process.ts'
import { programOnPath } from './machine.ts'
import type { Target } from './mqtt-load-generator.ts'

export interface Broker extends Target {
  stop(): Promise<void>
}

export interface Contender {
  readonly key: 'latchkey' | 'mosquitto'
  readonly about: string
  /** As it was started: part of the result. */
  readonly configuration: string
  /** `idle`: its memory will be looked at, so it is made able to collect garbage when asked. */
  start(idle: boolean): Promise<Broker>
}

/** Enough for 200 pairs; where there are more connections, several share a device. */
const DEVICES = 402
const SITE = 'site1'
const HOST = '127.0.0.1'
/** Milliseconds for Mosquitto to begin listening, and for its allocator to rest. */
const PATIENCE = 10_000
const REST = 1000

/** The same rights as Mosquitto's rules below. */
const POLICY = `version: 1
roles:
  meter:
    permit:
      - { id: report, publish: "tele/\${device.site}/\${device.id}/+/up" }
      - { id: announce, publish: "tele/\${device.site}/all/cmd" }
      - { id: look, subscribe: "tele/\${device.site}/+/+/up" }
      - { id: hear, subscribe: "tele/\${device.site}/all/cmd" }
      - { id: obey, subscribe: "tele/\${device.site}/\${device.id}/+/down" }
assign:
  - { type: meter, roles: [meter] }
`
const RULES = `pattern write tele/${SITE}/%u/+/up
pattern readwrite tele/${SITE}/all/cmd
pattern read tele/${SITE}/+/+/up
pattern read tele/${SITE}/%u/+/down
`
const CONFIGURATION: Omit<ConfigurationInput, 'data' | 'policy'> = {
  listeners: {
    mqtt: { host: HOST, port: 0 },
    mqtts: false,
    ws: false,
    wss: false,
    https: { host: HOST, port: 0 },
  },
}

export class LatchkeyContender implements Contender {
  readonly key = 'latchkey'
  readonly about = `Latchkey ${packageVersion()}`
  readonly configuration = `${JSON.stringify(CONFIGURATION)}\n${POLICY}`
  readonly #latchkey: LatchkeyFolder

  constructor(folder: string) {
    this.#latchkey = new LatchkeyFolder(join(folder, 'latchkey'), POLICY, CONFIGURATION)
  }

  /** Registers the devices whose secrets all clients of the run use, at whichever broker. */
  async devices(): Promise<Device[]> {
    const { child } = await this.#latchkey.start()
    try {
      return await this.#latchkey.register(
        Array.from({ length: DEVICES }, (_, index) => {
          return { id: `meter-${index}`, type: 'meter', attributes: { site: SITE }, clientIds: 'under' }
        }),
      )
    } finally {
      await stopProcess(child)
    }
  }

  async start(idle: boolean): Promise<Broker> {
    const preload = ['--expose-gc', '--import', new URL('collect-garbage.js', import.meta.url).href]
    const { child, pid, listeners } = await this.#latchkey.start(idle ? preload : [], idle)
    return {
      pid,
      port: listeners.mqtt?.port ?? 0,
      collectGarbage: async () => {
        const collected = new Promise(resolve => child.once('message', resolve))
        child.send('collect')
        await collected
      },
      stop: () => stopProcess(child),
    }
  }
}

export class MosquittoContender implements Contender {
  readonly key = 'mosquitto'
  readonly about: string
  readonly configuration: string
  readonly #program: string
  readonly #folder: string

  private constructor(program: string, version: string, folder: string) {
    this.#program = program
    this.#folder = folder
    this.about = `Mosquitto ${version}`
    this.configuration = `${settings('<port>', '<folder>')}# <folder>/rules\n${RULES}`
  }

  /** null where it is not installed. Its password file holds the secrets of these devices. */
  static async find(folder: string, devices: readonly Device[]): Promise<MosquittoContender | null> {
    const program = programOnPath('mosquitto')
    const hasher = programOnPath('mosquitto_passwd')
    if (program === null || hasher === null) return null
    const own = join(folder, 'mosquitto')
    await mkdir(own, { recursive: true })
    await writeFile(join(own, 'passwords'), devices.map(({ id, secret }) => `${id}:${secret}\n`).join(''))
    await promisify(execFile)(hasher, ['-U', join(own, 'passwords')])
    await writeFile(join(own, 'rules'), RULES)
    return new MosquittoContender(program, await versionOf(program), own)
  }

  async start(): Promise<Broker> {
    const port = await freePort()
    const file = join(this.#folder, 'mosquitto.conf')
    await writeFile(file, settings(String(port), this.#folder))
    const child = spawn(this.#program, ['-c', file], { stdio: ['ignore', 'ignore', 'pipe'] })
    let log = ''
    child.stderr.on('data', part => {
      log = (log + part).slice(-10_000)
    })
    const deadline = performance.now() + PATIENCE
    while (!(await listens(port))) {
      if (child.exitCode !== null || performance.now() > deadline) throw new Error(`mosquitto does not listen: ${log}`)
      await pause(20)
    }
    return { pid: child.pid ?? 0, port, collectGarbage: () => pause(REST), stop: () => stopProcess(child) }
  }
}

/** What Debian's own file says (persistence), and one listener with passwords and rules. The rest is its default. */
function settings(port: string, folder: string): string {
  return [
    `listener ${port} ${HOST}`,
    'allow_anonymous false',
    `password_file ${join(folder, 'passwords')}`,
    `acl_file ${join(folder, 'rules')}`,
    'persistence true',
    `persistence_location ${folder}/`,
    // Started by root it would become a user who may not read this folder.
    ...(process.getuid?.() === 0 ? ['user root'] : []),
    '',
  ].join('\n')
}

/** `mosquitto -h` says it in its first line, and ends with 3. */
async function versionOf(program: string): Promise<string> {
  const child: ChildProcess = spawn(program, ['-h'], { stdio: ['ignore', 'pipe', 'ignore'] })
  let text = ''
  child.stdout?.on('data', part => {
    text += part
  })
  await new Promise(resolve => child.once('close', resolve))
  return /version (\S+)/.exec(text)?.[1] ?? 'of an unknown version'
}

function listens(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, HOST)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, HOST, resolve))
  const address = server.address()
  await new Promise(resolve => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}
