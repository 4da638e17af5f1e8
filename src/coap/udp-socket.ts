// One UDP socket: datagrams in, datagrams out, and a bound on what waits for the network. Knows nothing of what they hold.
import { lookup } from 'node:dns/promises'
import { Failure } from '../model/failure.ts'
import { listenerFailed } from '../model/listener-failed.ts'
import type { Log } from '../model/log.ts'
import { BatchingCarrier } from './batching-carrier.ts'
import { DgramCarrier } from './dgram-carrier.ts'
import { type UdpAddon, udpAddon } from './udp-addon.ts'
import {
  LONGEST_DATAGRAM,
  type UdpCarrier,
  type UdpCarrierOptions,
  type UdpDestination,
  type UdpRemote,
} from './udp-carrier.ts'

export interface UdpSocketOptions {
  /** The listener's, for what is said of failures. */
  readonly name: string
  readonly host: string
  /** 0 = any free port. */
  readonly port: number
  /** Bytes the kernel holds for us before it drops datagrams. */
  readonly receiveBufferBytes: number
  /** Bytes that wait for the network; what comes on top is dropped. */
  readonly sendQueueBytes: number
  /** Of a longer datagram it is enough to know that it is longer: it may arrive cut to one byte more. */
  readonly datagramBytes?: number
  readonly log: Log
  /** Told of datagrams that were not sent: too much waits, or the network refused it, as far as that is known. */
  readonly dropped: () => void
}

export class UdpSocket {
  readonly host: string
  readonly port: number
  readonly #carrier: UdpCarrier
  readonly #inbox: Inbox

  private constructor(host: string, carrier: UdpCarrier, inbox: Inbox) {
    this.host = host
    this.port = carrier.port
    this.#carrier = carrier
    this.#inbox = inbox
  }

  /** Throws `listener-failed`. Joins no multicast group. Datagrams go in batches where there is an addon for that. */
  static async open(options: UdpSocketOptions, addon: UdpAddon | null = udpAddon()): Promise<UdpSocket> {
    const { host, port, receiveBufferBytes, sendQueueBytes, dropped } = options
    const inbox: Inbox = { listener: () => {} }
    try {
      const { address, family } = await lookup(host)
      if (isMulticast(address))
        throw new Failure('listener-failed', 'it is a multicast address, and those are not served')
      const terms: UdpCarrierOptions = {
        address,
        family: family === 6 ? 6 : 4,
        port,
        receiveBufferBytes,
        sendQueueBytes,
        datagramBytes: Math.min(options.datagramBytes ?? LONGEST_DATAGRAM, LONGEST_DATAGRAM),
        received: (bytes, from) => inbox.listener(bytes, from),
        dropped,
      }
      const carrier = addon === null ? await DgramCarrier.open(terms) : new BatchingCarrier(addon, terms)
      options.log.debug({ listener: options.name, batches: addon !== null }, 'UDP socket opened')
      return new UdpSocket(host, carrier, inbox)
    } catch (error) {
      throw listenerFailed(options, error)
    }
  }

  /** Who is called with each datagram, which is its own to keep; nobody is after `close`. Set once, at once. */
  onMessage(listener: (bytes: Buffer, from: UdpRemote) => void): void {
    this.#inbox.listener = listener
  }

  /** Cheapest to a remote as it was told. The bytes may be used anew once it returns. */
  send(bytes: Buffer, to: UdpDestination): void {
    this.#carrier.send(bytes, to)
  }

  /** Frees the port; what was sent before leaves first. */
  async close(): Promise<void> {
    await this.#carrier.close()
  }
}

/** There before the listener is. */
interface Inbox {
  listener: (bytes: Buffer, from: UdpRemote) => void
}

const isMulticast = (address: string): boolean => {
  const [first = ''] = address.split('.', 1)
  return address.toLowerCase().startsWith('ff') || (Number(first) >= 224 && Number(first) <= 239)
}
