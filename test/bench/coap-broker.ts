// Latchkey with a policy, devices, a plain CoAP listener and one over DTLS.
import { join } from 'node:path'
import { OVERRIDE } from '../../src/coap/udp-addon.ts'
import { CODE, codeText } from '../../src/coap-wire/codes.ts'
import type { LoadGenerator } from './coap-load-generator.ts'
import type { Shown } from './coap-orders.ts'
import { type Server, stopProcess } from './coap-server-process.ts'
import { type Device, LatchkeyFolder } from './latchkey-process.ts'
import { GARBAGE_OPTIONS } from './mqtt-contender.ts'

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

/** What clients of DTLS show, by kind: as many of each as there are loops of the load. */
export interface Credentials {
  readonly psk: readonly Shown[]
  readonly x509: readonly Shown[]
}

export interface Start {
  /** Clients open sessions by a token each; otherwise they are anonymous. */
  readonly sessions?: boolean
  /** Datagrams by node:dgram, each by a system call of its own. */
  readonly dgram?: boolean
  /** It collects garbage when asked. */
  readonly collects?: boolean
}

export class BenchBroker {
  readonly #latchkey: LatchkeyFolder
  readonly #load: LoadGenerator
  readonly #devices: Device[] = []
  #credentials: Promise<Credentials> | undefined

  constructor(folder: string, load: LoadGenerator) {
    this.#load = load
    this.#latchkey = new LatchkeyFolder(join(folder, 'broker'), POLICY, {
      listeners: {
        mqtt: false,
        mqtts: false,
        ws: false,
        wss: false,
        https: { host: '127.0.0.1', port: 0 },
        coap: { port: 0, insecure: true },
        coaps: { host: '127.0.0.1', port: 0 },
        'coaps+tcp': false,
      },
      auth: { anonymous: { role: 'visitor', insecure: true } },
      // Beyond what 32 clients in a closed loop ask for: by default a peer may send 1000 requests a second.
      limits: {
        coap: { requestsPerSecond: 1_000_000, requestBurst: 1_000_000, sessionsPerOwner: 10_000 },
        dtls: { pendingPerAddress: 1000 },
      },
    })
  }

  /** Each start goes on with the devices of the one before. */
  async start({ sessions = false, dgram = false, collects = false }: Start): Promise<Server> {
    const environment = dgram ? { [OVERRIDE]: 'none' } : {}
    const { child, pid, listeners } = await this.#latchkey.start(collects ? GARBAGE_OPTIONS : [], collects, environment)
    const port = listeners.coap?.port ?? 0
    return {
      port,
      securePort: listeners.coaps?.port ?? 0,
      pid,
      queries: async count => {
        if (!sessions) return Array.from({ length: count }, () => [])
        await this.#register(count)
        return this.#openSessions({ port, pid }, this.#devices.slice(0, count))
      },
      collect: () =>
        new Promise(resolve => {
          child.once('message', () => resolve())
          child.send('collect')
        }),
      stop: () => stopProcess(child),
    }
  }

  /** Of so many devices; made once, by a broker that is started for it. */
  credentials(count: number): Promise<Credentials> {
    this.#credentials ??= this.#enrol(count)
    return this.#credentials
  }

  async #enrol(count: number): Promise<Credentials> {
    const { child } = await this.#latchkey.start()
    try {
      await this.#register(count)
      const ids = this.#devices.slice(0, count).map(({ id }) => id)
      const psk = await this.#latchkey.preShare(ids)
      const certified = await this.#latchkey.certify(ids)
      const authorities = certified[0]?.root ?? ''
      const x509 = certified.map(({ privateKey, certificate, issuer }) => {
        return { certificate: { chain: certificate + issuer, privateKey }, authorities }
      })
      return { psk: psk.map(one => ({ psk: one })), x509 }
    } finally {
      await stopProcess(child)
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
