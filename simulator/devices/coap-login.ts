// How a device comes to a link over CoAP: the channel that it opens, and what it says there of itself.
import { CoapExchange, type CoapRequest, type CoapResponse } from './coap-exchange.ts'
import { CoapLink, type CoapTerms, isSuccess } from './coap-link.ts'
import { type DatagramSocket, openUdp } from './datagram-socket.ts'
import { DtlsSocket } from './dtls-socket.ts'
import { LinkClosed, type LinkParts, type Login, LoginRefused, reachable } from './link.ts'
import { OscoreSocket } from './oscore-socket.ts'

export interface CoapLoginParts extends LinkParts {
  readonly protocol: 'coap' | 'coaps'
}

/** Milliseconds for the answer to a login: short, because it is tried again with whatever address the broker has then. */
const LOGIN_TIMEOUT = 1_500
/** Milliseconds; a flight that was lost is repeated after one second. */
const HANDSHAKE_TIMEOUT = 4_000
const TEXT_FORMAT = 0
const CONNECTION = '/mqtt/connection'

/** Logs in. Throws `LoginRefused`, or `LinkClosed` when nobody answers. */
export async function openCoapLink(parts: CoapLoginParts): Promise<CoapLink> {
  const { endpoint, listener, signal } = parts
  signal.throwIfAborted()
  let failed = (_error: Error) => {}
  const exchange = new CoapExchange(endpoint, await openSocket(parts), error => failed(error))
  const abort = () => void exchange.close()
  signal.addEventListener('abort', abort, { once: true })
  try {
    const link = new CoapLink(exchange, await admitted(exchange, parts), listener)
    failed = error => link.fail(error.message)
    return link
  } catch (error) {
    await exchange.close()
    throw error
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

/** Over plain CoAP nothing can be shown but what a request holds. */
async function openSocket({ protocol, endpoint, ca, login, signal }: CoapLoginParts): Promise<DatagramSocket> {
  if (login.by === 'oscore') return OscoreSocket.open(endpoint, login.context, signal)
  if (protocol === 'coap') {
    if (login.by !== 'password') throw new Error(`plain CoAP carries a secret or a JWT, no ${login.by}`)
    return openUdp(reachable(endpoint))
  }
  return DtlsSocket.open({
    endpoint,
    credentials: credentialsOf(login, ca),
    handshakeTimeout: HANDSHAKE_TIMEOUT,
    signal,
  })
}

/** A pre-shared key proves the broker too; whoever has none believes its certificate. */
function credentialsOf(
  login: Exclude<Login, { readonly by: 'oscore' }>,
  authorities: string,
): Parameters<typeof DtlsSocket.open>[0]['credentials'] {
  switch (login.by) {
    case 'psk':
      return { psk: { identity: login.identity, key: login.key } }
    case 'certificate':
      return { certificate: { chain: login.certificate, privateKey: login.privateKey }, authorities }
    case 'password':
      return { authorities }
  }
}

/** The terms on which the broker lets the device speak. */
async function admitted(exchange: CoapExchange, { protocol, clientId, login }: CoapLoginParts): Promise<CoapTerms> {
  if (login.by === 'password' && protocol === 'coap') return bySession(exchange, clientId, login.password)
  if (login.by === 'password') letIn(await exchange.request(tokenFor(login.password), LOGIN_TIMEOUT))
  const terms = channelTerms(clientId)
  letIn(await exchange.request(terms.heartbeat, LOGIN_TIMEOUT))
  return terms
}

/** A session for a secret or JWT, whose token each request shows. */
async function bySession(exchange: CoapExchange, clientId: string, payload: string): Promise<CoapTerms> {
  const query = { clientid: clientId, username: clientId }
  const login: CoapRequest = { method: 'POST', path: CONNECTION, query, payload, contentFormat: TEXT_FORMAT }
  const answer = letIn(await exchange.request(login, LOGIN_TIMEOUT))
  const session = { clientid: clientId, token: answer.payload.toString() }
  return {
    query: session,
    heartbeat: { method: 'PUT', path: CONNECTION, query: session },
    logout: { method: 'DELETE', path: CONNECTION, query: session },
  }
}

/** A JWT binds to the channel by which it came (RFC 9200 5.10.1). */
const tokenFor = (payload: string): CoapRequest => ({
  method: 'POST',
  path: '/authz-info',
  query: {},
  payload,
  contentFormat: TEXT_FORMAT,
})

/** The channel says who it is, and its end is the end. A look at what is not there tells whether the broker still knows. */
const channelTerms = (clientId: string): CoapTerms => ({
  query: {},
  heartbeat: { method: 'GET', path: '/ps', query: { href: `/ps/device/${clientId}/heartbeat` } },
  logout: null,
})

function letIn(answer: CoapResponse): CoapResponse {
  if (answer.code.startsWith('4.')) throw new LoginRefused(`the broker answered the login with ${answer.code}`)
  if (!isSuccess(answer)) throw new LinkClosed(`the broker answered the login with ${answer.code}`)
  return answer
}
