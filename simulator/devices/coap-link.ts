// A link over plain CoAP: logs in by POST /mqtt/connection, publishes under /ps, observes what it subscribes to.
import { CoapExchange, type CoapRequest, type CoapResponse } from './coap-exchange.ts'
import {
  type Endpoint,
  type Link,
  LinkClosed,
  type LinkListener,
  LoginRefused,
  type Outcome,
  type Outgoing,
} from './link.ts'
import { pause } from './patience.ts'

export interface CoapLinkParts {
  readonly endpoint: Endpoint
  readonly clientId: string
  /** A secret or a JWT. */
  readonly password: string
  readonly listener: LinkListener
  readonly signal: AbortSignal
}

/** Milliseconds for the answer to a login: short, because it is tried again with whatever address the broker has then. */
const LOGIN_TIMEOUT = 1_500
/** Milliseconds for any other answer; a retransmission (2 to 3 s, RFC 7252 4.8) fits in. */
const ANSWER_TIMEOUT = 4_000
/** Milliseconds between signs of life: what notices a broker that started anew and knows no session. */
const HEARTBEAT = 1_000
/** Milliseconds until an observation that ended is asked for again. */
const OBSERVE_AGAIN = 1_000
/** Milliseconds for the logout. */
const FAREWELL = 500
const TEXT_FORMAT = 0
const CONNECTION = '/mqtt/connection'

/** Logs in. Throws `LoginRefused`, or `LinkClosed` when nobody answers. */
export async function openCoapLink({
  endpoint,
  clientId,
  password,
  listener,
  signal,
}: CoapLinkParts): Promise<CoapLink> {
  signal.throwIfAborted()
  let failed = (_error: Error) => {}
  const exchange = new CoapExchange(endpoint, error => failed(error))
  const abort = () => void exchange.close()
  signal.addEventListener('abort', abort, { once: true })
  try {
    const query = { clientid: clientId, username: clientId }
    const answer = await exchange.request(
      { method: 'POST', path: CONNECTION, query, payload: password, contentFormat: TEXT_FORMAT },
      LOGIN_TIMEOUT,
    )
    if (answer.code.startsWith('4.')) throw new LoginRefused(`the broker answered the login with ${answer.code}`)
    if (!isSuccess(answer)) throw new LinkClosed(`the broker answered the login with ${answer.code}`)
    const link = new CoapLink(exchange, { clientid: clientId, token: answer.payload.toString() }, listener)
    failed = error => link.fail(error.message)
    return link
  } catch (error) {
    await exchange.close()
    throw error
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

export class CoapLink implements Link {
  readonly #exchange: CoapExchange
  readonly #session: Readonly<Record<string, string>>
  readonly #listener: LinkListener
  readonly #ended = new AbortController()
  /** One request at a time (NSTART, RFC 7252 4.7). */
  #turn: Promise<unknown> = Promise.resolve()
  #closed = false

  constructor(exchange: CoapExchange, session: Readonly<Record<string, string>>, listener: LinkListener) {
    this.#exchange = exchange
    this.#session = session
    this.#listener = listener
    void this.#beat()
  }

  /** State by PUT, which retains; events by POST. */
  async publish({ topic, payload, contentFormat, qos, retain }: Outgoing): Promise<Outcome> {
    const answer = await this.#inTurn({
      method: retain ? 'PUT' : 'POST',
      path: pathOf(topic),
      query: { ...this.#session, qos: String(qos) },
      payload,
      contentFormat,
    })
    return this.#outcomeOf(answer)
  }

  /** `topic`: no wildcards; what it notifies of is always of that topic. */
  async subscribe(topic: string): Promise<Outcome> {
    const request: CoapRequest = {
      method: 'GET',
      path: pathOf(topic),
      query: { ...this.#session, qos: '1' },
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
    if (wasOpen) {
      const logout: CoapRequest = { method: 'DELETE', path: CONNECTION, query: this.#session }
      await this.#exchange.request(logout, FAREWELL).catch(() => null)
    }
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
    const heartbeat: CoapRequest = { method: 'PUT', path: CONNECTION, query: this.#session }
    for (;;) {
      await pause(HEARTBEAT, this.#ended.signal)
      if (this.#closed) return
      const answer = await this.#inTurn(heartbeat).catch(() => null)
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

const isSuccess = ({ code }: CoapResponse) => code.startsWith('2.')

const pathOf = (topic: string) => `/ps/${topic}`
