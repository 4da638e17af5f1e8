// A UDP socket that speaks OSCORE (RFC 8613) for the `coap` package, which knows nothing of it.
import type { Socket } from 'node:dgram'
import { EventEmitter } from 'node:events'
import { CODE, codeClass } from '../../src/coap-wire/codes.ts'
import { decode, isMalformed } from '../../src/coap-wire/decode.ts'
import { OPTION, optionOf } from '../../src/coap-wire/options.ts'
import type { OscoreContext } from '../../src/coap-wire/oscore-client.ts'
import { OscoreDatagrams } from '../../src/coap-wire/oscore-datagrams.ts'
import { connectUdp, type DatagramSocket, type Sent, type SocketEvents } from './datagram-socket.ts'
import { type Endpoint, LinkClosed } from './link.ts'

const SUCCESS = codeClass(CODE.Content)

export class OscoreSocket extends EventEmitter<SocketEvents> implements DatagramSocket {
  readonly #udp: Socket
  readonly #datagrams: OscoreDatagrams
  #isClosing = false

  private constructor(udp: Socket, context: OscoreContext) {
    super()
    this.#udp = udp
    this.#datagrams = new OscoreDatagrams(context)
    udp.on('error', error => this.#fail(error))
    udp.on('message', (bytes, from) => {
      const arrived = this.#datagrams.unprotect(bytes)
      if (typeof arrived === 'string' || (!arrived.isProtected && isForged(bytes))) return
      this.emit('message', arrived.bytes, from)
    })
  }

  /** Opens no session: the first request tells whether the broker knows the context. */
  static async open(endpoint: Endpoint, context: OscoreContext, signal: AbortSignal): Promise<OscoreSocket> {
    return new OscoreSocket(await connectUdp(endpoint, signal), context)
  }

  address(): { readonly address: string; readonly port: number } {
    return this.#udp.address()
  }

  send(bytes: Buffer, offset: number, length: number, _port: number, _host: string, sent: Sent): void {
    let failure: Error | null = null
    try {
      const datagram = this.#datagrams.protect(bytes.subarray(offset, offset + length))
      this.#udp.send(datagram, error => {
        if (error) this.#fail(error)
      })
    } catch (error) {
      failure = error instanceof Error ? error : new Error(String(error))
    }
    process.nextTick(sent, failure)
  }

  close(closed: () => void): void {
    this.#isClosing = true
    this.#udp.close(closed)
  }

  #fail(error: Error): void {
    if (!this.#isClosing) this.emit('error', new LinkClosed(`the broker is not reached: ${error.message}`))
  }
}

/**
 * A success that nothing protects. Errors may come so: whoever could not read a request cannot protect the answer. Somebody
 * in between could send them too, and gains no more by it than by holding back what he sees.
 */
function isForged(bytes: Buffer): boolean {
  const message = decode(bytes)
  if (message === null || isMalformed(message)) return false
  return codeClass(message.code) === SUCCESS && optionOf(message, OPTION.OSCORE) === null
}
