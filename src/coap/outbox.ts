// What leaves for a peer without being asked at that moment: notifications (RFC 7641) and separate responses.
import { type MessageType, TYPE } from '../coap-wire/message.ts'
import { printable } from '../model/printable.ts'
import { asNotified } from './block2.ts'
import type { MessageContext } from './message-context.ts'
import { emptyMessage } from './rejection.ts'
import type { Fate, Notification, Response } from './resource.ts'
import { type Confirmable, type Line, Retransmission } from './retransmission.ts'
import { SentNotifications } from './sent-notifications.ts'

/** No token that is written in Latin-1: nobody can withdraw it. */
const PING = '\u2026'

/** The side of the peer. */
export interface OutboxLine extends Line {
  /** The largest size exponent whose blocks fit through. */
  readonly largestBlock: number
  notification(type: MessageType, messageId: number, token: Buffer, response: Response): Buffer
}

export class Outbox {
  readonly #context: MessageContext
  readonly #line: OutboxLine
  #confirmable: Retransmission | null = null
  #sent: SentNotifications | null = null

  constructor(context: MessageContext, line: OutboxLine) {
    this.#context = context
    this.#line = line
  }

  notify(notification: Notification): void {
    const { limits, counters } = this.#context
    const response = asNotified(notification, this.#line.largestBlock)
    if (response.payload !== undefined && response.payload.length > limits.messageBytes) {
      counters.dropped('size')
      this.tell(notification, 'dropped')
    } else if (notification.confirmable) this.#queue(notification, response)
    else this.#sendNow(notification, response)
  }

  /** `datagram` makes the response under a message id. */
  respond(token: Buffer, datagram: (messageId: number) => Buffer): void {
    this.#retransmission.respond({
      token: token.toString('latin1'),
      state: false,
      mayLeave: () => true,
      datagram,
      settle: () => {},
    })
  }

  /** A ping: whoever resets it is there (RFC 7252 4.3). It waits for its turn like anything confirmable. */
  probe(told: (isThere: boolean) => void): void {
    this.#retransmission.respond({
      token: PING,
      state: false,
      mayLeave: () => true,
      datagram: messageId => emptyMessage(TYPE.CON, messageId),
      settle: fate => told(fate !== 'timeout'),
    })
  }

  withdraw(token: Buffer): void {
    this.#confirmable?.withdraw(token.toString('latin1'))
  }

  acknowledged(messageId: number): void {
    this.#confirmable?.acknowledged(messageId)
  }

  reset(messageId: number): void {
    if (this.#confirmable?.reset(messageId)) return
    const onFate = this.#sent?.take(messageId)
    if (onFate) this.tell({ onFate }, 'reset')
  }

  close(): void {
    this.#confirmable?.close()
  }

  get #retransmission(): Retransmission {
    this.#confirmable ??= new Retransmission(this.#context, this.#line)
    return this.#confirmable
  }

  #queue(notification: Notification, response: Response): void {
    this.#retransmission.notify(new Unacknowledged(this, this.#line, notification, response))
  }

  #sendNow(notification: Notification, response: Response): void {
    if (!this.mayLeave(notification)) {
      this.tell(notification, 'dropped')
      return
    }
    const messageId = this.#line.nextMessageId()
    this.#sent ??= new SentNotifications(this.#context.limits.rememberedNotifications)
    this.#sent.remember(messageId, notification.onFate)
    this.#line.send(this.#line.notification(TYPE.NON, messageId, notification.token, response))
    this.tell(notification, 'sent')
  }

  // Whoever fails here must stop neither the timers of all peers nor the answers to others.

  mayLeave(notification: Notification): boolean {
    try {
      return notification.mayLeave?.() ?? true
    } catch (error) {
      this.#context.log.error({ cause: printable(String(error)) }, 'whether a notification may leave could not be told')
      return false
    }
  }

  tell(notification: Pick<Notification, 'onFate'>, fate: Fate): void {
    try {
      notification.onFate(fate)
    } catch (error) {
      this.#context.log.error({ cause: printable(String(error)) }, 'the fate of a notification could not be told')
    }
  }
}

/** A confirmable notification until its fate is known: one object, since fan-outs make very many. */
class Unacknowledged implements Confirmable {
  readonly #outbox: Outbox
  readonly #line: OutboxLine
  readonly #notification: Notification
  readonly #response: Response

  constructor(outbox: Outbox, line: OutboxLine, notification: Notification, response: Response) {
    this.#outbox = outbox
    this.#line = line
    this.#notification = notification
    this.#response = response
  }

  get token(): string {
    return this.#notification.token.toString('latin1')
  }

  get state(): boolean {
    return this.#notification.state === true
  }

  mayLeave(): boolean {
    return this.#outbox.mayLeave(this.#notification)
  }

  datagram(messageId: number): Buffer {
    return this.#line.notification(TYPE.CON, messageId, this.#notification.token, this.#response)
  }

  settle(fate: Fate): void {
    this.#outbox.tell(this.#notification, fate)
  }
}
