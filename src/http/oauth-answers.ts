// RFC 6749 5.2: how the token server's endpoints refuse, and how they read their forms.
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { Failure } from '../model/failure.ts'
import { printable } from '../model/printable.ts'
import { failureOf, RETRY_AFTER } from './problem-details.ts'

export const FORM_TYPE = 'application/x-www-form-urlencoded'

export const oauthErrorSchema = z
  .object({ error: z.string(), error_description: z.exactOptional(z.string()) })
  .meta({ id: 'OAuthError', description: 'RFC 6749 5.2.' })

/** Fields of a form: more are no request of ours. */
const MAXIMUM_FIELDS = 32

/** Parameters must not come twice (RFC 6749 3.2). Null prototype. */
export function parseForm(text: string): Record<string, string> {
  const form: Record<string, string> = Object.create(null)
  let fields = 0
  for (const [name, value] of new URLSearchParams(text)) {
    if (++fields > MAXIMUM_FIELDS) throw new Failure('invalid-input', `body: more than ${MAXIMUM_FIELDS} parameters`)
    if (Object.hasOwn(form, name))
      throw new Failure('invalid-input', `body.${printable(name, 80)}: a parameter must not come twice (RFC 6749 3.2)`)
    form[name] = value
  }
  return form
}

/** What was wrong with a client or token is told to nobody; what was wrong with the request is. */
export function refuseOauth(
  error: FastifyError | Failure | unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const failure = failureOf(error)
  request.failure = failure
  const { http, oauth, stranger, advice } = failure.row
  // RFC 6749 5.2: a 401 names the scheme by which the client may authenticate.
  if (http === 401) reply.header('www-authenticate', 'Basic realm="latchkey"')
  if (http === 429) reply.header('retry-after', RETRY_AFTER)
  const description = http === 401 || failure.code === 'internal' ? stranger : advice
  return reply
    .code(http)
    .type('application/json')
    .header('pragma', 'no-cache')
    .serializer(JSON.stringify)
    .send({ error: oauth, error_description: descriptionText(description) })
}

/** %x20-21 / %x23-5B / %x5D-7E. */
const descriptionText = (text: string): string => text.replace(/["\\]/g, "'").replace(/[^\u0020-\u007e]/g, '?')
