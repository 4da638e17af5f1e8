import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { Actor } from '../../audit/events.ts'
import type { Trace } from '../../auth/proof.ts'
import { asFailure, Failure } from '../../model/failure.ts'
import { authenticateClient, readClient } from '../../oauth/client-authentication.ts'
import { AccessTokens } from '../access-tokens.ts'
import type { Administer, HttpApp, RouteParts } from '../api.ts'
import { addressOf } from '../door.ts'
import { FORM_TYPE, oauthErrorSchema, parseForm, refuseOauth } from '../oauth-answers.ts'
import { actorOf, bearerToken } from '../operator-authentication.ts'

const tags = ['tokens']
const access = 'public' as const

const tokenForm = z.looseObject({
  grant_type: z.string().optional(),
  scope: z.string().optional(),
  client_id: z.string().optional(),
  client_secret: z.string().optional(),
})
const stateForm = z.looseObject({ token: z.string().min(1), token_type_hint: z.string().optional() })
const refused = { 400: oauthErrorSchema, 401: oauthErrorSchema, 403: oauthErrorSchema }

/** Forms and errors as OAuth has them; nothing but forms is read here. */
export function oauthRoutes(app: HttpApp, parts: RouteParts): void {
  app.register(async oauth => {
    oauth.removeAllContentTypeParsers()
    oauth.addContentTypeParser(
      FORM_TYPE,
      { parseAs: 'string', bodyLimit: 16_384 },
      async (_request: unknown, body: string | Buffer) => parseForm(String(body)),
    )
    oauth.setErrorHandler((error, request, reply) => refuseOauth(error, request, reply))
    tokenRoute(oauth, parts)
    stateRoutes(oauth, parts)
  })
}

function tokenRoute(app: HttpApp, { tokens, attempts }: RouteParts): void {
  app.post(
    '/oauth2/token',
    {
      config: { access },
      schema: {
        operationId: 'requestToken',
        summary: 'An access token for a registered client (RFC 6749 4.4)',
        description: 'The client authenticates with its secret, in the Authorization header or in the form.',
        tags,
        consumes: [FORM_TYPE],
        body: tokenForm,
        response: {
          200: z.object({
            access_token: z.string(),
            token_type: z.literal('Bearer'),
            expires_in: z.int().describe('Seconds.'),
            scope: z.string(),
          }),
          ...refused,
        },
      },
    },
    async (request, reply) => {
      const address = addressOf(request)
      const authorization = request.headers.authorization ?? null
      const response = await attempts.limited(address, claimOf(request), () =>
        tokens.token({ authorization, form: formMap(request.body), address }),
      )
      return reply.code(200).header('pragma', 'no-cache').send(response)
    },
  )
}

function stateRoutes(app: HttpApp, parts: RouteParts): void {
  const { registry, tokens, clock } = parts
  const accessTokens = new AccessTokens({ registry, clock, issuerKeys: tokens.issuerKeys })

  app.post(
    '/oauth2/introspect',
    {
      config: { access },
      schema: {
        operationId: 'introspectToken',
        summary: 'Is an access token good, and whose is it? (RFC 7662)',
        description: 'For the client that holds it, by its secret, and for whoever may read credentials, by bearer.',
        tags,
        consumes: [FORM_TYPE],
        body: stateForm,
        response: {
          200: z.object({
            active: z.boolean(),
            scope: z.exactOptional(z.string()),
            client_id: z.exactOptional(z.string()),
            sub: z.exactOptional(z.string()),
            aud: z.exactOptional(z.string()),
            iss: z.exactOptional(z.string()),
            exp: z.exactOptional(z.int()),
            iat: z.exactOptional(z.int()),
            jti: z.exactOptional(z.string()),
            token_type: z.exactOptional(z.string()),
          }),
          ...refused,
        },
      },
    },
    async request => {
      const caller = await authenticateCaller(request, parts)
      const claims = await accessTokens.read(request.body.token)
      // RFC 7662 2.2: a token that the caller may not ask about looks like one that is not good.
      const shown = claims !== null && caller.may(claims.subject, 'credentials:read') && accessTokens.isActive(claims)
      if (!shown) return { active: false }
      const { scope, subject, audience, issuer, expiresAt, issuedAt, jti } = claims
      const names = { client_id: subject, sub: subject, aud: audience, iss: issuer }
      return { active: true, scope, ...names, exp: expiresAt, iat: issuedAt, jti, token_type: 'Bearer' }
    },
  )

  app.post(
    '/oauth2/revoke',
    {
      config: { access },
      schema: {
        operationId: 'revokeToken',
        summary: 'Deny an access token from now on (RFC 7009); its sessions have ended when this answers',
        description: 'For the client that holds it, by its secret, and for whoever may write credentials, by bearer.',
        tags,
        consumes: [FORM_TYPE],
        body: stateForm,
        response: { 200: z.undefined(), ...refused },
      },
    },
    async (request, reply) => {
      const caller = await authenticateCaller(request, parts)
      const claims = await accessTokens.read(request.body.token)
      // RFC 7009 2.2: a token that is not good any more, or never was, is as good as revoked.
      if (claims === null) return reply.code(200).send()
      request.target = claims.subject
      if (!caller.may(claims.subject, 'credentials:write'))
        throw new Failure('policy-denied', `${caller.actor.id} may not revoke a token of ${claims.subject}.`)
      const { issuer, jti, expiresAt } = claims
      await registry.denyToken({ issuer, jti, expiresAt: expiresAt * 1000 }, caller.actor)
      return reply.code(200).send()
    },
  )
}

interface Caller {
  readonly actor: Actor
  /** Its own tokens, or those of others by the right to administer. */
  may(subject: string, right: Administer): boolean
}

/** By bearer token, as everywhere, or by client secret, as at the token endpoint (RFC 7009 2.1, RFC 7662 2.1). */
async function authenticateCaller(request: FastifyRequest, parts: RouteParts): Promise<Caller> {
  const { authentication, attempts } = parts
  const { authorization } = request.headers
  const address = addressOf(request)
  const token = bearerToken(authorization)
  if (token === null)
    return attempts.limited(address, claimOf(request), () => authenticateByClientSecret(request, address, parts))
  const principal = await authentication.authenticate(token, address)
  request.principal = principal
  return {
    actor: actorOf(principal),
    may: (subject, right) => principal.subject.id === subject || authentication.may(principal, right),
  }
}

function authenticateByClientSecret(request: FastifyRequest, address: string, parts: RouteParts): Caller {
  const trace: Trace = { principal: null, credential: null, credentialKind: null }
  const record = (failure: Failure | null) =>
    parts.audit.record({
      type: 'authentication',
      result: failure ? 'refused' : 'accepted',
      failure: failure?.code ?? null,
      transport: 'https',
      address,
      clientId: null,
      ...trace,
    })
  try {
    const claim = readClient(request.headers.authorization ?? null, formMap(request.body))
    const { owner, ownerKind } = authenticateClient(claim, parts, trace)
    const standing = parts.registry.client(owner) ?? parts.registry.device(owner)
    if (standing?.status !== 'active') throw new Failure('owner-suspended', `${owner} is suspended.`)
    record(null)
    const kind = ownerKind === 'device' ? 'device' : (parts.registry.client(owner)?.kind ?? 'service')
    return { actor: { kind, id: owner, address }, may: subject => subject === owner }
  } catch (error) {
    record(asFailure(error))
    throw error
  }
}

const formMap = (body: unknown): ReadonlyMap<string, string> =>
  new Map(Object.entries(body ?? {}).filter((field): field is [string, string] => typeof field[1] === 'string'))

/** The client that the request names, true or not, for the limiter. */
function claimOf(request: FastifyRequest): string | null {
  try {
    return `client ${readClient(request.headers.authorization ?? null, formMap(request.body)).id.slice(0, 64)}`
  } catch {
    return null
  }
}
