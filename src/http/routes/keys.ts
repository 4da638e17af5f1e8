// Keys of the token server, and where others find them.
import { z } from 'zod'
import type { KeyView } from '../../oauth/token-server.ts'
import type { HttpApp, RouteParts } from '../api.ts'
import { actorOf, principalOf } from '../operator-authentication.ts'
import { refusals } from '../refusals.ts'
import { timestamp, timestampOrNull, timestampSchema } from '../views/timestamp.ts'

const tags = ['tokens']

const keySchema = z
  .object({
    kid: z.string(),
    state: z.enum(['published', 'active', 'retired']),
    createdAt: timestampSchema,
    signsFrom: timestampSchema,
    endsAt: timestampSchema.nullable().describe('When it leaves the key set.'),
  })
  .meta({ id: 'SigningKey' })

const keyView = ({ kid, state, createdAt, signsFrom, endsAt }: KeyView): z.input<typeof keySchema> => ({
  kid,
  state,
  createdAt: timestamp(createdAt),
  signsFrom: timestamp(signsFrom),
  endsAt: timestampOrNull(endsAt),
})

/** Public members alone, whatever the key set holds. */
const jwkSchema = z.object({
  kty: z.string(),
  crv: z.exactOptional(z.string()),
  x: z.exactOptional(z.string()),
  y: z.exactOptional(z.string()),
  n: z.exactOptional(z.string()),
  e: z.exactOptional(z.string()),
  kid: z.string(),
  alg: z.string(),
  use: z.string(),
})

const jwksSchema = z.object({ keys: z.array(jwkSchema) })

export function keyRoutes(app: HttpApp, { tokens }: RouteParts): void {
  app.get(
    '/v1/keys',
    {
      config: { access: 'keys:read' },
      schema: {
        operationId: 'listKeys',
        summary: 'Signing keys of the token server, without their private halves',
        tags,
        response: { 200: z.object({ items: z.array(keySchema), next: z.null() }) },
      },
    },
    async () => ({ items: tokens.keys().map(keyView), next: null }),
  )

  app.post(
    '/v1/keys/rotate',
    {
      config: { access: 'keys:write' },
      schema: {
        operationId: 'rotateKeys',
        summary: 'Publish the next signing key; it signs once everybody can know it',
        tags,
        response: { 201: keySchema, ...refusals(409) },
      },
    },
    async (request, reply) => {
      const key = await tokens.rotateKeys(actorOf(principalOf(request)))
      request.target = key.kid
      return reply.code(201).send(keyView(key))
    },
  )

  const published = { 'cache-control': `public, max-age=${tokens.limits.jwksMaxAge}` }

  app.get(
    '/.well-known/jwks.json',
    {
      config: { access: 'public' },
      schema: {
        operationId: 'getKeySet',
        summary: 'Public keys of the token server (RFC 7517)',
        tags,
        response: { 200: jwksSchema },
      },
    },
    async (_request, reply) => reply.headers(published).send(jwksSchema.parse(tokens.jwks())),
  )

  app.get(
    '/.well-known/oauth-authorization-server',
    {
      config: { access: 'public' },
      schema: {
        operationId: 'getServerMetadata',
        summary: 'Metadata of the token server (RFC 8414)',
        tags,
        response: { 200: z.looseObject({ issuer: z.string() }) },
      },
    },
    async (_request, reply) =>
      reply.headers(published).send({ issuer: tokens.issuerKeys.ownIssuer, ...tokens.metadata() }),
  )
}
