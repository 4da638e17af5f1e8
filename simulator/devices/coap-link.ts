// A link over CoAP, plain or protected: publishes under /ps, observes what it subscribes to.
import type { CoapExchange, CoapRequest, CoapResponse } from './coap-exchange.ts'
import { type Link, LinkClosed, type LinkListener, type Outcome, type Outgoing } from './link.ts'
import { pause } from './patience.ts'
import { RENEW, RENEWED } from './renewing.ts'

/** How the broker knows who speaks, and how to leave. */
export interface CoapTerms {
  /** In the query of every request. */
  readonly query: Readonly<Record<string, string>>
  /** Is answered with success as long as the device is admitted, and with 4.01 afterwards. */
  readonly heartbeat: CoapRequest
  /** Null: there is nothing to say, the channel closes. */
  readonly logout: CoapRequest | null
}

/** Milliseconds for an answer; a retransmission (2 to 3 s, RFC 7252 4.8) fits in. */
const ANSWER_TIMEOUT = 4_000
/** Milliseconds between signs of life: what notices a broker that started anew and knows no session. */
const HEARTBEAT = 1_000
/** Milliseconds until an observation that ended is asked for again. */
const OBSERVE_AGAIN = 1_000
/** Milliseconds for the logout. */
const FAREWELL = 500

export class CoapLink implements Link {
  readonly #exchange: CoapExchange
  readonly #terms: CoapTerms
  readonly #listener: LinkListener
  readonly #ended = new AbortController()
  /** One request at a time (NSTART, RFC 7252 4.7). */
  #turn: Promise<unknown> = Promise.resolve()
  #closed = false

  constructor(exchange: CoapExchange, terms: CoapTerms, listener: LinkListener) {
    this.#exchange = exchange
    this.#terms = terms
    this.#listener = listener
    void this.#beat()
  }

  /** State by PUT, which retains; events by POST. */
  async publish({ topic, payload, contentFormat, qos, retain }: Outgoing): Promise<Outcome> {
    const answer = await this.#inTurn({
      method: retain ? 'PUT' : 'POST',
      path: pathOf(topic),
      query: { ...this.#terms.query, qos: String(qos) },
      payload,
      contentFormat,
    })
    const outcome = this.#outcomeOf(answer)
    const { payload: answered, contentType } = answer
    if (outcome === 'accepted' && topic === RENEW)
      this.#listener.message({ topic: RENEWED, payload: answered, contentType })
    return outcome
  }

  /** `topic`: no wildcards; what it notifies of is always of that topic. */
  async subscribe(topic: string): Promise<Outcome> {
    const request: CoapRequest = {
      method: 'GET',
      path: pathOf(topic),
      query: { ...this.#terms.query, qos: '1' },
    }
    const ask = () =>
      this.#exchange.observe(request, ANSWER_TIMEOUT, response => this.#notified(topic, response)).catch(this.#lost)
    const answer = await this.#queue(ask)
    const outcome = this.#outcomeOf(answer)
    if (outcome !== 'accepted') return outcome
    this.#notified(topic, answer)
    return 'accepted'
  }

  async end(): Promise<void> {
    const wasOpen = !this.#closed
    this.#closed = true
    const { logout } = this.#terms
    if (wasOpen && logout !== null) await this.#exchange.request(logout, FAREWELL).catch(() => null)
    await this.drop()
  }

  async drop(): Promise<void> {
    this.#closed = true
    this.#ended.abort()
    await this.#exchange.close()
  }

  fail(reason: string): void {
    if (this.#closed) return
    this.#closed = true
    this.#ended.abort()
    void this.#exchange.close()
    this.#listener.closed(reason)
  }

  /** Without `observe` an answer ends its observation, or there never was one: it is asked for again. */
  #notified(topic: string, response: CoapResponse): void {
    if (this.#closed) return
    const { payload, contentType } = response
    if (isSuccess(response) && payload.length > 0) this.#listener.message({ topic, payload, contentType })
    if (response.observe !== null && isSuccess(response)) return
    if (this.#outcomeOf(response) === 'denied') this.#listener.denied(topic)
    void this.#observeAgain(topic)
  }

  async #observeAgain(topic: string): Promise<void> {
    for (;;) {
      await pause(OBSERVE_AGAIN, this.#ended.signal)
      if (this.#closed) return
      const outcome = await this.subscribe(topic).catch(() => null)
      if (outcome === 'accepted' || outcome === null) return
    }
  }

  async #beat(): Promise<void> {
    for (;;) {
      await pause(HEARTBEAT, this.#ended.signal)
      if (this.#closed) return
      const answer = await this.#inTurn(this.#terms.heartbeat).catch(() => null)
      if (answer !== null) this.#outcomeOf(answer)
    }
  }

  #inTurn(request: CoapRequest): Promise<CoapResponse> {
    return this.#queue(() => this.#exchange.request(request, ANSWER_TIMEOUT).catch(this.#lost))
  }

  #queue(ask: () => Promise<CoapResponse>): Promise<CoapResponse> {
    const asked = this.#turn.then(() => {
      if (this.#closed) throw new LinkClosed('the link is closed')
      return ask()
    })
    this.#turn = asked.catch(() => {})
    return asked
  }

  /** Silence: the broker is gone, or is another one. */
  readonly #lost = (error: unknown): never => {
    const reason = error instanceof Error ? error.message : String(error)
    this.fail(reason)
    throw new LinkClosed(reason)
  }

  /** 4.01: the session is over, by revocation, expiry or a restart; nothing else on this link can succeed. */
  #outcomeOf(response: CoapResponse): Outcome {
    if (response.code === '4.01') {
      this.fail('the broker ended the session (4.01)')
      return 'later'
    }
    if (isSuccess(response)) return 'accepted'
    return response.code.startsWith('5.') || response.code === '4.29' ? 'later' : 'denied'
  }
}

export const isSuccess = ({ code }: CoapResponse) => code.startsWith('2.')

const pathOf = (topic: string) => `/ps/${topic}`
