// Which options OSCORE encrypts, and which it leaves for those in between (RFC 8613 4.1, figure 5).
import type { CoapOption } from './message.ts'
import { OPTION } from './options.ts'

/**
 * `E`: encrypted and authenticated; one that comes outside is discarded. `U`: for intermediaries, unprotected. `EU`: what
 * matters is inside, and an outer one of its own may stand beside it, which the other end discards (RFC 8613 4.1.3).
 */
export type OptionClass = 'E' | 'U' | 'EU'

const CLASSES: ReadonlyMap<number, OptionClass> = new Map<number, OptionClass>([
  [OPTION.IfMatch, 'E'],
  [OPTION.UriHost, 'U'],
  [OPTION.ETag, 'E'],
  [OPTION.IfNoneMatch, 'E'],
  [OPTION.Observe, 'EU'],
  [OPTION.UriPort, 'U'],
  [OPTION.LocationPath, 'E'],
  [OPTION.OSCORE, 'U'],
  [OPTION.UriPath, 'E'],
  [OPTION.ContentFormat, 'E'],
  [OPTION.MaxAge, 'EU'],
  [OPTION.UriQuery, 'E'],
  [OPTION.HopLimit, 'U'], // RFC 8768 3
  [OPTION.Accept, 'E'],
  [OPTION.LocationQuery, 'E'],
  [OPTION.Block2, 'EU'],
  [OPTION.Block1, 'EU'],
  [OPTION.Size2, 'EU'],
  [OPTION.ProxyUri, 'U'],
  [OPTION.ProxyScheme, 'U'],
  [OPTION.Size1, 'EU'],
  [OPTION.Echo, 'EU'], // RFC 9175 2.2.1
  [OPTION.NoResponse, 'EU'],
  [OPTION.RequestTag, 'EU'], // RFC 9175 3.2.1
])

/** RFC 8613 4.1: options that nobody classified are class E. */
export const classOf = (number: number): OptionClass => CLASSES.get(number) ?? 'E'

export interface SplitOptions {
  readonly inner: readonly CoapOption[]
  readonly outer: readonly CoapOption[]
}

/** Of a message that is to be protected. `EU` options go inside; Observe is dealt with by whoever protects. */
export function splitOptions(options: readonly CoapOption[]): SplitOptions {
  const inner: CoapOption[] = []
  const outer: CoapOption[] = []
  for (const option of options) {
    if (option.number === OPTION.OSCORE) continue
    if (option.number === OPTION.ProxyUri) {
      for (const part of partsOfProxyUri(option.value)) (classOf(part.number) === 'U' ? outer : inner).push(part)
    } else (classOf(option.number) === 'U' ? outer : inner).push(option)
  }
  return { inner: inOrder(inner), outer: inOrder(outer) }
}

/** What counts of a message that was verified: all from inside, and from outside what is class U alone (RFC 8613 8.2, 8.4). */
export function joinOptions(inner: readonly CoapOption[], outer: readonly CoapOption[]): readonly CoapOption[] {
  const kept = outer.filter(
    ({ number }) =>
      number !== OPTION.OSCORE && classOf(number) === 'U' && !inner.some(option => option.number === number),
  )
  const protectedOnes = inner.some(({ number }) => number === OPTION.OSCORE)
    ? inner.filter(({ number }) => number !== OPTION.OSCORE)
    : inner
  return kept.length === 0 ? protectedOnes : inOrder([...protectedOnes, ...kept])
}

/** Ascending; those with equal numbers as they came. */
export const inOrder = (options: readonly CoapOption[]): CoapOption[] =>
  [...options].sort((one, other) => one.number - other.number)

/** RFC 8613 4.1.3.3: a proxy is told the server, and nobody the path. Throws RangeError for what is no absolute URI. */
function partsOfProxyUri(value: Buffer): CoapOption[] {
  const text = value.toString()
  if (!URL.canParse(text)) throw new RangeError('the Proxy-Uri is no absolute URI')
  const { protocol, hostname, port, pathname, search } = new URL(text)
  const option = (number: number, part: string): CoapOption => ({ number, value: Buffer.from(part) })
  const segments = pathname === '' || pathname === '/' ? [] : pathname.slice(1).split('/')
  return [
    option(OPTION.UriHost, hostname),
    ...(port === '' ? [] : [{ number: OPTION.UriPort, value: portValue(Number(port)) }]),
    option(OPTION.ProxyScheme, protocol.slice(0, -1)),
    ...segments.map(segment => option(OPTION.UriPath, decodeURIComponent(segment))),
    ...(search.length > 1
      ? search
          .slice(1)
          .split('&')
          .map(part => option(OPTION.UriQuery, decodeURIComponent(part)))
      : []),
  ]
}

const portValue = (port: number): Buffer => Buffer.from(port < 0x100 ? [port] : [port >> 8, port & 0xff])
