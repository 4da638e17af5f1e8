// The OpenAPI 3.1 document at /openapi.json, made from the schemas that the routes enforce.
import { STATUS_CODES } from 'node:http'
import swagger from '@fastify/swagger'
import type { FastifyInstance, FastifySchema } from 'fastify'
import { z } from 'zod'
import type { RouteAccess } from './api.ts'
import { PROBLEM_TYPE, problemSchema } from './problem-details.ts'
import { commonRefusals } from './refusals.ts'

type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

/** Stands in for a `$ref` while the framework handles the schemas; the last step turns it into one. */
const NAMED = 'x-named-schema'

const CERTIFICATE_SCHEME = { type: 'mutualTLS', description: 'The certificate that the device has.' }

export interface OpenApiOptions {
  readonly version: string
}

export async function registerOpenApi(app: FastifyInstance, { version }: OpenApiOptions): Promise<void> {
  const named: { [name: string]: Json } = {}
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Latchkey',
        description: 'Devices, credentials, policies and sessions of an MQTT and CoAP broker.',
        version,
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      components: {
        securitySchemes: {
          certificate: { type: 'http', scheme: 'mutual' }, // becomes CERTIFICATE_SCHEME: these types know 3.0 only
          bearer: { type: 'http', scheme: 'bearer', description: 'An API key (`lk_api_...`) or an access token.' },
        },
      },
    },
    convertConstToEnum: false,
    transform: ({ schema, url, route }) => {
      const access = route.config?.access
      const isPublic = access === 'public'
      const refused = commonRefusals(isPublic, 'body' in (schema ?? {}) || 'params' in (schema ?? {}))
      const { response, ...rest } = schema ?? {}
      const whole = { ...rest, response: { ...refused, ...(response as object) } }
      return { url, schema: { ...documented(whole, named), security: securityOf(access) } }
    },
    transformObject: documentObject => {
      const document = 'openapiObject' in documentObject ? documentObject.openapiObject : documentObject.swaggerObject
      const withRefs = linked(JSON.parse(JSON.stringify(document)) as Json) as { [key: string]: Json }
      const components = withRefs.components as { [key: string]: Json }
      components.schemas = linked(named)
      components.securitySchemes = { ...(components.securitySchemes as object), certificate: CERTIFICATE_SCHEME }
      return withRefs
    },
  })
}

function securityOf(access: RouteAccess | undefined): Record<string, string[]>[] {
  if (access === 'public') return []
  return access === 'certificate' ? [{ certificate: [] }] : [{ bearer: [] }]
}

/** A route's zod schemas as JSON Schema; media types other than JSON come from `produces`, by route. */
function documented(schema: FastifySchema, named: { [name: string]: Json }): FastifySchema {
  const { response, ...rest } = schema
  const parts = Object.entries(rest).map(([name, part]) => [
    name,
    part instanceof z.ZodType ? jsonSchema(part, named, 'input') : part,
  ])
  const answers = Object.entries((response ?? {}) as Record<string, unknown>).map(([status, answer]) => [
    status,
    answer instanceof z.ZodType ? answerOf(answer, status, schema.produces, named) : answer,
  ])
  return { ...Object.fromEntries(parts), response: Object.fromEntries(answers) } as FastifySchema
}

function answerOf(
  schema: z.ZodType,
  status: string,
  produces: readonly string[] | undefined,
  named: { [name: string]: Json },
): Json {
  const isProblem = schema === problemSchema
  const description = (isProblem ? undefined : schema.meta()?.description) ?? STATUS_CODES[status] ?? 'Answer'
  if (schema instanceof z.ZodUndefined) return { type: 'null', description }
  const types = isProblem ? [PROBLEM_TYPE] : (produces ?? ['application/json'])
  const content = Object.fromEntries(types.map(type => [type, { schema: jsonSchema(schema, named, 'output') }]))
  return { description, content }
}

function jsonSchema(schema: z.ZodType, named: { [name: string]: Json }, io: 'input' | 'output'): Json {
  const converted = z.toJSONSchema(schema, { target: 'draft-2020-12', io, unrepresentable: 'any', override: simplify })
  const { $schema: _dialect, $defs, ...rest } = JSON.parse(JSON.stringify(converted)) as { [key: string]: Json }
  for (const [name, definition] of Object.entries(($defs ?? {}) as { [name: string]: Json })) {
    named[name] = unlinked(definition)
  }
  return unlinked(rest)
}

/** What a reader knows already: the grammar of dates, and that numbers are exact. */
function simplify({ jsonSchema }: { readonly jsonSchema: z.core.JSONSchema.BaseSchema }): void {
  if (jsonSchema.format === 'date-time') delete jsonSchema.pattern
  if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum
  if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum
}

const LOCAL = '#/$defs/'

function unlinked(node: Json): Json {
  return walked(node, object => {
    const { $ref, ...rest } = object
    return typeof $ref === 'string' && $ref.startsWith(LOCAL) ? { ...rest, [NAMED]: $ref.slice(LOCAL.length) } : object
  })
}

function linked(node: Json): Json {
  return walked(node, object => {
    const { [NAMED]: name, ...rest } = object
    return typeof name === 'string' ? { ...rest, $ref: `#/components/schemas/${name}` } : object
  })
}

function walked(node: Json, change: (object: { [key: string]: Json }) => { [key: string]: Json }): Json {
  if (Array.isArray(node)) return node.map(item => walked(item, change))
  if (node === null || typeof node !== 'object') return node
  const entries = Object.entries(change(node)).map(([key, value]) => [key, walked(value, change)] as const)
  return Object.fromEntries(entries)
}
