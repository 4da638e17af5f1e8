// Mosquitto under measurement, with the same rights as Latchkey's policy gives.
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { stopProcess } from './coap-server-process.ts'
import type { Device } from './latchkey-process.ts'
import { programOnPath } from './machine.ts'
import { type Broker, CHANNELS, type Channel, type Contender, HOST, type ServerFiles } from './mqtt-contender.ts'
import { SITE } from './mqtt-latchkey.ts'

/** Milliseconds for Mosquitto to begin listening, and for its allocator to rest. */
const PATIENCE = 10_000
const REST = 1000

const RULES = `pattern write tele/${SITE}/%u/+/up
pattern readwrite tele/${SITE}/all/cmd
pattern read tele/${SITE}/+/+/up
pattern read tele/${SITE}/%u/+/down
`

export class MosquittoContender implements Contender {
  readonly key = 'mosquitto'
  readonly about: string
  readonly configuration: string
  readonly #program: string
  readonly #folder: string
  readonly #server: ServerFiles

  private constructor(program: string, version: string, folder: string, server: ServerFiles) {
    this.#program = program
    this.#folder = folder
    this.#server = server
    this.about = `Mosquitto ${version}`
    const ports = { tcp: '<port>', tls: '<port>', 'mutual-tls': '<port>' }
    const files = { key: '<key>', chain: '<certificate and issuer>', root: '<root>' }
    this.configuration = `${settings(ports, '<folder>', files)}# <folder>/rules\n${RULES}`
  }

  /** null where it is not installed. Its password file holds the secrets of these devices. */
  static async find(
    folder: string,
    devices: readonly Device[],
    server: ServerFiles,
  ): Promise<MosquittoContender | null> {
    const program = programOnPath('mosquitto')
    const hasher = programOnPath('mosquitto_passwd')
    if (program === null || hasher === null) return null
    const own = join(folder, 'mosquitto')
    await mkdir(own, { recursive: true })
    await writeFile(join(own, 'passwords'), devices.map(({ id, secret }) => `${id}:${secret}\n`).join(''))
    await promisify(execFile)(hasher, ['-U', join(own, 'passwords')])
    await writeFile(join(own, 'rules'), RULES)
    return new MosquittoContender(program, await versionOf(program), own, server)
  }

  async start(): Promise<Broker> {
    const ports = await freePorts()
    const file = join(this.#folder, 'mosquitto.conf')
    await writeFile(file, settings(ports, this.#folder, this.#server))
    const child = spawn(this.#program, ['-c', file], { stdio: ['ignore', 'ignore', 'pipe'] })
    let log = ''
    child.stderr.on('data', part => {
      log = (log + part).slice(-10_000)
    })
    const deadline = performance.now() + PATIENCE
    while (!(await listens(ports['mutual-tls']))) {
      if (child.exitCode !== null || performance.now() > deadline) throw new Error(`mosquitto does not listen: ${log}`)
      await pause(20)
    }
    return { pid: child.pid ?? 0, ports, collectGarbage: () => pause(REST), stop: () => stopProcess(child) }
  }
}

/** What Debian's own file says (persistence), passwords, rules and three listeners. The rest is its default. */
function settings(ports: Readonly<Record<Channel, number | string>>, folder: string, server: ServerFiles): string {
  const tls = [`certfile ${server.chain}`, `keyfile ${server.key}`, 'tls_version tlsv1.3']
  return [
    'allow_anonymous false',
    `password_file ${join(folder, 'passwords')}`,
    `acl_file ${join(folder, 'rules')}`,
    'persistence true',
    `persistence_location ${folder}/`,
    // Started by root it would become a user who may not read this folder.
    ...(process.getuid?.() === 0 ? ['user root'] : []),
    `listener ${ports.tcp} ${HOST}`,
    `listener ${ports.tls} ${HOST}`,
    ...tls,
    `listener ${ports['mutual-tls']} ${HOST}`,
    ...tls,
    `cafile ${server.root}`,
    'require_certificate true',
    'use_identity_as_username true',
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

/** All are taken before one is given back, so that they differ. */
async function freePorts(): Promise<Record<Channel, number>> {
  const servers = CHANNELS.map(() => createServer())
  await Promise.all(servers.map(server => new Promise<void>(resolve => server.listen(0, HOST, resolve))))
  const ports = servers.map(server => {
    const address = server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  })
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
  const [tcp = 0, tls = 0, mutual = 0] = ports
  return { tcp, tls, 'mutual-tls': mutual }
}
