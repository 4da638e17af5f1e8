// Latchkey as users run it: the built program with a policy and devices, a process of its own.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { makeKeyAndRequest } from '../../src/cli/key-and-request.ts'
import type { ConfigurationInput } from '../../src/config.ts'
import { callJson } from '../fixtures/https-json.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))
/** Devices that are registered at the same time. */
const CROWD = 8

export interface Started {
  readonly child: ChildProcess
  readonly pid: number
  readonly listeners: Readonly<Record<string, { readonly port: number }>>
}

export interface Device {
  readonly id: string
  readonly secret: string
}

/** A device's pre-shared key, in hexadecimal. */
export interface PreShared {
  readonly identity: string
  readonly key: string
}

/** A device's key and its certificate of the broker's CA; all PEM. */
export interface Certified {
  readonly id: string
  readonly privateKey: string
  readonly certificate: string
  readonly issuer: string
  readonly root: string
}

/** What the registry is told of a device. */
export interface DeviceInput {
  readonly id: string
  readonly type: string
  readonly attributes: Readonly<Record<string, string>>
  readonly clientIds?: 'own' | 'under'
}

/** Data, policy and configuration in one folder; each start goes on with the data of the one before. */
export class LatchkeyFolder {
  readonly #folder: string
  readonly #policy: string
  readonly #configuration: Omit<ConfigurationInput, 'data' | 'policy'>

  constructor(folder: string, policy: string, configuration: Omit<ConfigurationInput, 'data' | 'policy'>) {
    this.#folder = folder
    this.#policy = policy
    this.#configuration = configuration
  }

  /** `nodeOptions` go before the program. With `channel`, its parent can send to it. */
  async start(
    nodeOptions: readonly string[] = [],
    channel = false,
    environment: Readonly<Record<string, string>> = {},
  ): Promise<Started> {
    const policy = join(this.#folder, 'policy.yaml')
    const file = join(this.#folder, 'latchkey.json')
    await mkdir(this.#folder, { recursive: true })
    await writeFile(policy, this.#policy)
    const whole = { ...this.#configuration, data: join(this.#folder, 'data'), policy: { files: [policy] } }
    // JSON is YAML.
    await writeFile(file, JSON.stringify(whole))
    const args = [...nodeOptions, MAIN, 'serve', '--config', file, '--json']
    const child = spawn(process.execPath, args, {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe', ...(channel ? (['ipc'] as const) : [])],
    })
    let log = ''
    child.stderr?.on('data', part => {
      log = (log + part).slice(-10_000)
    })
    const { listeners } = await new Promise<Pick<Started, 'listeners'>>((resolve, reject) => {
      child.stdout?.once('data', line => resolve(JSON.parse(line)))
      child.once('error', reject)
      child.once('exit', code => reject(new Error(`latchkey serve ended with ${code}: ${log}`)))
    })
    return { child, pid: child.pid ?? 0, listeners }
  }

  /** Registers devices over the API of the running broker; each gets a secret. */
  async register(devices: readonly DeviceInput[]): Promise<Device[]> {
    const call = await this.#operator()
    return inCrowds(devices, async device => {
      await call('/v1/devices', device)
      const { secret } = await call('/v1/credentials', { owner: device.id, kind: 'secret', audience: 'mqtt' })
      return { id: device.id, secret: String(secret) }
    })
  }

  /** Makes a pre-shared key for each of these devices. */
  async preShare(devices: readonly string[]): Promise<PreShared[]> {
    const call = await this.#operator()
    return inCrowds(devices, async owner => {
      const { psk } = await call('/v1/credentials', { owner, kind: 'psk' })
      return psk as PreShared
    })
  }

  /** Enrols a certificate for each of these devices. */
  async certify(devices: readonly string[]): Promise<Certified[]> {
    const call = await this.#operator()
    return inCrowds(devices, async id => {
      const { privateKey, request } = await makeKeyAndRequest(id)
      const { certificate, chain } = await call('/v1/credentials', { owner: id, kind: 'x509', csr: request })
      const [issuer = '', root = ''] = String(chain).match(/-----BEGIN[\s\S]*?-----END CERTIFICATE-----\n/g) ?? []
      return { id, privateKey, certificate: String(certificate), issuer, root }
    })
  }

  /** POST as the operator whom the running broker has made. */
  async #operator(): Promise<(path: string, body: unknown) => Promise<Readonly<Record<string, unknown>>>> {
    const { url, token, ca } = JSON.parse(await readFile(join(this.#folder, 'data/operator.json'), 'utf8')) as {
      url: string
      token: string
      ca: string
    }
    return async (path, body) => {
      const reply = await callJson(`${url}${path}`, { method: 'POST', ca, token, body })
      if (reply.status >= 400) throw new Error(`POST ${path}: ${reply.status} ${JSON.stringify(reply.body)}`)
      return reply.body
    }
  }
}

/** In the same order, a few at the same time. */
async function inCrowds<T, R>(all: readonly T[], work: (one: T) => Promise<R>): Promise<R[]> {
  const done: R[] = []
  while (done.length < all.length) {
    done.push(...(await Promise.all(all.slice(done.length, done.length + CROWD).map(work))))
  }
  return done
}
