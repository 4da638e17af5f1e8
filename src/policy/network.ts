import { isIPv4, isIPv6 } from 'node:net'

/** A block of addresses, as in CIDR notation (RFC 4632, RFC 4291 2.3). */
export interface Network {
  readonly text: string
  readonly family: 4 | 6
  readonly prefix: number
  /** The bits of the address above the prefix, shifted down. */
  readonly bits: bigint
}

interface Address {
  readonly family: 4 | 6
  readonly bits: bigint
}

const MAPPED = 0xffffn // ::ffff:0:0/96 (RFC 4291 2.5.5.2)
const width = (family: 4 | 6): number => (family === 4 ? 32 : 128)

/** Parses `10.0.0.0/8`, `fd00::/8` or a single address; or says what is wrong with it. */
export function parseNetwork(text: string): Network | { readonly problem: string } {
  const slash = text.indexOf('/')
  const address = parseBits(slash < 0 ? text : text.slice(0, slash))
  if (!address) return { problem: 'is not an IP network; write for example 192.168.1.0/24 or fd00::/8' }
  const digits = slash < 0 ? String(width(address.family)) : text.slice(slash + 1)
  const prefix = /^\d{1,3}$/.test(digits) ? Number(digits) : Number.NaN
  if (!(prefix <= width(address.family))) {
    return { problem: `has the prefix length "${digits.slice(0, 20)}"; it must be 0 to ${width(address.family)}` }
  }
  const host = BigInt(width(address.family) - prefix)
  if ((address.bits >> host) << host !== address.bits) {
    return {
      problem: `has bits beyond its prefix length; name the network's first address, or use /${width(address.family)}`,
    }
  }
  if (address.family === 6 && prefix >= 96 && address.bits >> 32n === MAPPED) {
    return { text, family: 4, prefix: prefix - 96, bits: (address.bits & 0xffffffffn) >> host }
  }
  return { text, family: address.family, prefix, bits: address.bits >> host }
}

/** Whether an address lies in a network; null when the text is no IP address. IPv4-mapped IPv6 counts as IPv4. */
export function isInside(network: Network, text: string): boolean | null {
  const address = parseAddress(text)
  if (!address) return null
  if (address.family !== network.family) return false
  return address.bits >> BigInt(width(network.family) - network.prefix) === network.bits
}

function parseAddress(text: string): Address | null {
  const zone = text.indexOf('%')
  const address = parseBits(zone < 0 ? text : text.slice(0, zone))
  if (address?.family === 6 && address.bits >> 32n === MAPPED) return { family: 4, bits: address.bits & 0xffffffffn }
  return address
}

function parseBits(text: string): Address | null {
  if (isIPv4(text)) return { family: 4, bits: join(text.split('.').map(Number), 8n) }
  if (!isIPv6(text) || text.includes('%')) return null
  const [head = '', tail] = text.split('::')
  const left = groups(head)
  const right = tail === undefined ? [] : groups(tail)
  const zeros = Array<number>(8 - left.length - right.length).fill(0)
  return { family: 6, bits: join([...left, ...zeros, ...right], 16n) }
}

/** 16-bit groups of one side of `::`; a dotted quad at the end counts as two. */
function groups(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap(group => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)]
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number)
    return [a * 256 + b, c * 256 + d]
  })
}

function join(parts: readonly number[], bits: bigint): bigint {
  return parts.reduce((sum, part) => (sum << bits) | BigInt(part), 0n)
}
