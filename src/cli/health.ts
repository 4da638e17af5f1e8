// What `doctor` looks at. Each check answers in one sentence, and says how to mend what is wrong.

import { createSocket } from 'node:dgram'
import { readdir, stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { type Configuration, DEFAULT_COAPS } from '../config.ts'
import { formatDuration } from './duration.ts'

export type Verdict = 'ok' | 'warn' | 'fail'

export interface Finding {
  readonly check: string
  readonly verdict: Verdict
  /** What was seen. */
  readonly found: string
  /** What to do; null when nothing is to be done. */
  readonly mend: string | null
}

const DAY = 86_400_000
/** Files a little ahead of the clock are no sign of a wrong one. */
const TOLERANCE = 5 * 60_000
const PROBE_TIMEOUT = 5000
const OVER_UDP: ReadonlySet<string> = new Set(['coap', 'coaps'])

export const ok = (check: string, found: string): Finding => ({ check, verdict: 'ok', found, mend: null })
export const warn = (check: string, found: string, mend: string): Finding => ({ check, verdict: 'warn', found, mend })
export const fail = (check: string, found: string, mend: string): Finding => ({ check, verdict: 'fail', found, mend })

export function nodeVersion(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > 20 || (major === 20 && minor >= 19)) return ok('node', `Node ${version}`)
  return fail('node', `Node ${version} is too old`, 'install Node 20.19 or newer')
}

/** A clock behind what it has seen already would revive what has expired. */
export function clock(now: number, newestFile: number, highestSeen: number): Finding {
  const seen = Math.max(newestFile, highestSeen)
  const shown = new Date(now).toISOString()
  if (seen - now <= TOLERANCE) return ok('clock', `${shown}, not behind anything seen before`)
  const behind = formatDuration((seen - now) / 1000)
  return fail(
    'clock',
    `${shown} is ${behind} behind what was seen before`,
    'set the clock (NTP); logins are refused until then',
  )
}

/** The latest modification among a directory's files, ms since the epoch; 0 without any. */
export async function newestFile(directory: string): Promise<number> {
  const names = await readdir(directory, { recursive: true, encoding: 'utf8' }).catch(() => [])
  const times = names.map(name =>
    stat(join(directory, name)).then(
      found => found.mtimeMs,
      () => 0,
    ),
  )
  return Math.max(0, ...(await Promise.all(times)))
}

/** `mode` 0700 for a directory, 0600 for a file: nobody but the owner. */
export async function closedToOthers(check: string, path: string, mode: '700' | '600'): Promise<Finding> {
  const found = await stat(path).catch(() => null)
  if (found === null) return fail(check, `${path} is not there`, 'restore it from where a copy is kept')
  if (process.platform === 'win32') return ok(check, path)
  const bits = (found.mode & 0o777).toString(8)
  if (typeof process.getuid === 'function' && found.uid !== process.getuid() && process.getuid() !== 0)
    return warn(check, `${path} belongs to another user`, 'run this as the user that runs the broker')
  if ((found.mode & 0o077) !== 0)
    return fail(check, `${path} has mode ${bits}: others can get in`, `chmod ${mode} ${path}`)
  return ok(check, `${path}, mode ${bits}`)
}

export interface Expiry {
  readonly name: string
  readonly notBefore: number
  readonly notAfter: number
}

/** A third of the life left is when renewal is due; what renews itself is not warned of before. */
export function certificate({ name, notBefore, notAfter }: Expiry, now: number): Finding {
  const left = notAfter - now
  const until = new Date(notAfter).toISOString().slice(0, 10)
  if (left <= 0) return fail('certificates', `${name} expired on ${until}`, mendCertificate(name))
  const shown = `${name} is good until ${until} (${formatDuration(left / 1000)} left)`
  if (left < 30 * DAY && left < (notAfter - notBefore) / 4) return warn('certificates', shown, mendCertificate(name))
  return ok('certificates', shown)
}

const mendCertificate = (name: string): string =>
  name.startsWith('server')
    ? 'restart the broker: it renews its own certificate'
    : 'set up a new data directory in time: devices must be given the new root before the old one ends'

/** Is the port free for us? `running`: a broker of ours should hold it. */
export async function port(
  name: string,
  host: string,
  number: number,
  running: { readonly root: string } | null,
): Promise<Finding> {
  const check = 'ports'
  const where = `${name} ${host}:${number}`
  if (number === 0) return ok(check, `${name} takes any free port`)
  const problem = await (OVER_UDP.has(name) ? tryBind(host, number) : tryListen(host, number))
  if (problem === null && running === null) return ok(check, `${where} is free`)
  if (problem === null)
    return warn(
      check,
      `${where} is free although a broker runs`,
      'it may run with another configuration: give --config',
    )
  if (problem === 'EACCES')
    return fail(check, `${where} needs more rights`, 'choose a port above 1023, or allow low ports')
  if (problem === 'EADDRNOTAVAIL')
    return fail(check, `${host} is no address of this machine`, `correct listeners.${name}.host`)
  if (problem !== 'EADDRINUSE')
    return fail(check, `${where} cannot be opened (${problem})`, `correct listeners.${name}`)
  if (running === null)
    return fail(check, `${where} is taken by another program`, `stop that, or set listeners.${name}.port`)
  if (name !== 'mqtts' && name !== 'wss' && name !== 'https') return ok(check, `${where} is in use, and a broker runs`)
  const served = await servedCertificate(host, number, running.root)
  if (served === null)
    return fail(check, `${where} is taken by another program`, `stop that, or set listeners.${name}.port`)
  return ok(check, `${where} is ours`)
}

function tryListen(host: string, number: number): Promise<string | null> {
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', error => resolve('code' in error ? String(error.code) : error.message))
    server.listen({ host, port: number, exclusive: true }, () => server.close(() => resolve(null)))
  })
}

function tryBind(address: string, number: number): Promise<string | null> {
  return new Promise(resolve => {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
    socket.once('error', error => {
      socket.close()
      resolve('code' in error ? String(error.code) : error.message)
    })
    socket.bind({ address, port: number, exclusive: true }, () => socket.close(() => resolve(null)))
  })
}

/** `problem`: why the DTLS addon cannot be used; `asked`: whether the configuration names coaps. */
export function dtlsAddon(problem: string | null, asked: boolean): Finding {
  if (problem === null) return ok('dtls', 'the addon loads')
  const mend = 'install g++, make and python3 and run `node tools/build-native.mjs`; or set listeners.coaps: false'
  return asked ? fail('dtls', problem, mend) : warn('dtls', problem, mend)
}

/** The certificate that a TLS port shows, when our root signed it; null otherwise. */
export function servedCertificate(host: string, number: number, root: string): Promise<Expiry | null> {
  const address = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  return new Promise(resolve => {
    const socket = connect({ host: address, port: number, ca: root, servername: 'localhost', timeout: PROBE_TIMEOUT })
    const settle = (found: Expiry | null) => {
      socket.destroy()
      resolve(found)
    }
    socket.once('secureConnect', () => {
      const { valid_from, valid_to } = socket.getPeerCertificate()
      settle({ name: 'server certificate', notBefore: Date.parse(valid_from), notAfter: Date.parse(valid_to) })
    })
    socket.once('timeout', () => settle(null))
    socket.once('error', () => settle(null))
  })
}

/** Listeners that are on, by the configuration. */
export const listenersOf = ({ listeners }: Configuration): { name: string; host: string; port: number }[] =>
  Object.entries({ ...listeners, coaps: listeners.coaps ?? DEFAULT_COAPS }).flatMap(([name, settings]) =>
    settings === false ? [] : [{ name, ...settings }],
  )
