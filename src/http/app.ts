// The HTTP API, built apart from listening: `buildHttp` makes the app, the composition root opens its port.
import fastify from 'fastify'
import { Failure } from '../model/failure.ts'
import type { HttpApp, HttpParts, Routes } from './api.ts'
import { Attempts } from './attempts.ts'
import { Ceiling } from './ceiling.ts'
import { addDoor, addObservation, protect, refuse } from './door.ts'
import { createListener, DEFAULT_HTTP_LIMITS, swapTls } from './listener.ts'
import { registerOpenApi } from './openapi.ts'
import { OperatorAuthentication } from './operator-authentication.ts'
import { applyRoutes } from './routes/apply.ts'
import { auditRoutes } from './routes/audit.ts'
import { caRoutes } from './routes/ca.ts'
import { clientRoutes } from './routes/clients.ts'
import { credentialRoutes } from './routes/credentials.ts'
import { deviceRoutes, deviceTypeRoutes } from './routes/devices.ts'
import { enrolmentRoutes } from './routes/enrolments.ts'
import { healthRoutes } from './routes/health.ts'
import { keyRoutes } from './routes/keys.ts'
import { messageRoutes } from './routes/messages.ts'
import { oauthRoutes } from './routes/oauth.ts'
import { policyRoutes } from './routes/policies.ts'
import { sessionRoutes } from './routes/sessions.ts'
import { serializerCompiler, validatorCompiler, type ZodTypeProvider } from './schema-compiler.ts'

const ROUTES: readonly Routes[] = [
  deviceRoutes,
  deviceTypeRoutes,
  clientRoutes,
  credentialRoutes,
  enrolmentRoutes,
  policyRoutes,
  applyRoutes,
  auditRoutes,
  sessionRoutes,
  messageRoutes,
  oauthRoutes,
  keyRoutes,
  caRoutes,
  healthRoutes,
]

export async function buildHttp(parts: HttpParts): Promise<HttpApp> {
  const limits = { ...DEFAULT_HTTP_LIMITS, ...parts.limits }
  const app: HttpApp = fastify({
    serverFactory: handler => createListener(parts.tls, limits, handler),
    logger: false,
    bodyLimit: limits.requestBytes,
    // Never the caller's own: it would let a stranger write into the log.
    genReqId: () => parts.random.bytes(12).toString('base64url'),
    requestIdHeader: false,
    trustProxy: false,
    onProtoPoisoning: 'error',
    onConstructorPoisoning: 'error',
    return503OnClosing: true,
    forceCloseConnections: 'idle',
    frameworkErrors: (error, request, reply) => {
      protect(request, reply) // no hook runs for these
      refuse(request, reply, error)
    },
  }).withTypeProvider<ZodTypeProvider>()
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  app.decorate('setTls', tls => swapTls(app.server, tls))
  app.decorateRequest('principal', null)
  app.decorateRequest('target', '')
  app.decorateRequest('failure', null)
  app.setErrorHandler((error, request, reply) => refuse(request, reply, error))
  app.setNotFoundHandler((request, reply) =>
    refuse(request, reply, new Failure('not-found', 'There is no such route; /openapi.json lists them.')),
  )
  app.addHook('onRoute', route => {
    // Deny by default: a route that does not say who may call it does not exist.
    if (route.config?.access === undefined) throw new Error(`route ${route.url} declares no access`)
  })
  const authentication = new OperatorAuthentication(parts)
  const attempts = new Attempts(limits, parts.clock)
  const routeParts = { ...parts, authentication, attempts, ceiling: new Ceiling(parts) }
  addDoor(app, routeParts)
  addObservation(app, routeParts)
  endConnectionsOnClose(app, limits.closeGrace)
  await registerOpenApi(app, { version: parts.version })
  for (const routes of ROUTES) routes(app, routeParts)
  return app
}

/** Idle connections end at once; what is in progress gets a grace, then its socket is closed. */
function endConnectionsOnClose(app: HttpApp, grace: number): void {
  app.addHook('preClose', async () => {
    const timer = setTimeout(() => app.server.closeAllConnections(), grace).unref()
    app.server.once('close', () => clearTimeout(timer))
  })
}
