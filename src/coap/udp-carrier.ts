// What moves the datagrams of a UDP socket: node:dgram everywhere, or a native one in batches where it was built.

/** RFC 768, less the headers: no datagram is longer. */
export const LONGEST_DATAGRAM = 65_507

/** Where a datagram goes. */
export interface UdpDestination {
  /** Numeric. */
  readonly address: string
  readonly port: number
}

/** Who sent a datagram. */
export interface UdpRemote extends UdpDestination {
  /** Unlike that of any other; with which of our addresses it speaks, where there may be several. */
  readonly name: string
}

export interface UdpCarrierOptions {
  /** Numeric. */
  readonly address: string
  readonly family: 4 | 6
  /** 0 = any free port. */
  readonly port: number
  /** Bytes the kernel holds for us before it drops datagrams. */
  readonly receiveBufferBytes: number
  /** Bytes that wait for the network; what comes on top is dropped. */
  readonly sendQueueBytes: number
  /** Bytes of a datagram that are of use: of a longer one at least one more arrives, and perhaps no more. */
  readonly datagramBytes: number
  /** Each datagram is the receiver's to keep. */
  readonly received: (bytes: Buffer, from: UdpRemote) => void
  /** Told of datagrams that were not sent: too much waits, or the network refused it, as far as that is known. */
  readonly dropped: () => void
}

export interface UdpCarrier {
  readonly port: number
  /** The bytes may be used anew once it returns. */
  send(bytes: Buffer, to: UdpDestination): void
  /** What was sent before leaves first; nothing is received afterwards, and the port is free when it resolves. */
  close(): Promise<void>
}
