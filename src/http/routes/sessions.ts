import { z } from 'zod'
import { Failure } from '../../model/failure.ts'
import type { HttpApp, RouteParts } from '../api.ts'
import { refusals } from '../refusals.ts'
import { limitSchema, pageOf, pageSchema } from '../views/page.ts'
import { sessionSchema, sessionView } from '../views/session-view.ts'

const tags = ['sessions']

/** Made by this process, not identifiers that somebody chose. */
const sessionId = z.string().min(1).max(128)

export function sessionRoutes(app: HttpApp, { access }: RouteParts): void {
  app.get(
    '/v1/sessions',
    {
      config: { access: 'sessions:read' },
      schema: {
        operationId: 'listSessions',
        summary: 'Who is connected now, in the order of the session ids',
        tags,
        querystring: z.strictObject({
          principal: z.exactOptional(z.string().min(1).max(64)).describe('Of this device or client only.'),
          after: z.exactOptional(sessionId),
          limit: limitSchema,
        }),
        response: { 200: pageSchema(sessionSchema) },
      },
    },
    async request => {
      const { principal, after, limit } = request.query
      const sessions = [...access.sessions.list()]
        .filter(session => principal === undefined || session.principal.subject.id === principal)
        .filter(session => after === undefined || session.id > after)
        .sort((a, b) => (a.id < b.id ? -1 : 1))
      return pageOf(sessions, limit, sessionView, session => session.id)
    },
  )

  app.delete(
    '/v1/sessions/:id',
    {
      config: { access: 'sessions:write' },
      schema: {
        operationId: 'endSession',
        summary: 'End a session now; its device may come back, unless it is suspended too',
        tags,
        params: z.strictObject({ id: sessionId }),
        response: { 204: z.undefined(), ...refusals(404) },
      },
    },
    async (request, reply) => {
      const { id } = request.params
      if (![...access.sessions.list()].some(session => session.id === id))
        throw new Failure('not-found', `There is no session ${id} now; list them with GET /v1/sessions.`)
      access.sessions.end(id, 'superseded')
      return reply.code(204).send()
    },
  )
}
