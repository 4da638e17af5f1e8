// Somebody who speaks by an OSCORE context, wherever from: the session and the observations hang on it, not on an address.

import { type CoapMessage, TYPE } from '../coap-wire/message.ts'
import { OPTION } from '../coap-wire/options.ts'
import { protectResponse, type RequestBinding } from '../coap-wire/oscore-message.ts'
import type { Log } from '../model/log.ts'
import { printable } from '../model/printable.ts'
import { asNotified } from './block2.ts'
import type { Asker } from './dispatcher.ts'
import type { Endpoint } from './endpoint.ts'
import type { ServerContext } from './oscore-contexts.ts'
import type { OscorePlaces } from './oscore-places.ts'
import type { Fate, Notification } from './resource.ts'

export interface OscorePeerParts {
  readonly context: ServerContext
  /** Unlike that of any other peer of the server. */
  readonly number: number
  readonly places: OscorePlaces
  /** Size exponent of the largest block. */
  readonly largestBlock: number
  /** Notifications that wait for a sequence number. */
  readonly outgoingQueue: number
  readonly log: Log
  /** It was of use. */
  used(): void
  /** The session has ended: nobody speaks by the context as it is. */
  closed(): void
}

/** A notification that may have to be protected once more. */
interface Pending {
  readonly notification: Notification
  /** Of the registration. */
  readonly binding: RequestBinding
}

export class OscorePeer implements Asker {
  readonly endpoint: Endpoint
  readonly #parts: OscorePeerParts
  /** Where the last request came from that was verified, and was new. */
  #outer: Asker
  /** What notifications answer (RFC 8613 7.4.1), by token as Latin-1. */
  readonly #registrations = new Map<string, RequestBinding>()
  /** Confirmable ones whose fate is open. */
  readonly #pending = new Set<Pending>()
  /** Those that wait for a sequence number. */
  readonly #waiting: Pending[] = []
  #goneListeners: (() => void)[] = []
  #isGone = false

  constructor(outer: Asker, parts: OscorePeerParts) {
    this.#parts = parts
    this.#outer = outer
    parts.places.enter(outer, this)
    const { id } = parts.context
    const place = () => this.#outer.endpoint
    this.endpoint = {
      sessionId: `oscore-${id}-${parts.number}`,
      transport: outer.endpoint.transport,
      get address() {
        return place().address
      },
      shown: { certificates: [], pskIdentity: null, oscore: id },
      reliable: false,
      send: bytes => place().send(bytes),
      close: () => parts.closed(),
    }
  }

  get name(): string {
    return this.#outer.name
  }

  get proved(): boolean {
    return this.#outer.proved
  }

  prove(): void {
    this.#outer.prove()
  }

  get isGone(): boolean {
    return this.#isGone
  }

  get isObserving(): boolean {
    return this.#registrations.size > 0
  }

  isAt(outer: Asker): boolean {
    return this.#outer === outer
  }

  /** From now on notifications go there, also those that were not acknowledged yet. */
  moveTo(outer: Asker): void {
    const before = this.#outer
    if (before === outer) return
    this.#outer = outer
    this.#parts.places.leave(before, this)
    this.#parts.places.enter(outer, this)
    const again = [...this.#pending]
    this.#pending.clear()
    for (const { notification } of again) before.withdraw(notification.token)
    for (const each of again) this.#send(each)
  }

  /** A registration was accepted. */
  observes(token: Buffer, binding: RequestBinding): void {
    this.#registrations.set(token.toString('latin1'), binding)
  }

  ignores(token: Buffer): void {
    this.#registrations.delete(token.toString('latin1'))
  }

  notify(notification: Notification): void {
    const key = notification.token.toString('latin1')
    const binding = this.#registrations.get(key)
    if (this.#isGone) return
    if (binding === undefined) {
      notification.onFate('dropped')
      return
    }
    this.#parts.used()
    // Without Observe it is the last one (RFC 7641 4.2).
    if (!notification.options.some(({ number }) => number === OPTION.Observe)) this.#registrations.delete(key)
    this.#send({ notification, binding })
  }

  withdraw(token: Buffer): void {
    this.#outer.withdraw(token)
    for (const each of this.#pending) if (each.notification.token.equals(token)) this.#pending.delete(each)
    for (let at = this.#waiting.length - 1; at >= 0; at--)
      if (this.#waiting[at]?.notification.token.equals(token)) this.#waiting.splice(at, 1)
  }

  probe(told: (isThere: boolean) => void): void {
    const outer = this.#outer
    if (outer.probe === undefined) told(true)
    // Who has moved on meanwhile was heard of.
    else outer.probe(isThere => told(isThere || this.#outer !== outer))
  }

  onGone(listener: () => void): void {
    if (this.#isGone) listener()
    else this.#goneListeners.push(listener)
  }

  /** What was given to the endpoint may still arrive. */
  gone(): void {
    if (this.#isGone) return
    this.#isGone = true
    this.#parts.places.leave(this.#outer, this)
    const listeners = this.#goneListeners
    this.#goneListeners = []
    this.#registrations.clear()
    for (const listener of listeners) {
      try {
        listener()
      } catch (error) {
        this.#parts.log.error({ cause: printable(String(error)) }, 'an OSCORE peer that left could not be cleared away')
      }
    }
  }

  // --- out ---------------------------------------------------------------------------------------------------------

  #send(pending: Pending): void {
    const { context, largestBlock, log } = this.#parts
    const sequence = this.#waiting.length > 0 ? null : context.sequence.take()
    if (sequence === null) {
      this.#wait(pending)
      return
    }
    const { notification, binding } = pending
    const { token, confirmable, state } = notification
    // Blocks are inside (RFC 8613 4.1.3.4.1): what is protected leaves in one piece.
    const { code, options = [], payload = NOTHING } = asNotified(notification, largestBlock)
    const plain = { type: TYPE.CON, messageId: 0, token, code, options, payload }
    let outside: CoapMessage
    try {
      outside = protectResponse(context.keys, plain, binding, sequence)
    } catch (error) {
      log.error({ cause: printable(String(error)) }, 'a CoAP notification could not be encoded')
      notification.onFate('dropped')
      return
    }
    if (confirmable) this.#pending.add(pending)
    const outer = this.#outer
    outer.notify({
      token,
      code: outside.code,
      options: outside.options,
      payload: outside.payload,
      confirmable,
      ...(state !== undefined && { state }),
      mayLeave: () => notification.mayLeave?.() ?? true,
      onFate: fate => {
        // Whoever is at an address that was left has nothing to say any more.
        if (this.#outer === outer) this.#settle(pending, fate)
      },
    })
  }

  #settle(pending: Pending, fate: Fate): void {
    this.#pending.delete(pending)
    const { notification } = pending
    if (fate === 'reset') this.ignores(notification.token)
    if (fate === 'timeout') this.#registrations.clear()
    notification.onFate(fate)
  }

  /** Hardly ever: numbers are reserved long before they are used up. */
  #wait(pending: Pending): void {
    const { context, outgoingQueue } = this.#parts
    this.#waiting.push(pending)
    if (this.#waiting.length > outgoingQueue) this.#waiting.shift()?.notification.onFate('dropped')
    if (this.#waiting.length > 1) return
    context.sequence.reserve().then(
      () => this.#goOn(!context.sequence.isExhausted),
      () => this.#goOn(false),
    )
  }

  #goOn(mayLeave: boolean): void {
    for (const each of this.#waiting.splice(0)) {
      if (mayLeave) this.#send(each)
      else each.notification.onFate('dropped')
    }
  }
}

const NOTHING: Buffer = Buffer.alloc(0)
