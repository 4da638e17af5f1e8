// Numeric addresses as text and as words of 32 bits: four of IPv6, or the first alone of IPv4.

const GROUPS = 8
const MAPPED = 0xffff

/** As the system writes it (RFC 5952). */
export function addressText(words: Uint32Array, family: 4 | 6): string {
  const [first = 0, second = 0, third = 0, fourth = 0] = words
  if (family === 4) return dotted(first)
  if (first === 0 && second === 0 && third === MAPPED) return `::ffff:${dotted(fourth)}`
  const groups = [first, second, third, fourth].flatMap(word => [word >>> 16, word & 0xffff])
  const { at, length } = longestZeros(groups)
  const text = (part: readonly number[]) => part.map(group => group.toString(16)).join(':')
  return length < 2 ? text(groups) : `${text(groups.slice(0, at))}::${text(groups.slice(at + length))}`
}

/** IPv4 in an IPv6 socket is mapped. Zeros, which nobody has, for what is no address of the family. */
export function addressWords(address: string, family: 4 | 6): Uint32Array {
  const words = new Uint32Array(4)
  if (!address.includes(':')) {
    const number = octets(address)
    if (number === null) return words
    if (family === 4) words[0] = number
    else words.set([0, 0, MAPPED, number])
    return words
  }
  const groups = family === 6 ? groupsOf(address) : null
  groups?.forEach((group, at) => {
    words[at >> 1]! |= at % 2 === 0 ? group << 16 : group
  })
  return words
}

const dotted = (word: number) => `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`

function octets(text: string): number | null {
  const parts = text.split('.').map(Number)
  if (parts.length !== 4 || parts.some(part => !(part >= 0 && part <= 255))) return null
  return parts.reduce((word, part) => word * 256 + part, 0)
}

function groupsOf(address: string): number[] | null {
  const [head = '', tail, ...more] = address.split('::')
  const [front, back] = [listed(head), listed(tail ?? '')]
  const missing = GROUPS - front.length - back.length
  if (more.length > 0 || missing < 0 || (tail === undefined && missing > 0)) return null
  const groups = [...front, ...Array<number>(missing).fill(0), ...back]
  return groups.every(group => group >= 0 && group <= 0xffff) ? groups : null
}

/** Groups of hexadecimal digits, the last two perhaps as IPv4. */
function listed(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap(group => {
    if (!group.includes('.')) return /^[0-9a-f]{1,4}$/i.test(group) ? [Number.parseInt(group, 16)] : [-1]
    const number = octets(group)
    return number === null ? [-1] : [number >>> 16, number & 0xffff]
  })
}

function longestZeros(groups: readonly number[]): { at: number; length: number } {
  let best = { at: 0, length: 0 }
  for (let at = 0; at < groups.length; at += 1) {
    let end = at
    while (groups[end] === 0) end += 1
    if (end - at > best.length) best = { at, length: end - at }
    at = end
  }
  return best
}
