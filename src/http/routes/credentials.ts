import { z } from 'zod'
import type { Actor } from '../../audit/events.ts'
import { Failure } from '../../model/failure.ts'
import type { HttpApp, RouteParts } from '../api.ts'
import { actorOf, principalOf } from '../operator-authentication.ts'
import { refusals } from '../refusals.ts'
import { credentialSchema, credentialView, issuedSchema, oscoreView } from '../views/credential-view.ts'
import { identifierSchema, limitSchema, pageOf, pageSchema } from '../views/page.ts'
import { idParams, labelSchema, lifetimeSchema } from './owner-input.ts'

const tags = ['credentials']

const common = { owner: identifierSchema, lifetime: lifetimeSchema.describe('Seconds.'), label: labelSchema }
const pskIdentity = z.string().min(1).max(128).optional()
const pskKey = z.string().min(32).max(128).optional().describe('Hex; made when absent.')

const oscoreId = z
  .string()
  .regex(/^(?:[0-9a-f]{2}){0,7}$/)
  .optional()
const oscoreSenderId = oscoreId.describe('Hex, as the device sees it; made when absent.')

const issueInput = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('secret'), ...common, audience: z.enum(['mqtt', 'api', 'token']).default('mqtt') }),
  z.strictObject({ kind: z.literal('psk'), ...common, identity: pskIdentity, key: pskKey }),
  z.strictObject({ kind: z.literal('scram'), ...common }),
  z.strictObject({
    kind: z.literal('oscore'),
    ...common,
    senderId: oscoreSenderId,
    recipientId: oscoreId.describe('Hex, as the device sees it: what the broker calls itself.'),
    idContext: z
      .string()
      .regex(/^(?:[0-9a-f]{2}){1,64}$/)
      .optional()
      .describe('Hex; none when absent.'),
  }),
  z.strictObject({
    kind: z.literal('jwt-key'),
    ...common,
    jwk: z.record(z.string(), z.unknown()).describe('A public JWK (RFC 7517): ES256, EdDSA or RS256.'),
    kid: z.string().min(1).max(128).optional(),
    algorithm: z.enum(['ES256', 'EdDSA', 'RS256']).optional(),
  }),
  z.strictObject({
    kind: z.literal('x509'),
    ...common,
    lifetime: z.int().min(1).max(3_155_760_000).optional().describe('Seconds; the profile bounds it.'),
    csr: z.string().min(1).max(65_536).optional().describe('PKCS#10 in PEM; without it the key is made here.'),
    password: z.string().min(8).max(256).optional().describe('For the PKCS#12; made when absent.'),
  }),
])

const rotateInput = z.strictObject({
  overlap: z.int().min(0).max(31_536_000).default(0).describe('Seconds during which the old one still works.'),
  lifetime: lifetimeSchema.describe('Seconds; as long as the old one was made for when absent.'),
  identity: pskIdentity,
  key: pskKey,
  senderId: oscoreSenderId,
})

export function credentialRoutes(app: HttpApp, parts: RouteParts): void {
  const { registry, ceiling } = parts
  const found = (id: string) => {
    const credential = registry.credential(id)
    if (!credential) throw new Failure('not-found', `There is no credential ${id}; list them with GET /v1/credentials.`)
    return credential
  }

  app.get(
    '/v1/credentials',
    {
      config: { access: 'credentials:read' },
      schema: {
        operationId: 'listCredentials',
        summary: 'Credentials, of one owner or of all, in the order of their ids',
        tags,
        querystring: z.strictObject({
          owner: z.exactOptional(identifierSchema),
          after: z.exactOptional(identifierSchema),
          limit: limitSchema,
        }),
        response: { 200: pageSchema(credentialSchema) },
      },
    },
    async request => {
      const { owner, after, limit } = request.query
      const credentials =
        owner === undefined
          ? await registry.credentials({ after, limit: limit + 1 })
          : (await registry.credentialsOf(owner))
              .filter(credential => after === undefined || credential.id > after)
              .sort((a, b) => (a.id < b.id ? -1 : 1))
      return pageOf(credentials, limit, credentialView, credential => credential.id)
    },
  )

  app.get(
    '/v1/credentials/:id',
    {
      config: { access: 'credentials:read' },
      schema: {
        operationId: 'getCredential',
        summary: 'One credential',
        tags,
        params: idParams,
        response: { 200: credentialSchema, ...refusals(404) },
      },
    },
    async request => credentialView(found(request.params.id)),
  )

  app.post(
    '/v1/credentials',
    {
      config: { access: 'credentials:write' },
      schema: {
        operationId: 'issueCredential',
        summary: 'Give a device or client a credential; secrets are shown this once',
        tags,
        body: issueInput,
        response: { 201: issuedSchema, ...refusals(404, 409) },
      },
    },
    async (request, reply) => {
      const principal = principalOf(request)
      request.target = request.body.owner
      ceiling.checkOwner(principal, request.body.owner)
      const issued = await issue(parts, request.body, actorOf(principal))
      return reply.code(201).header('location', `/v1/credentials/${issued.credential.id}`).send(issued)
    },
  )

  app.post(
    '/v1/credentials/:id/revoke',
    {
      config: { access: 'credentials:write' },
      schema: {
        operationId: 'revokeCredential',
        summary: 'Revoke a credential; its sessions have ended when this answers',
        tags,
        params: idParams,
        body: z.strictObject({ reason: z.string().min(1).max(256) }),
        response: { 200: credentialSchema, ...refusals(404, 409) },
      },
    },
    async request => {
      const principal = principalOf(request)
      const { id } = request.params
      ceiling.checkOwner(principal, found(id).owner)
      await registry.revokeCredential(id, { reason: request.body.reason }, actorOf(principal))
      return credentialView(found(id))
    },
  )

  app.post(
    '/v1/credentials/:id/rotate',
    {
      config: { access: 'credentials:write' },
      schema: {
        operationId: 'rotateCredential',
        summary: 'Make the next secret, pre-shared key or OSCORE context; the old one ends after the overlap',
        tags,
        params: idParams,
        body: rotateInput,
        response: { 201: issuedSchema, ...refusals(404, 409) },
      },
    },
    async (request, reply) => {
      const principal = principalOf(request)
      const { id } = request.params
      const { kind, owner } = found(id)
      ceiling.checkOwner(principal, owner)
      const actor = actorOf(principal)
      const { identity, key, senderId, ...rotation } = request.body
      checkOnly(kind, { psk: { identity, key }, oscore: { senderId } })
      if (kind === 'psk') {
        const next = await registry.rotatePsk(id, { ...rotation, identity, key }, actor)
        const psk = { identity: next.identity, key: next.key.toString('hex') }
        return reply.code(201).send({ credential: credentialView(next.credential), psk })
      }
      if (kind === 'oscore') {
        const next = await registry.rotateOscore(id, { ...rotation, senderId }, actor)
        return reply.code(201).send({ credential: credentialView(next.credential), oscore: oscoreView(next) })
      }
      if (kind === 'scram')
        throw new Failure('wrong-state', `${id} is a scram credential; revoke it, then issue the next one.`)
      if (kind !== 'secret')
        throw new Failure('wrong-state', `${id} is a ${kind} credential; issue the next one, then revoke this one.`)
      const next = await registry.rotateSecret(id, rotation, actor)
      return reply.code(201).send({ credential: credentialView(next.credential), secret: next.secret })
    },
  )
}

/** Fields that only one kind has: given for another they are a mistake worth telling. */
function checkOnly(kind: string, fields: Readonly<Record<string, Readonly<Record<string, string | undefined>>>>): void {
  for (const [owner, its] of Object.entries(fields)) {
    const given = Object.keys(its).find(name => its[name] !== undefined)
    if (owner !== kind && given !== undefined)
      throw new Failure('invalid-input', `body.${given}: only for a credential of kind ${owner}`)
  }
}

async function issue(
  { registry, ca, random }: RouteParts,
  input: z.output<typeof issueInput>,
  actor: Actor,
): Promise<z.input<typeof issuedSchema>> {
  switch (input.kind) {
    case 'secret': {
      const { kind: _kind, owner, ...options } = input
      const { credential, secret } = await registry.issueSecret(owner, options, actor)
      return { credential: credentialView(credential), secret }
    }
    case 'psk': {
      const { kind: _kind, owner, ...options } = input
      const { credential, identity, key } = await registry.issuePsk(owner, options, actor)
      return { credential: credentialView(credential), psk: { identity, key: key.toString('hex') } }
    }
    case 'scram': {
      const { kind: _kind, owner, ...options } = input
      const { credential, username, password } = await registry.issueScram(owner, options, actor)
      return { credential: credentialView(credential), scram: { username, password } }
    }
    case 'oscore': {
      const { kind: _kind, owner, ...options } = input
      const issued = await registry.issueOscore(owner, options, actor)
      return { credential: credentialView(issued.credential), oscore: oscoreView(issued) }
    }
    case 'jwt-key': {
      const { kind: _kind, owner, ...options } = input
      const { credential } = await registry.addJwtKey(owner, options, actor)
      return { credential: credentialView(credential) }
    }
    case 'x509': {
      const { kind: _kind, csr, password: given, ...options } = input
      if (csr !== undefined) {
        if (given !== undefined)
          throw new Failure('invalid-input', 'body.password: with a csr there is no PKCS#12 to seal')
        const issued = await ca.issue({ ...options, csr }, actor)
        return {
          credential: credentialView(issued.credential),
          certificate: issued.certificatePem,
          chain: issued.chainPem,
        }
      }
      const password = given ?? random.bytes(15).toString('base64url')
      const issued = await ca.issueWithKey({ ...options, password }, actor)
      return {
        credential: credentialView(issued.credential),
        certificate: issued.certificatePem,
        chain: issued.chainPem,
        privateKey: issued.privateKeyPem,
        pkcs12: issued.pkcs12.toString('base64'),
        password,
      }
    }
  }
}
