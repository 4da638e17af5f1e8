// Latchkey under measurement, and the devices that all clients of a run are.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { packageVersion } from '../../src/cli/version.ts'
import type { ConfigurationInput } from '../../src/config.ts'
import { stopProcess } from './coap-server-process.ts'
import { type Certified, type Device, LatchkeyFolder } from './latchkey-process.ts'
import { type Broker, type Contender, GARBAGE_OPTIONS, HOST, nodeBroker, type ServerFiles } from './mqtt-contender.ts'

/** Enough for 200 pairs; where there are more connections, several share a device. */
const DEVICES = 402
export const SITE = 'site1'
/** Whose certificate the other servers show. */
const PEER = 'peer'

/** The same rights as Mosquitto's rules. */
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
const CONFIGURATION: Omit<ConfigurationInput, 'data' | 'policy'> = {
  listeners: {
    mqtt: { host: HOST, port: 0 },
    mqtts: { host: HOST, port: 0 },
    ws: false,
    wss: false,
    https: { host: HOST, port: 0 },
    coaps: false,
    'coaps+tcp': false,
  },
  // What Mosquitto does; `refuse` would end an MQTT 3.1.1 publisher when the queue of a frozen subscriber is full.
  queueOverflow: 'drop-new',
  // Messages far above what one publisher sends here, so that they are counted and never too many; connects without a
  // bound, because they are measured. Mosquitto bounds neither.
  limits: {
    connectRate: 0,
    connectRatePerAddress: 0,
    messageRate: 1_000_000,
    messageBurst: 1_000_000,
    byteRate: 2 ** 30,
    byteBurst: 2 ** 30,
  },
}

const DEFAULTS =
  '# Rates are above what the load sends, or off; the rest is the default: durability fsync, log, audit trail, other limits'

/** What clients show: a file with lines of "user password", and a folder with a USER.pem for each of them. */
export interface Clients {
  readonly devices: readonly Device[]
  readonly passwords: string
  readonly certificates: string
}

export class LatchkeyContender implements Contender {
  readonly key = 'latchkey'
  readonly about = `Latchkey ${packageVersion()}`
  readonly configuration = `${JSON.stringify(CONFIGURATION)}\n${DEFAULTS}\n# policy\n${POLICY}`
  readonly #folder: string
  readonly #latchkey: LatchkeyFolder

  constructor(folder: string) {
    this.#folder = folder
    this.#latchkey = new LatchkeyFolder(join(folder, 'latchkey'), POLICY, CONFIGURATION)
  }

  /**
   * Registers the devices as which all clients come, to whichever server; `certified` enrols certificates for them too. The
   * other servers get a certificate of the same CA.
   */
  async enrol(certified: boolean): Promise<{ clients: Clients; server: ServerFiles }> {
    const { child } = await this.#latchkey.start()
    try {
      const input = (id: string) => ({ id, type: 'meter', attributes: { site: SITE }, clientIds: 'under' as const })
      const ids = Array.from({ length: DEVICES }, (_, index) => `meter-${index}`)
      const devices = await this.#latchkey.register(ids.map(input))
      await this.#latchkey.register([input(PEER)])
      const [own] = await this.#latchkey.certify([PEER])
      if (!own) throw new Error('no certificate was issued')
      const clients = await this.#writeClients(devices, certified ? await this.#latchkey.certify(ids) : [])
      return { clients, server: await this.#writeServer(own) }
    } finally {
      await stopProcess(child)
    }
  }

  async #writeClients(devices: readonly Device[], certified: readonly Certified[]): Promise<Clients> {
    const passwords = join(this.#folder, 'clients')
    await writeFile(passwords, devices.map(({ id, secret }) => `${id} ${secret}\n`).join(''), { mode: 0o600 })
    const certificates = join(this.#folder, 'certificates')
    await mkdir(certificates, { recursive: true })
    for (const { id, privateKey, certificate, issuer } of certified) {
      await writeFile(join(certificates, `${id}.pem`), privateKey + certificate + issuer, { mode: 0o600 })
    }
    return { devices, passwords, certificates }
  }

  async #writeServer({ privateKey, certificate, issuer, root }: Certified): Promise<ServerFiles> {
    const file = async (name: string, text: string) => {
      const path = join(this.#folder, name)
      await writeFile(path, text, { mode: 0o600 })
      return path
    }
    return {
      key: await file('server.key', privateKey),
      chain: await file('server.crt', certificate + issuer),
      root: await file('root.crt', root),
    }
  }

  async start(idle: boolean): Promise<Broker> {
    const { child, listeners } = await this.#latchkey.start(idle ? GARBAGE_OPTIONS : [], idle)
    const tls = listeners.mqtts?.port ?? 0
    return nodeBroker(child, { tcp: listeners.mqtt?.port ?? 0, tls, 'mutual-tls': tls })
  }
}
