// The way into the HTTP API and the way out of it, for every route alike.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { LOCAL_OPERATOR } from '../auth/operator-key.ts'
import { isLoopback, peerAddress } from '../auth/peer-address.ts'
import { Failure } from '../model/failure.ts'
import { printable } from '../model/printable.ts'
import { operationOf, recordAct } from './administration-log.ts'
import type { Administer, HttpApp, RouteAccess, RouteParts } from './api.ts'
import { hostCheck } from './host-check.ts'
import { peerCertificates } from './listener.ts'
import { bearerToken } from './operator-authentication.ts'
import { bearerChallenge, failureOf, PROBLEM_TYPE, problemFor, RETRY_AFTER } from './problem-details.ts'

/** The answers are for the caller alone and never for a page of another site: no CORS, no framing, no caching. */
const SECURITY_HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
} as const

/** On every answer, whatever becomes of the request. */
export function protect(request: FastifyRequest, reply: FastifyReply): void {
  reply.headers({ ...SECURITY_HEADERS, 'x-request-id': request.id })
}

/** In order: our name, who, whether they may. Bodies are read after it. */
export function addDoor(app: HttpApp, { names, publicUrl, authentication, attempts }: RouteParts): void {
  const isOurs = hostCheck([...names, new URL(publicUrl).hostname])
  app.addHook('onRequest', async (request, reply) => {
    protect(request, reply)
    if (!isOurs(request.headers.host, request.socket.localAddress)) throw new Failure('host-not-allowed')
    const access = request.routeOptions.config.access
    if (access === undefined || access === 'public') return // undefined: no such route
    const address = addressOf(request)
    if (typeof access === 'object' && 'loopback' in access && isLoopback(address)) return
    if (access === 'certificate') {
      request.principal = await authentication.authenticateCertificate(peerCertificates(request.socket), address)
      return
    }
    const token = bearerToken(request.headers.authorization)
    if (token === null)
      throw new Failure('no-evidence', 'The request has no bearer token; send `Authorization: Bearer <token>`.')
    request.principal = await authentication.authenticate(token, address)
    const { subject } = request.principal
    if (subject.id !== LOCAL_OPERATOR) attempts.checkPrincipal(subject.id)
    for (const right of rightsOf(access)) authentication.authorize(request.principal, right)
  })
}

/** What every answer leaves behind: the audit trail, the limiter, the metrics, one line in the log. */
export function addObservation(app: HttpApp, { audit, attempts, metrics, log }: RouteParts): void {
  app.addHook('onSend', async (request, reply, payload) => {
    recordAct(audit, request)
    if (reply.statusCode === 403 && request.principal) attempts.principalRefused(request.principal.subject.id)
    return payload
  })
  app.addHook('onResponse', async (request, reply) => {
    const status = `${Math.floor(reply.statusCode / 100)}xx`
    const route = request.routeOptions.url ?? 'none'
    metrics.count('latchkey_http_requests_total', { method: methodLabel(request.method), route, status })
    metrics.observe('latchkey_http_request_seconds', reply.elapsedTime / 1000, { route })
    const fields = {
      request: request.id,
      operation: operationOf(request),
      status: reply.statusCode,
      milliseconds: Math.round(reply.elapsedTime),
      address: addressOf(request),
      principal: request.principal?.subject.id ?? null,
      ...(request.failure ? { failure: request.failure.code, why: printable(request.failure.message) } : {}),
      ...(request.failure?.location ? { place: printable(request.failure.where) } : {}),
    }
    if (request.failure?.code === 'internal')
      log.error({ ...fields, cause: request.failure.cause }, 'http request failed')
    else if (isWorthALine(request)) log.info(fields, 'http request')
    else log.debug(fields, 'http request')
  })
}

/** What changed something or was refused; of strangers only what they sent us, or they would write our log. */
function isWorthALine(request: FastifyRequest): boolean {
  if (request.principal === null && request.routeOptions.config.access !== 'public') return false
  return !isRead(request) || (request.failure !== null && request.principal !== null)
}

/** Answers with problem details (RFC 9457); strangers learn no more than the failure's row says they may. */
export function refuse(request: FastifyRequest, reply: FastifyReply, error: unknown): FastifyReply {
  const failure = failureOf(error)
  request.failure = failure
  const challenge = bearerChallenge(failure)
  if (challenge !== null) reply.header('www-authenticate', challenge)
  if (failure.row.http === 429) reply.header('retry-after', RETRY_AFTER)
  const problem = problemFor(failure, request.id, request.principal !== null)
  // Written here, not by the route's serializer: a route that knows no such status refuses in the same words.
  return reply.code(problem.status).type(PROBLEM_TYPE).serializer(JSON.stringify).send(problem)
}

export const addressOf = (request: FastifyRequest): string => peerAddress(request.socket.remoteAddress ?? '')

const isRead = (request: FastifyRequest): boolean => request.method === 'GET' || request.method === 'HEAD'

function rightsOf(access: Exclude<RouteAccess, 'public' | 'certificate'>): readonly Administer[] {
  if (access === 'authenticated' || access === 'own-rights') return []
  if (typeof access === 'string') return [access]
  return 'loopback' in access ? [access.loopback] : access
}

/** Label values come from a fixed set. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'])
const methodLabel = (method: string): string => (METHODS.has(method) ? method : 'other')
