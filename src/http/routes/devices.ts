import { z } from 'zod'
import { Failure } from '../../model/failure.ts'
import type { HttpApp, RouteParts } from '../api.ts'
import { actorOf, principalOf } from '../operator-authentication.ts'
import { refusals } from '../refusals.ts'
import { deviceSchema, deviceTypeSchema, deviceTypeView, deviceView } from '../views/device-view.ts'
import { identifierSchema, pageOf, pageQuery, pageSchema } from '../views/page.ts'
import { attributesSchema, clientIdsSchema, idParams, namesSchema } from './owner-input.ts'

const tags = ['devices']

const deviceInput = z.strictObject({
  id: identifierSchema,
  type: identifierSchema,
  attributes: attributesSchema.optional(),
  groups: namesSchema.optional(),
  roles: namesSchema.optional(),
  parent: identifierSchema.nullable().optional(),
  clientIds: clientIdsSchema.optional(),
})

const devicePatch = z.strictObject({
  type: identifierSchema.optional(),
  attributes: z
    .record(z.string(), z.string().nullable())
    .optional()
    .describe('Merged; null removes one (as RFC 7396 has it).'),
  groups: namesSchema.optional(),
  roles: namesSchema.optional(),
  parent: identifierSchema.nullable().optional(),
  clientIds: clientIdsSchema.optional(),
})

const typeInput = z.strictObject({
  description: z.string().max(500).optional(),
  attributes: z.record(z.string(), z.strictObject({ required: z.boolean().optional() })).optional(),
  clientIds: clientIdsSchema.optional(),
})

export function deviceRoutes(app: HttpApp, parts: RouteParts): void {
  const { registry, ceiling } = parts
  const found = (id: string) => {
    const device = registry.device(id)
    if (!device) throw new Failure('not-found', `There is no device ${id}; list them with GET /v1/devices.`)
    return device
  }

  app.get(
    '/v1/devices',
    {
      config: { access: 'devices:read' },
      schema: {
        operationId: 'listDevices',
        summary: 'Devices in the order of their ids',
        tags,
        querystring: pageQuery.extend({ type: z.exactOptional(identifierSchema) }),
        response: { 200: pageSchema(deviceSchema) },
      },
    },
    async request => {
      const { limit, ...page } = request.query
      const devices = await registry.devices({ ...page, limit: limit + 1 })
      return pageOf(devices, limit, deviceView, device => device.id)
    },
  )

  app.post(
    '/v1/devices',
    {
      config: { access: 'devices:write' },
      schema: {
        operationId: 'createDevice',
        summary: 'Register a device',
        tags,
        body: deviceInput,
        response: { 201: deviceSchema, ...refusals(404, 409) },
      },
    },
    async (request, reply) => {
      const principal = principalOf(request)
      request.target = request.body.id
      ceiling.checkDevice(principal, request.body)
      const device = await registry.createDevice(request.body, actorOf(principal))
      return reply.code(201).header('location', `/v1/devices/${device.id}`).send(deviceView(device))
    },
  )

  app.get(
    '/v1/devices/:id',
    {
      config: { access: 'devices:read' },
      schema: {
        operationId: 'getDevice',
        summary: 'One device',
        tags,
        params: idParams,
        response: { 200: deviceSchema, ...refusals(404) },
      },
    },
    async request => deviceView(found(request.params.id)),
  )

  app.patch(
    '/v1/devices/:id',
    {
      config: { access: 'devices:write' },
      schema: {
        operationId: 'updateDevice',
        summary: 'Change a device; what is absent stays',
        tags,
        params: idParams,
        body: devicePatch,
        response: { 200: deviceSchema, ...refusals(404, 409) },
      },
    },
    async request => {
      const principal = principalOf(request)
      const { id } = request.params
      const device = found(id)
      const { type = device.type, groups = device.groups, roles = device.roles } = request.body
      ceiling.checkOwner(principal, id)
      ceiling.checkDevice(principal, { id, type, groups, roles })
      return deviceView(await registry.updateDevice(id, request.body, actorOf(principal)))
    },
  )

  app.delete(
    '/v1/devices/:id',
    {
      config: { access: 'devices:write' },
      schema: {
        operationId: 'removeDevice',
        summary: 'Remove a device; its credentials are revoked and its sessions end',
        tags,
        params: idParams,
        response: { 204: z.undefined(), ...refusals(404, 409) },
      },
    },
    async (request, reply) => {
      const principal = principalOf(request)
      ceiling.checkOwner(principal, request.params.id)
      await registry.removeDevice(request.params.id, actorOf(principal))
      return reply.code(204).send()
    },
  )

  for (const verb of ['suspend', 'resume'] as const) {
    app.post(
      `/v1/devices/:id/${verb}`,
      {
        config: { access: 'devices:write' },
        schema: {
          operationId: `${verb}Device`,
          summary: verb === 'suspend' ? 'Shut a device out until it is resumed; its sessions end' : 'Let it in again',
          tags,
          params: idParams,
          response: { 200: deviceSchema, ...refusals(404, 409) },
        },
      },
      async request => {
        const principal = principalOf(request)
        const { id } = request.params
        ceiling.checkOwner(principal, id)
        const actor = actorOf(principal)
        return deviceView(
          await (verb === 'suspend' ? registry.suspendDevice(id, actor) : registry.resumeDevice(id, actor)),
        )
      },
    )
  }
}

export function deviceTypeRoutes(app: HttpApp, { registry }: RouteParts): void {
  app.get(
    '/v1/device-types',
    {
      config: { access: 'devices:read' },
      schema: {
        operationId: 'listDeviceTypes',
        summary: 'Device types in the order of their ids',
        tags,
        querystring: pageQuery,
        response: { 200: pageSchema(deviceTypeSchema) },
      },
    },
    async request => {
      const { after, limit } = request.query
      const types = (await registry.deviceTypes()).filter(type => after === undefined || type.id > after)
      return pageOf(types, limit, deviceTypeView, type => type.id)
    },
  )

  app.get(
    '/v1/device-types/:id',
    {
      config: { access: 'devices:read' },
      schema: {
        operationId: 'getDeviceType',
        summary: 'One device type',
        tags,
        params: idParams,
        response: { 200: deviceTypeSchema, ...refusals(404) },
      },
    },
    async request => {
      const type = registry.deviceType(request.params.id)
      if (!type) throw new Failure('not-found', `There is no device type ${request.params.id}.`)
      return deviceTypeView(type)
    },
  )

  app.put(
    '/v1/device-types/:id',
    {
      config: { access: 'devices:write' },
      schema: {
        operationId: 'putDeviceType',
        summary: 'Make a device type, or replace it',
        tags,
        params: idParams,
        body: typeInput,
        response: { 200: deviceTypeSchema, ...refusals(409) },
      },
    },
    async request => {
      const { id } = request.params
      const type = await registry.putDeviceType({ ...request.body, id }, actorOf(principalOf(request)))
      return deviceTypeView(type)
    },
  )
}
