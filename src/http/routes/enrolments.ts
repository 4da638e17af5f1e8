import { z } from 'zod'
import { ENROLMENT_KINDS } from '../../enrolment/authorisation.ts'
import { Failure } from '../../model/failure.ts'
import { parseSecret } from '../../vault/secret-format.ts'
import type { HttpApp, RouteParts } from '../api.ts'
import { addressOf } from '../door.ts'
import { actorOf, principalOf } from '../operator-authentication.ts'
import { refusals } from '../refusals.ts'
import { credentialSchema, credentialView, issuedSchema } from '../views/credential-view.ts'
import { deviceSchema, deviceView } from '../views/device-view.ts'
import { enrolmentKindSchema, enrolmentSchema, enrolmentView, issuedView } from '../views/enrolment-view.ts'
import { identifierSchema, pageOf, pageQuery, pageSchema } from '../views/page.ts'
import { timestamp, timestampSchema } from '../views/timestamp.ts'
import { attributesSchema, idParams, namesSchema } from './owner-input.ts'

const tags = ['enrolments']

const enrolmentInput = z.strictObject({
  type: identifierSchema.describe('Device type of what will be enrolled.'),
  ttl: z.int().min(1).max(31_536_000).describe('Seconds during which the token works.'),
  device: identifierSchema.optional().describe('The one id it may enrol; without, the device asks for one.'),
  attributes: attributesSchema.optional(),
  groups: namesSchema.optional(),
  uses: z.int().min(1).max(10_000).optional().describe('Devices it may enrol; default 1.'),
  kinds: z
    .array(enrolmentKindSchema)
    .min(1)
    .max(ENROLMENT_KINDS.length)
    .optional()
    .describe('Kinds of credential that a device may ask for; default: x509 alone.'),
  lifetime: z
    .int()
    .min(1)
    .optional()
    .describe(
      'Seconds its credentials live; the profile bounds those of certificates. Without: certificates as the profile says, all else without end.',
    ),
})

const csrSchema = z.string().min(1).max(65_536).describe('PKCS#10 in PEM, signed with the key it is for.')

const redemption = {
  token: z.string().min(1).max(256),
  device: identifierSchema.optional().describe('The id it asks for, where the token leaves that open.'),
}

const redeemInput = z.union([
  z.strictObject({ ...redemption, kind: z.literal('x509').optional(), csr: csrSchema }),
  z.strictObject({
    ...redemption,
    kind: z.literal('secret'),
    audience: z.enum(['mqtt', 'token']).describe('What it opens: the broker, or the token endpoint.'),
  }),
  z.strictObject({ ...redemption, kind: z.literal('psk') }),
  z.strictObject({ ...redemption, kind: z.literal('oscore') }),
  z.strictObject({
    ...redemption,
    kind: z.literal('jwt-key'),
    jwk: z.record(z.string(), z.unknown()).describe('A public JWK (RFC 7517): ES256, EdDSA or RS256.'),
  }),
])

export function enrolmentRoutes(app: HttpApp, { desk, access, ceiling, authentication, attempts }: RouteParts): void {
  app.post(
    '/v1/enrolments',
    {
      // Either right will do: to administer enrolments, or to enrol this very device type.
      config: { access: 'authenticated' },
      schema: {
        operationId: 'createEnrolment',
        summary: 'Make an enrolment token; it is shown this once',
        tags,
        body: enrolmentInput,
        response: {
          201: z.object({ id: z.string(), token: z.string(), expiresAt: timestampSchema }),
          ...refusals(404, 409),
        },
      },
    },
    async (request, reply) => {
      const principal = principalOf(request)
      const { type, device, groups = [] } = request.body
      request.target = type
      if (!authentication.may(principal, 'enrolments:write')) {
        const { permit } = access.decide(principal, { action: 'enrol', target: type })
        if (!permit)
          throw new Failure('policy-denied', `${principal.subject.id} may not enrol devices of type ${type}.`)
      }
      if (device !== undefined) ceiling.checkOwner(principal, device)
      ceiling.checkDevice(principal, { id: device ?? 'enrolled', type, groups, roles: [] })
      const { id, token, expiresAt } = await desk.create(request.body, actorOf(principal))
      request.target = id
      return reply
        .code(201)
        .header('location', `/v1/enrolments/${id}`)
        .send({ id, token, expiresAt: timestamp(expiresAt) })
    },
  )

  app.get(
    '/v1/enrolments',
    {
      config: { access: 'enrolments:read' },
      schema: {
        operationId: 'listEnrolments',
        summary: 'Enrolments that are open or ended lately, without their tokens',
        tags,
        querystring: pageQuery,
        response: { 200: pageSchema(enrolmentSchema) },
      },
    },
    async request => {
      const { limit, ...page } = request.query
      const enrolments = await desk.list({ ...page, limit: limit + 1 })
      return pageOf(enrolments, limit, enrolmentView, enrolment => enrolment.id)
    },
  )

  app.delete(
    '/v1/enrolments/:id',
    {
      config: { access: 'enrolments:write' },
      schema: {
        operationId: 'revokeEnrolment',
        summary: 'Make an enrolment token worthless',
        tags,
        params: idParams,
        response: { 204: z.undefined(), ...refusals(404, 409) },
      },
    },
    async (request, reply) => {
      await desk.revoke(request.params.id, actorOf(principalOf(request)))
      return reply.code(204).send()
    },
  )

  app.post(
    '/v1/enrolments/redeem',
    {
      config: { access: 'public' },
      schema: {
        operationId: 'redeemEnrolment',
        summary: 'A device turns its token into an identity, exactly once',
        description:
          'With a certificate request, or with the kind of credential that it wants. A kind that the token does not allow is refused, and the token stays good.',
        tags,
        body: redeemInput,
        response: {
          201: issuedSchema.extend({ device: deviceSchema }).meta({ id: 'EnrolledDevice' }),
          ...refusals(404, 409),
        },
      },
    },
    async (request, reply) => {
      const address = addressOf(request)
      const token = parseSecret(request.body.token)
      const claim = token === null ? null : `enrolment ${token.keyId}`
      const enrolled = await attempts.limited(address, claim, () => desk.redeem({ ...request.body, address }))
      return reply.code(201).send({ device: deviceView(enrolled.device), ...issuedView(enrolled) })
    },
  )

  app.post(
    '/v1/enrolments/renew',
    {
      config: { access: 'certificate' },
      schema: {
        operationId: 'renewCertificate',
        summary: 'The next certificate for a device that comes with its present one (mutual TLS)',
        description: 'For the same id and as long-lived as the present one; both work until the old one ends.',
        tags,
        body: z.strictObject({ csr: csrSchema }),
        response: {
          201: z.object({
            credential: credentialSchema,
            certificate: z.string().describe('PEM.'),
            chain: z.string().describe('Issuing and root certificate, PEM.'),
          }),
          ...refusals(409),
        },
      },
    },
    async (request, reply) => {
      const issued = await desk.renew(principalOf(request), request.body)
      const credential = credentialView(issued.credential)
      return reply.code(201).send({ credential, certificate: issued.certificatePem, chain: issued.chainPem })
    },
  )
}
