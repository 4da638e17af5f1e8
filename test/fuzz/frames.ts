// Where packets begin and end, by an own reading of the fixed header (MQTT 5, 2.1.4).

export interface Frame {
  readonly header: number
  readonly bytes: Buffer
  /** Behind the Remaining Length. */
  readonly body: Buffer
}

/** What stands at the end of a stream of packets. */
export type Rest =
  | { readonly state: 'whole' }
  /** `missing`: bytes until the packet is whole; 0 when its length is not known yet. `size`: of the whole packet. */
  | { readonly state: 'begun'; readonly missing: number; readonly size: number }
  /** A Remaining Length of more than four bytes. */
  | { readonly state: 'broken' }

/** Splits bytes into whole packets; `rest` says what follows the last of them. */
export function splitFrames(bytes: Buffer): { frames: Frame[]; rest: Rest; from: number } {
  const frames: Frame[] = []
  for (let at = 0; ; ) {
    if (at === bytes.length) return { frames, rest: { state: 'whole' }, from: at }
    let length = 0
    let body = at + 1
    for (let shift = 0; ; shift += 7) {
      if (shift === 28) return { frames, rest: { state: 'broken' }, from: at }
      const digit = bytes[body]
      if (digit === undefined) return { frames, rest: { state: 'begun', missing: 0, size: 0 }, from: at }
      body++
      length += (digit & 127) * 2 ** shift
      if (digit < 128) break
    }
    const end = body + length
    if (end > bytes.length)
      return { frames, rest: { state: 'begun', missing: end - bytes.length, size: end - at }, from: at }
    frames.push({ header: bytes[at] ?? 0, bytes: bytes.subarray(at, end), body: bytes.subarray(body, end) })
    at = end
  }
}

/** Packet Identifier of a packet that has one (MQTT 5, 2.2.1); 0 when it has none, or is too short. */
export function packetIdOf({ header, body }: Frame): number {
  const type = header >> 4
  const at = type === 3 ? 2 + (body.length >= 2 ? body.readUInt16BE(0) : 0) : 0
  const hasOne = type === 3 ? (header & 6) !== 0 : type >= 4 && type <= 11
  return hasOne && at + 2 <= body.length ? body.readUInt16BE(at) : 0
}

/** The packet of these bytes with a Remaining Length that is true. */
export function framed(header: number, body: Buffer): Buffer {
  const length: number[] = []
  let rest = body.length
  do {
    length.push((rest & 127) | (rest > 127 ? 128 : 0))
    rest >>= 7
  } while (rest > 0)
  return Buffer.concat([Buffer.from([header, ...length]), body])
}
