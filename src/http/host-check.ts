// DNS rebinding: a page of a hostile site may make a browser call this listener under its own name. Only names that are
// ours are answered.
import { isIP } from 'node:net'
import { peerAddress } from '../auth/peer-address.ts'

const LOOPBACK_NAMES = ['localhost', '127.0.0.1', '::1']

/**
 * Returns a check for the Host header (RFC 9110 7.2), port and all. `names` are the configured names of this broker;
 * loopback names and the address that the connection came in on are always ours.
 */
export function hostCheck(
  names: readonly string[],
): (host: string | undefined, localAddress: string | undefined) => boolean {
  const known = new Set([...LOOPBACK_NAMES, ...names.map(name => name.toLowerCase())])
  return (host, localAddress) => {
    const name = host === undefined ? null : hostName(host)
    if (name === null) return false
    return known.has(name) || (isIP(name) !== 0 && name === peerAddress(localAddress ?? ''))
  }
}

/** The name of a Host header without its port; null when it is malformed. */
function hostName(host: string): string | null {
  const match = /^(?:\[([0-9a-f:.]{2,45})\]|([a-z0-9._-]{1,255}))(?::\d{1,5})?$/i.exec(host)
  if (!match) return null
  const name = (match[1] ?? match[2] ?? '').toLowerCase()
  return name.endsWith('.') ? name.slice(0, -1) : name
}
