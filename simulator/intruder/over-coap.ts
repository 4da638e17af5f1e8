// Attempts over plain CoAP, on a session that its own secret opened.
import { CoapExchange, type CoapRequest, type CoapResponse } from '../devices/coap-exchange.ts'
import { openUdp } from '../devices/datagram-socket.ts'
import { reachable } from '../devices/link.ts'
import { type IntruderParts, listened, type Outcome } from './attempt.ts'

const COAP_ANSWER_WITHIN = 4_000

type Ask = (
  method: CoapRequest['method'],
  path: string,
  query: Readonly<Record<string, string>>,
  payload?: string,
) => Promise<CoapResponse>

export async function withCoapSession(
  parts: IntruderParts,
  act: (ask: Ask, session: { clientid: string; token: string }, exchange: CoapExchange) => Promise<Outcome>,
): Promise<Outcome> {
  const { coap } = parts.address.listeners
  if (coap === undefined) throw new Error('the broker serves no coap')
  const { id, secret } = parts.own
  const exchange = new CoapExchange(coap, openUdp(reachable(coap)), () => {})
  const ask: Ask = (method, path, query, payload) =>
    exchange.request(
      { method, path, query, ...(payload !== undefined && { payload, contentFormat: JSON_FORMAT }) },
      COAP_ANSWER_WITHIN,
    )
  try {
    const login: CoapRequest = {
      method: 'POST',
      path: CONNECTION,
      query: { clientid: id },
      payload: secret,
      contentFormat: 0,
    }
    const answer = await exchange.request(login, COAP_ANSWER_WITHIN)
    if (answer.code !== '2.01') throw new Error(`its own key was answered with ${answer.code} by ${CONNECTION}`)
    const session = { clientid: id, token: answer.payload.toString() }
    try {
      return await act(ask, session, exchange)
    } finally {
      await ask('DELETE', CONNECTION, session).catch(() => null)
    }
  } finally {
    await exchange.close()
  }
}

const CONNECTION = '/mqtt/connection'
const JSON_FORMAT = 50

export function coapOutcome({ code, payload }: CoapResponse, what: string): Outcome {
  const ok = code.startsWith('4.')
  const observed = ok
    ? 'refused'
    : payload.length > 0
      ? `it read ${JSON.stringify(payload.toString('latin1').slice(0, 80))}`
      : 'it was done'
  return { ok, observed, evidence: `${code} for ${what}` }
}

export function observing(parts: IntruderParts, topic: string): Promise<Outcome> {
  return withCoapSession(parts, async (_, session, exchange) => {
    let notified = 0
    let wake = () => {}
    const request: CoapRequest = { method: 'GET', path: `/ps/${topic}`, query: { ...session } }
    const first = await exchange.observe(request, COAP_ANSWER_WITHIN, () => {
      notified += 1
      wake()
    })
    const outcome = coapOutcome(first, `GET ${topic} with Observe`)
    if (outcome.ok && first.observe === null) return outcome
    await listened(woken => {
      wake = woken
    })
    return { ...outcome, ok: false, observed: `${outcome.observed}, and ${notified} notifications followed` }
  })
}
