// Latchkey as users run it: the built program with a policy, devices and a plain CoAP listener.
import { spawn } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CODE, codeText } from '../../src/coap-wire/codes.ts'
import type { ConfigurationInput } from '../../src/config.ts'
import { callJson } from '../fixtures/https-json.ts'
import type { LoadGenerator } from './coap-load-generator.ts'
import { type Server, stopProcess } from './coap-server-process.ts'

/** `home/hall/temperature` is what all clients read and observe, and what the publisher puts. */
const POLICY = `
version: 1
roles:
  household:
    permit:
      - { id: own, allow: "device/\${device.id}/#" }
  display:
    permit:
      - { id: report, publish: "home/\${device.room}/temperature" }
      - { id: listen, subscribe: "home/\${device.room}/+" }
    forbid:
      - { id: no-lock, publish: "home/+/lock" }
  visitor:
    permit:
      - { id: measure, publish: "home/+/temperature" }
      - { id: look, subscribe: "home/+/temperature" }
    forbid:
      - { id: no-lock, publish: "home/+/lock" }
assign:
  - { type: display, roles: [household, display] }
`
const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))
/** Devices that are registered at the same time. */
const CROWD = 8

interface Device {
  readonly id: string
  readonly secret: string
}

export class BenchBroker {
  readonly #folder: string
  readonly #load: LoadGenerator
  readonly #devices: Device[] = []

  constructor(folder: string, load: LoadGenerator) {
    this.#folder = join(folder, 'broker')
    this.#load = load
  }

  /** Each start goes on with the devices of the one before. */
  async start(sessions: boolean): Promise<Server> {
    const data = join(this.#folder, 'data')
    const policy = join(this.#folder, 'policy.yaml')
    const configuration: ConfigurationInput = {
      data,
      listeners: {
        mqtt: false,
        mqtts: false,
        ws: false,
        wss: false,
        https: { host: '127.0.0.1', port: 0 },
        coap: { port: 0, insecure: true },
      },
      auth: { anonymous: { role: 'visitor', insecure: true } },
      policy: { files: [policy] },
      // Beyond what 32 clients in a closed loop ask for: by default a peer may send 1000 requests a second.
      limits: { coap: { requestsPerSecond: 1_000_000, requestBurst: 1_000_000 } },
    }
    const file = join(this.#folder, 'latchkey.json')
    await mkdir(this.#folder, { recursive: true })
    await writeFile(policy, POLICY)
    // JSON is YAML.
    await writeFile(file, JSON.stringify(configuration))
    const child = spawn(process.execPath, [MAIN, 'serve', '--config', file, '--json'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let log = ''
    child.stderr.on('data', part => {
      log = (log + part).slice(-10_000)
    })
    const ready = await new Promise<{ listeners: { coap: { port: number } } }>((resolve, reject) => {
      child.stdout.once('data', line => resolve(JSON.parse(line)))
      child.once('error', reject)
      child.once('exit', code => reject(new Error(`latchkey serve ended with ${code}: ${log}`)))
    })
    const { port } = ready.listeners.coap
    const pid = child.pid ?? 0
    return {
      port,
      pid,
      queries: async count => {
        if (!sessions) return Array.from({ length: count }, () => [])
        await this.#register(count)
        return this.#openSessions({ port, pid }, this.#devices.slice(0, count))
      },
      stop: () => stopProcess(child),
    }
  }

  async #register(count: number): Promise<void> {
    const operator = JSON.parse(await readFile(join(this.#folder, 'data/operator.json'), 'utf8')) as {
      url: string
      token: string
      ca: string
    }
    const call = async (path: string, body: unknown) => {
      const reply = await callJson(`${operator.url}${path}`, {
        method: 'POST',
        ca: operator.ca,
        token: operator.token,
        body,
      })
      if (reply.status >= 400) throw new Error(`POST ${path}: ${reply.status} ${JSON.stringify(reply.body)}`)
      return reply.body
    }
    while (this.#devices.length < count) {
      const from = this.#devices.length
      const crowd = Array.from({ length: Math.min(CROWD, count - from) }, async (_, index) => {
        const id = `display-${from + index}`
        await call('/v1/devices', { id, type: 'display', attributes: { room: 'hall' } })
        const { secret } = await call('/v1/credentials', { owner: id, kind: 'secret', audience: 'mqtt' })
        return { id, secret }
      })
      this.#devices.push(...(await Promise.all(crowd)))
    }
  }

  async #openSessions(target: { port: number; pid: number }, devices: readonly Device[]): Promise<string[][]> {
    const requests = devices.map(({ id, secret }) => {
      return { method: CODE.POST, path: ['mqtt', 'connection'], query: [`clientid=${id}`], payload: secret }
    })
    const answers = await this.#load.ask({ kind: 'ask', ...target, requests })
    return answers.map(({ code, payload }, index) => {
      if (code !== CODE.Created) throw new Error(`no session was opened: ${codeText(code)} ${payload}`)
      return [`clientid=${devices[index]?.id}`, `token=${payload}`]
    })
  }
}
