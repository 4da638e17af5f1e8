// What must be known of a ClientHello before there is any state for its sender.

/** RFC 6347 4.1 and 4.2.2: lengths of the headers of a record and of a handshake message. */
const RECORD_HEADER = 13
const HANDSHAKE_HEADER = 12
const HANDSHAKE = 22
const CLIENT_HELLO = 1
const DTLS_MAJOR = 0xfe
const RANDOM = 32

export interface ClientHello {
  /** As latin1, to be compared. */
  readonly random: string
  readonly hasCookie: boolean
}

/** The unprotected ClientHello that begins a datagram; undefined for everything else, a later fragment of one included. */
export function readClientHello(datagram: Buffer): ClientHello | undefined {
  const version = RECORD_HEADER + HANDSHAKE_HEADER
  const random = version + 2
  const sessionId = random + RANDOM
  if (datagram.length < sessionId + 2) return undefined
  if (datagram[0] !== HANDSHAKE || datagram[1] !== DTLS_MAJOR || datagram[version] !== DTLS_MAJOR) return undefined
  if (datagram.readUInt16BE(3) !== 0 || datagram[RECORD_HEADER] !== CLIENT_HELLO) return undefined
  const fragmentOffset = datagram.readUIntBE(RECORD_HEADER + 6, 3)
  if (fragmentOffset !== 0) return undefined
  const cookie = sessionId + 1 + datagram[sessionId]!
  if (cookie >= datagram.length) return undefined
  return { random: datagram.toString('latin1', random, sessionId), hasCookie: datagram[cookie]! > 0 }
}
