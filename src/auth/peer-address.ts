import { isIPv4, isIPv6 } from 'node:net'

/** A remote address as evidence holds it: IPv4 out of its IPv6 mapping, without a zone. */
export function peerAddress(remoteAddress: string): string {
  const bare = remoteAddress.split('%', 1)[0] ?? ''
  return bare.startsWith('::ffff:') && isIPv4(bare.slice(7)) ? bare.slice(7) : bare
}

/**
 * What counts as one peer for limits: an IPv4 address, or the /64 of an IPv6 address, because one subscriber holds
 * 2^64 addresses there.
 */
export function peerNetwork(address: string): string {
  if (!address.includes(':') || !isIPv6(address)) return address
  const [head = '', tail] = address.split('::')
  const groups = head === '' ? [] : head.split(':')
  if (tail !== undefined) {
    const rest = tail === '' ? [] : tail.split(':')
    while (groups.length + rest.length < 8) groups.push('0')
    groups.push(...rest)
  }
  return `${groups
    .slice(0, 4)
    .map(group => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`
}

export function isLoopback(address: string): boolean {
  return address === '::1' || address === 'localhost' || (isIPv4(address) && address.startsWith('127.'))
}
