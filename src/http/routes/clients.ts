import { z } from 'zod'
import { Failure } from '../../model/failure.ts'
import type { HttpApp, RouteParts } from '../api.ts'
import { actorOf, principalOf } from '../operator-authentication.ts'
import { refusals } from '../refusals.ts'
import { clientSchema, clientView } from '../views/client-view.ts'
import { identifierSchema, pageOf, pageQuery, pageSchema } from '../views/page.ts'
import { attributesSchema, clientIdsSchema, idParams, namesSchema } from './owner-input.ts'

const tags = ['clients']

const shared = {
  groups: namesSchema.optional(),
  roles: namesSchema.optional(),
  scopes: z.array(z.string().min(1).max(1024)).max(64).nullable().optional(),
  authMethod: z.enum(['client_secret_basic', 'client_secret_post']).optional(),
  tokenLifetime: z.int().min(1).max(86_400).nullable().optional().describe('Seconds; null: the default.'),
  clientIds: clientIdsSchema.optional(),
}

const clientInput = z.strictObject({
  id: identifierSchema,
  kind: z.enum(['service', 'operator']).optional().describe('`operator`: a person or program that administers.'),
  attributes: attributesSchema.optional(),
  ...shared,
})

const clientPatch = z.strictObject({
  attributes: z.record(z.string(), z.string().nullable()).optional().describe('Merged; null removes one.'),
  ...shared,
})

export function clientRoutes(app: HttpApp, { registry, ceiling }: RouteParts): void {
  const found = (id: string) => {
    const client = registry.client(id)
    if (!client) throw new Failure('not-found', `There is no client ${id}; list them with GET /v1/clients.`)
    return client
  }

  app.get(
    '/v1/clients',
    {
      config: { access: 'clients:read' },
      schema: {
        operationId: 'listClients',
        summary: 'Services and operators in the order of their ids',
        tags,
        querystring: pageQuery,
        response: { 200: pageSchema(clientSchema) },
      },
    },
    async request => {
      const { limit, ...page } = request.query
      const clients = await registry.clients({ ...page, limit: limit + 1 })
      return pageOf(clients, limit, clientView, client => client.id)
    },
  )

  app.post(
    '/v1/clients',
    {
      config: { access: 'clients:write' },
      schema: {
        operationId: 'createClient',
        summary: 'Register a service or an operator',
        tags,
        body: clientInput,
        response: { 201: clientSchema, ...refusals(409) },
      },
    },
    async (request, reply) => {
      const principal = principalOf(request)
      request.target = request.body.id
      ceiling.checkClient(principal, { ...request.body, kind: request.body.kind ?? 'service' })
      const client = await registry.createClient(request.body, actorOf(principal))
      return reply.code(201).header('location', `/v1/clients/${client.id}`).send(clientView(client))
    },
  )

  app.get(
    '/v1/clients/:id',
    {
      config: { access: 'clients:read' },
      schema: {
        operationId: 'getClient',
        summary: 'One client',
        tags,
        params: idParams,
        response: { 200: clientSchema, ...refusals(404) },
      },
    },
    async request => clientView(found(request.params.id)),
  )

  app.patch(
    '/v1/clients/:id',
    {
      config: { access: 'clients:write' },
      schema: {
        operationId: 'updateClient',
        summary: 'Change a client; what is absent stays',
        tags,
        params: idParams,
        body: clientPatch,
        response: { 200: clientSchema, ...refusals(404, 409) },
      },
    },
    async request => {
      const principal = principalOf(request)
      const { id } = request.params
      const { kind, groups, roles } = found(id)
      ceiling.checkOwner(principal, id)
      ceiling.checkClient(principal, {
        id,
        kind,
        groups: request.body.groups ?? groups,
        roles: request.body.roles ?? roles,
      })
      return clientView(await registry.updateClient(id, request.body, actorOf(principal)))
    },
  )

  app.delete(
    '/v1/clients/:id',
    {
      config: { access: 'clients:write' },
      schema: {
        operationId: 'removeClient',
        summary: 'Remove a client; its credentials are revoked and its sessions end',
        tags,
        params: idParams,
        response: { 204: z.undefined(), ...refusals(404, 409) },
      },
    },
    async (request, reply) => {
      const principal = principalOf(request)
      ceiling.checkOwner(principal, request.params.id)
      await registry.removeClient(request.params.id, actorOf(principal))
      return reply.code(204).send()
    },
  )

  for (const verb of ['suspend', 'resume'] as const) {
    app.post(
      `/v1/clients/:id/${verb}`,
      {
        config: { access: 'clients:write' },
        schema: {
          operationId: `${verb}Client`,
          summary: verb === 'suspend' ? 'Shut a client out until it is resumed; its sessions end' : 'Let it in again',
          tags,
          params: idParams,
          response: { 200: clientSchema, ...refusals(404, 409) },
        },
      },
      async request => {
        const principal = principalOf(request)
        const { id } = request.params
        ceiling.checkOwner(principal, id)
        const actor = actorOf(principal)
        return clientView(
          await (verb === 'suspend' ? registry.suspendClient(id, actor) : registry.resumeClient(id, actor)),
        )
      },
    )
  }
}
