// Routes declare zod schemas: one source for the checks at the door, the types in the handler and the OpenAPI document.
import type { FastifySchemaCompiler, FastifyTypeProvider } from 'fastify'
import type { FastifySerializerCompiler } from 'fastify/types/schema.js'
import type { z } from 'zod'
import { Failure } from '../model/failure.ts'
import { invalidInput } from './problem-details.ts'

/** Gives handlers the types of their route's schemas. */
export interface ZodTypeProvider extends FastifyTypeProvider {
  validator: this['schema'] extends z.ZodType ? z.output<this['schema']> : unknown
  serializer: this['schema'] extends z.ZodType ? z.input<this['schema']> : unknown
}

const PART_NAMES: Readonly<Record<string, string>> = { querystring: 'query', params: 'path' }

/** Nothing is coerced, filled in silently or dropped but what the schema says; the Failure names the field. */
export const validatorCompiler: FastifySchemaCompiler<z.ZodType> = ({ schema, httpPart }) => {
  const part = httpPart ?? 'input'
  const name = PART_NAMES[part] ?? part
  return (data: unknown) => {
    const result = schema.safeParse(data)
    return result.success ? { value: result.data } : { error: invalidInput(result.error, name) }
  }
}

/** Only what the response schema names leaves the house: a field added to a record stays inside until it is named there. */
export const serializerCompiler: FastifySerializerCompiler<z.ZodType> = ({ schema, method, url }) => {
  return (data: unknown) => {
    const result = schema.safeParse(data)
    if (result.success) return JSON.stringify(result.data)
    throw new Failure('internal', `the answer of ${method} ${url} does not fit its schema`, { cause: result.error })
  }
}
