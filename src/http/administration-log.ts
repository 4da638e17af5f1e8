// Every administrative act leaves a line in the audit trail, done or refused.
import type { FastifyRequest } from 'fastify'
import type { Audit } from '../audit/audit.ts'
import { printable } from '../model/printable.ts'
import type { RouteAccess } from './api.ts'
import { actorOf } from './operator-authentication.ts'

/**
 * Queues the event of a request that is about to be answered. Strangers are not in it: `auth` records who failed to
 * authenticate. Plain reads are in it only when they were refused.
 */
export function recordAct(audit: Audit, request: FastifyRequest): void {
  const { principal, failure } = request
  const access = request.routeOptions.config.access
  if (principal === null || access === undefined) return
  if (access === 'own-rights' || access === 'certificate') return // not an operator's act
  if (failure === null && !changes(request.method, access)) return
  if (failure?.code === 'authentication-throttled') return // what it was throttled for is on record
  audit.record({
    type: 'administration',
    what: operationOf(request),
    actor: actorOf(principal),
    target: printable(request.target, 128),
    result: failure?.code ?? 'ok',
  })
}

/** POST also carries questions (check, explain); they need a right to read only. */
function changes(method: string, access: RouteAccess): boolean {
  if (method === 'GET' || method === 'HEAD') return false
  if (typeof access === 'object' && 'loopback' in access) return false
  const rights = typeof access === 'string' ? [access] : access
  return rights.some(right => !right.endsWith(':read'))
}

/** The `operationId` of the route: what was done. */
export function operationOf(request: FastifyRequest): string {
  const schema = request.routeOptions.schema
  return schema && 'operationId' in schema && typeof schema.operationId === 'string'
    ? schema.operationId
    : `${request.method} ${request.routeOptions.url ?? '?'}`
}
