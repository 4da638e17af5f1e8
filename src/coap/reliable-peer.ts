// One peer over a connection (RFC 8323): nothing is lost, repeated or reordered there, so that messages have neither type
// nor id. What requests mean is the dispatcher's.
import { CODE, codeClass, isRequest } from '../coap-wire/codes.ts'
import type { FramedMessage } from '../coap-wire/frame.ts'
import { type CoapMessage, type CoapOption, TYPE } from '../coap-wire/message.ts'
import { OPTION, optionOf } from '../coap-wire/options.ts'
import { abort, type Capabilities, csm, ping, pong, release, type Signal } from '../coap-wire/signalling.ts'
import { printable } from '../model/printable.ts'
import { type BlockTerms, termsFor } from './block-terms.ts'
import { blockBytes, blockOfAnswer, needsBlocks } from './block2.ts'
import type { Asker } from './dispatcher.ts'
import { hasShown } from './endpoint.ts'
import type { MessageContext } from './message-context.ts'
import type { Notification, Response } from './resource.ts'
import { Signals } from './signals.ts'
import type { StreamContext, StreamEnding } from './stream-context.ts'
import { type Connection, StreamEndpoint } from './stream-endpoint.ts'
import { StreamHealth } from './stream-health.ts'
import { StreamIntake } from './stream-intake.ts'
import { StreamOutbox } from './stream-outbox.ts'
import { TokenBucket } from './token-bucket.ts'

/** Milliseconds for which a connection is not read that has asked far more than it may. */
const PENANCE = 100
const NOTHING: Buffer = Buffer.alloc(0)
/** RFC 8323 7.1: the order is that of the connection, so that the number may be left out. */
const OBSERVE: CoapOption = { number: OPTION.Observe, value: NOTHING }

export class ReliablePeer implements Asker {
  readonly endpoint: StreamEndpoint
  readonly name: string
  /** A connection proves the address that it comes from. */
  readonly proved = true

  readonly #context: MessageContext
  readonly #streams: StreamContext
  readonly #connection: Connection
  readonly #outbox: StreamOutbox
  readonly #health: StreamHealth
  readonly #signals = new Signals()
  readonly #intake: StreamIntake
  readonly #bucket: TokenBucket
  /** Requests that are being answered. */
  readonly #underWay = new Set<Promise<void>>()
  #goneListeners: (() => void)[] = []
  #isAdmitted = false
  /** Nothing of the peer is taken any more. */
  #isOver = false
  #isGone = false

  constructor(context: MessageContext, streams: StreamContext, connection: Connection, id: string) {
    const { limits, clock, log, wheel } = context
    const { stream, framing, address } = connection
    this.#context = context
    this.#streams = streams
    this.#connection = connection
    this.name = `${address} ${id}`
    this.endpoint = new StreamEndpoint(connection, id, this.#signals, {
      send: bytes => this.#outbox.send(bytes, true),
      close: () => this.end('ended', abort('the session has ended')),
    })
    this.#outbox = new StreamOutbox({
      stream,
      keepsMessages: framing.keepsMessages,
      limits,
      streams,
      log,
      dropped: () => context.counters.dropped('queue'),
      relieved: () => this.#intake.unhinder('backlog'),
    })
    this.#intake = new StreamIntake(
      { stream, framing, limits, streams },
      {
        take: message => this.#take(message),
        fault: fault => this.end(fault, abort(DIAGNOSTICS[fault] ?? fault)),
        failed: error => this.#failed(error),
      },
    )
    this.#bucket = new TokenBucket(limits, clock.now())
    this.#health = new StreamHealth(
      { limits, clock, wheel },
      {
        ping: token => this.#say(ping(token)),
        end: reason => this.end(reason, reason === 'idle' ? release('idle') : abort(DIAGNOSTICS[reason] ?? reason)),
        isWaitingForUs: () => this.#intake.isHinderedBy('in-flight') || this.#intake.isHinderedBy('admission'),
      },
    )
    stream.on('data', (chunk: Buffer) => this.#received(chunk))
    stream.on('close', () => this.#closed())
  }

  /** Begins: at once, or when the door has said whom the connection proves. */
  async open(): Promise<void> {
    if (hasShown(this.endpoint.shown)) {
      this.#intake.hinder('admission')
      await this.#context.admit(this)
      if (this.#isOver) return
      this.#letIn()
    }
    this.#sayWhatWeCan()
    this.#intake.unhinder('admission')
  }

  // --- out --------------------------------------------------------------------------------------------------------------

  prove(): void {}

  notify(notification: Notification): void {
    if (this.#isOver) return
    const { largest, room } = this.#blocksOf(notification)
    const isLong = needsBlocks(notification, largest, room)
    const response = isLong ? blockOfAnswer(notification, null, largest, room) : notification
    this.#outbox.notify(notification, this.#encode(notification.token, response), codeClass(response.code) === 2)
  }

  /** The observer may have asked for small blocks (RFC 7959 2.6); else it gets what it can take. */
  #blocksOf({ sizeExponent }: Notification): BlockTerms {
    const { largestBlock } = this.#context.dispatcher
    if (sizeExponent !== undefined && sizeExponent < largestBlock)
      return { largest: sizeExponent, room: blockBytes(sizeExponent) }
    return termsFor(this.endpoint, largestBlock)
  }

  withdraw(token: Buffer): void {
    this.#outbox.withdraw(token)
  }

  onGone(listener: () => void): void {
    this.#goneListeners.push(listener)
  }

  /** The last words, and then the end of the connection; of what waits, nothing leaves that gives something away. */
  end(reason: StreamEnding, lastWords: FramedMessage): void {
    if (this.#isOver) return
    this.#stop(reason)
    this.#outbox.end(this.#connection.framing.encode(lastWords))
    this.#destroyAfter(this.#context.limits.lingerTimeout)
  }

  /** The server ends: whoever has said Release waits no longer for what is being answered. */
  shutDown(): void {
    this.end('shutting-down', release('shutting down'))
    if (!this.#connection.stream.writableEnded) this.#connection.stream.destroy()
  }

  #encode(token: Buffer, { code, options = [], payload = NOTHING }: Response): Buffer {
    const { framing } = this.#connection
    const plain = options.map(option => (option.number === OPTION.Observe ? OBSERVE : option))
    try {
      const bytes = framing.encode({ code, token, options: plain, payload })
      if (bytes.length <= this.#signals.theirs.maxMessageSize) return bytes
      this.#context.counters.dropped('size')
    } catch (error) {
      this.#context.log.error({ cause: printable(String(error)) }, 'a CoAP answer could not be encoded')
    }
    // The code alone; of what is not even to be cut so small, that it cannot be given like this.
    return framing.encode({
      code: codeClass(code) > 2 ? code : CODE.NotAcceptable,
      token,
      options: [],
      payload: NOTHING,
    })
  }

  #say(signal: FramedMessage): void {
    this.#send(this.#connection.framing.encode(signal), false)
  }

  /** Whoever does not read what it is answered is not read either. */
  #send(bytes: Buffer, isContent: boolean): void {
    this.#outbox.send(bytes, isContent)
    if (this.#outbox.isCongested) this.#intake.hinder('backlog')
  }

  #sayWhatWeCan(): void {
    const { tokenBytes } = this.#context.limits
    const ours: Capabilities = { maxMessageSize: this.#intake.messageBytes, tokenBytes, blockWise: true }
    this.#say(csm(ours))
  }

  // --- in ---------------------------------------------------------------------------------------------------------------

  #received(chunk: Buffer): void {
    if (this.#isOver) return
    this.#health.heard()
    this.#intake.received(chunk)
  }

  #failed(error: unknown): void {
    this.#context.log.error({ cause: printable(String(error)) }, 'a CoAP message could not be handled')
    this.end('malformed', abort('internal error'))
  }

  #take(message: FramedMessage): void {
    const { code } = message
    if (code === CODE.Empty) return // RFC 8323 3.4
    if (codeClass(code) === 7) this.#signalled(this.#signals.read(message))
    else if (!this.#signals.hasBegun) this.end('malformed', abort('the first message is not a CSM'))
    else if (isRequest(code)) this.#request(message)
    else this.#context.counters.dropped('unexpected')
  }

  #signalled(signal: Signal): void {
    // RFC 8323 5.3: a missing CSM ends the connection.
    if (!this.#signals.hasBegun && signal.kind !== 'refused' && signal.kind !== 'abort') {
      this.end('malformed', abort('the first message is not a CSM'))
      return
    }
    switch (signal.kind) {
      case 'csm':
        this.#health.begin()
        return
      case 'ping':
        this.#answerPing(signal.token, signal.custody)
        return
      case 'pong':
        this.#health.answered(signal.token)
        return
      case 'release':
        this.#released()
        return
      case 'abort': {
        const { address, transport } = this.endpoint
        const { badCsmOption, diagnostic } = signal
        this.#context.log.debug({ address, transport, badCsmOption, diagnostic: printable(diagnostic) }, 'CoAP abort')
        this.#stop('aborted')
        this.#connection.stream.destroy()
        return
      }
      case 'refused':
        // RFC 8323 5.2, 5.6.
        this.end(
          'option',
          abort(`the critical option ${signal.option} is not understood`, signal.isCsm ? signal.option : null),
        )
        return
      case 'unknown':
        this.#context.counters.dropped('unexpected')
    }
  }

  /** RFC 8323 5.4.1: where custody is asked for, what came before has been processed first. */
  #answerPing(token: Buffer, custody: boolean): void {
    this.#mayAsk() // asking too much has its price
    if (!custody) this.#say(pong(token, false))
    else if (this.#underWay.size === 0) this.#say(pong(token, true))
    else this.#await(Promise.all(this.#underWay).then(() => this.#say(pong(token, true))))
  }

  /** RFC 8323 5.5: what has been asked is answered, and then nothing is left to do. */
  #released(): void {
    this.#stop('peer')
    this.#destroyAfter(this.#context.limits.pongTimeout * 1000)
    void Promise.all(this.#underWay).then(() => {
      this.#outbox.finish()
      this.#destroyAfter(this.#context.limits.lingerTimeout)
    })
  }

  // --- requests ---------------------------------------------------------------------------------------------------------

  #request(framed: FramedMessage): void {
    this.#health.asked()
    const message: CoapMessage = { type: TYPE.CON, messageId: 0, ...framed }
    const { dispatcher, counters } = this.#context
    if (!this.#mayAsk()) {
      counters.dropped('rate')
      this.#answer(message, dispatcher.tooManyRequests)
      return
    }
    const response = dispatcher.answer(message, this)
    if (response instanceof Promise) this.#await(response.then(late => this.#answer(message, late)))
    else this.#answer(message, response)
  }

  #mayAsk(): boolean {
    const verdict = this.#bucket.take(this.#context.limits, this.#context.clock.now())
    if (verdict === 'ignored') this.#doPenance()
    return verdict === 'served'
  }

  #doPenance(): void {
    this.#intake.hinder('rate')
    this.#context.wheel.after(PENANCE, () => this.#intake.unhinder('rate'))
  }

  #await(answering: Promise<void>): void {
    const settled = answering
      .catch(error => this.#context.log.error({ cause: printable(String(error)) }, 'a CoAP answer could not be sent'))
      .finally(() => {
        this.#underWay.delete(settled)
        if (this.#underWay.size < this.#context.limits.requestsInFlight) this.#intake.unhinder('in-flight')
      })
    this.#underWay.add(settled)
    if (this.#underWay.size >= this.#context.limits.requestsInFlight) this.#intake.hinder('in-flight')
  }

  #answer(message: CoapMessage, response: Response): void {
    const { counters, dispatcher } = this.#context
    counters.request(message.code, response.code)
    if (this.#isGone) return
    const isGood = codeClass(response.code) === 2
    if (isGood && !this.#isAdmitted && !isForEverybody(message)) this.#letIn()
    if (dispatcher.isUnwanted(message, response)) return
    this.#send(this.#encode(message.token, response), isGood)
  }

  /** Somebody was let in, so that it does not count as waiting and may say more at once. */
  #letIn(): void {
    this.#isAdmitted = true
    this.#connection.admitted()
    this.#health.letIn()
    this.#intake.messageBytes = this.#context.limits.streamMessageBytes
    if (this.#signals.hasBegun) this.#sayWhatWeCan()
  }

  // --- the end ----------------------------------------------------------------------------------------------------------

  #stop(reason: StreamEnding): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#health.close()
    this.#streams.ended(reason)
    this.#intake.close()
  }

  #destroyAfter(milliseconds: number): void {
    const { stream } = this.#connection
    this.#context.wheel.after(milliseconds, () => stream.destroy())
  }

  #closed(): void {
    if (this.#isGone) return
    this.#isGone = true
    this.#stop('peer')
    this.#outbox.close()
    for (const listener of this.#goneListeners.splice(0)) {
      try {
        listener()
      } catch (error) {
        this.#context.log.error({ cause: printable(String(error)) }, 'a peer that left could not be cleared away')
      }
    }
  }
}

/** Strangers may read what is well-known (RFC 8615) and are none the less strangers. */
const isForEverybody = (message: CoapMessage): boolean =>
  optionOf(message, OPTION.UriPath)?.toString() === '.well-known'

/** What the peer is told in Abort (RFC 8323 5.6). */
const DIAGNOSTICS: Partial<Record<StreamEnding, string>> = {
  malformed: 'the message is malformed',
  'too-large': 'the message is longer than Max-Message-Size',
  'csm-timeout': 'no CSM came',
  'no-pong': 'no Pong came',
  memory: 'too many messages are under way',
}
