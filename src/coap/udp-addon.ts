// Finds the addon of native/udp and knows its surface, which is memory as much as functions: native/udp/limits.h has the same
// numbers. It saves time and nothing else, so its absence is no failure.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/** Another binary in place of the built one (that with AddressSanitizer, for example); `none` has node:dgram serve. */
export const OVERRIDE = 'LATCHKEY_UDP_ADDON'

/** Datagrams of one system call. */
export const BATCH = 64
/** Words of 32 bits that say where a datagram comes from or goes to; of an address four (IPv6), or the first alone (IPv4). */
export const PLACE = { words: 10, port: 0, scope: 1, peer: 2, own: 6 } as const
export const ADDRESS_WORDS = 4
/** What is told of each datagram received. */
export const RECEIVED = { words: 12, offset: 0, bytes: 1, place: 2 } as const
/** Outgoing memory: words in use, datagrams the network refused; then datagrams, each behind a head. */
export const OUTGOING = { used: 0, refused: 1, prelude: 4 } as const
export const SENT = { words: 11, bytes: 0, place: 1 } as const

export interface NativeSocketOptions {
  /** Numeric. */
  readonly address: string
  readonly port: number
  readonly receiveBuffer: number
  /** Bytes of a datagram that are received; what is longer arrives cut. */
  readonly datagram: number
  /** BATCH datagrams. */
  readonly incoming: Uint8Array
  /** BATCH times RECEIVED.words. */
  readonly heads: Uint32Array
  readonly outgoing: Uint32Array
}

export interface NativeSocket {
  port(): number
  /** Sends what waits; it does so by itself at the end of each turn of the event loop. */
  flush(): void
  /** Sends what waits, and frees the port. */
  close(): void
}

export interface UdpAddon {
  /** Throws an error with the system's code. */
  readonly Socket: new (
    options: NativeSocketOptions,
    deliver: (count: number) => void,
  ) => NativeSocket
}

let found: UdpAddon | null | undefined

/** Null where it was not built, is not what it is recorded to be, or is not wanted. */
export function udpAddon(): UdpAddon | null {
  if (found === undefined) found = findUdpAddon(packageRoot(import.meta.dirname), process.env[OVERRIDE])
  return found
}

/** As `udpAddon`, below a root of the caller's choice and without remembering. */
export function findUdpAddon(root: string, override?: string): UdpAddon | null {
  if (override === 'none') return null
  const path = override ?? [join(root, 'native/udp/build/udp.node'), ...prebuilt(root)].find(existsSync)
  if (path === undefined) return null
  try {
    return createRequire(join(root, 'package.json'))(path) as UdpAddon
  } catch (error) {
    // Asked for by name, it must not be missing in silence.
    if (override !== undefined) throw error
    return null
  }
}

/** A binary that came with the package is loaded only when its digest is the recorded one. */
function prebuilt(root: string): string[] {
  const machine = `${process.platform}-${process.arch}`
  const path = join(root, 'prebuilds', machine, 'udp.node')
  const list = join(root, 'prebuilds', 'hashes.json')
  if (!existsSync(path) || !existsSync(list)) return []
  const recorded: unknown = new Map(Object.entries(JSON.parse(readFileSync(list, 'utf8')))).get(`${machine}/udp`)
  return recorded === createHash('sha256').update(readFileSync(path)).digest('hex') ? [path] : []
}

/** The folder above that holds package.json, from src/ as from dist/src/. */
function packageRoot(from: string): string {
  for (let folder = from; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder
    if (folder === dirname(folder)) return from
  }
}
