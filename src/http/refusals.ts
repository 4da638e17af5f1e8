import type { z } from 'zod'
import { problemSchema } from './problem-details.ts'

/**
 * Statuses that a route may refuse with besides those of every route. For the document: no handler answers with them,
 * refusals are thrown.
 */
export function refusals(...statuses: readonly (404 | 409 | 413 | 422 | 503)[]): Readonly<Record<never, z.ZodType>> {
  return Object.fromEntries(statuses.map(status => [status, problemSchema]))
}

/** What the parser, the door and the limiter refuse with on every route, by who may call and whether anything is read. */
export function commonRefusals(isPublic: boolean, readsInput: boolean): Readonly<Record<string, z.ZodType>> {
  const statuses = [...(readsInput ? [400] : []), ...(isPublic ? [] : [401, 403]), 421, 429, 500]
  return Object.fromEntries(statuses.map(status => [status, problemSchema]))
}
