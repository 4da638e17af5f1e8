// Latchkey with a policy, devices and a plain CoAP listener.
import { join } from 'node:path'
import { CODE, codeText } from '../../src/coap-wire/codes.ts'
import type { LoadGenerator } from './coap-load-generator.ts'
import { type Server, stopProcess } from './coap-server-process.ts'
import { type Device, LatchkeyFolder } from './latchkey-process.ts'

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
export class BenchBroker {
  readonly #latchkey: LatchkeyFolder
  readonly #load: LoadGenerator
  readonly #devices: Device[] = []

  constructor(folder: string, load: LoadGenerator) {
    this.#load = load
    this.#latchkey = new LatchkeyFolder(join(folder, 'broker'), POLICY, {
      listeners: {
        mqtt: false,
        mqtts: false,
        ws: false,
        wss: false,
        coaps: false,
        https: { host: '127.0.0.1', port: 0 },
        coap: { port: 0, insecure: true },
      },
      auth: { anonymous: { role: 'visitor', insecure: true } },
      // Beyond what 32 clients in a closed loop ask for: by default a peer may send 1000 requests a second.
      limits: { coap: { requestsPerSecond: 1_000_000, requestBurst: 1_000_000 } },
    })
  }

  /** Each start goes on with the devices of the one before. */
  async start(sessions: boolean): Promise<Server> {
    const { child, pid, listeners } = await this.#latchkey.start()
    const port = listeners.coap?.port ?? 0
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
    const known = this.#devices.length
    const missing = Array.from({ length: Math.max(0, count - known) }, (_, index) => {
      return { id: `display-${known + index}`, type: 'display', attributes: { room: 'hall' } }
    })
    this.#devices.push(...(await this.#latchkey.register(missing)))
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
