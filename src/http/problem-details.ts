// RFC 9457 problem details: how every refusal leaves the HTTP API.
import { STATUS_CODES } from 'node:http'
import { z } from 'zod'
import { asFailure, Failure, type FailureRow, type Location } from '../model/failure.ts'
import { printable } from '../model/printable.ts'

export const PROBLEM_TYPE = 'application/problem+json'

/** With a 429 (RFC 6585 4), seconds: by then some failures are forgiven. */
export const RETRY_AFTER = '10'

/** The body of every answer from 400 on. `code`, `advice` and `location` are told to authenticated callers only. */
export const problemSchema = z
  .object({
    type: z.string().describe('`urn:latchkey:failure:<code>`; `about:blank` for callers without authentication.'),
    title: z.string().describe('What kind of problem it is; the same for every occurrence.'),
    status: z.int().describe('The HTTP status again.'),
    detail: z.string().describe('What was wrong this time, where, and what to do next.'),
    instance: z.string().describe('The id of the request, as in `x-request-id` and the log.'),
    code: z.exactOptional(z.string()).describe('A stable code from the failure catalogue.'),
    advice: z.exactOptional(z.string()).describe('What usually helps.'),
    location: z
      .exactOptional(z.object({ file: z.string(), line: z.exactOptional(z.int()), column: z.exactOptional(z.int()) }))
      .describe('Where in a file; lines and columns begin at 1.'),
  })
  .meta({ id: 'Problem', description: 'RFC 9457 problem details.' })

export type Problem = z.output<typeof problemSchema>

/**
 * What the caller reads about a failure. A stranger learns the status and the one sentence of its row, so that all
 * reasons for one status look alike; an operator gets the whole of it.
 */
export function problemFor(failure: Failure, requestId: string, authenticated: boolean): Problem {
  const row = failure.row
  const common = { status: row.http, instance: requestId }
  if (!authenticated)
    return { type: 'about:blank', title: STATUS_CODES[row.http] ?? 'Error', detail: row.stranger, ...common }
  // An unexpected error's message may quote anything; it goes to the log, with the request id, not to the caller.
  const detail = failure.code === 'internal' ? `${row.stranger} The log has it under ${requestId}.` : failure.message
  return {
    type: `urn:latchkey:failure:${failure.code}`,
    title: row.stranger,
    detail: printable(detail, 2000),
    ...common,
    code: failure.code,
    advice: row.advice,
    ...(failure.location ? { location: locationView(failure.location) } : {}),
  }
}

function locationView({ file, line, column }: Location): NonNullable<Problem['location']> {
  return {
    file: printable(file, 500),
    ...(line === undefined ? {} : { line }),
    ...(column === undefined ? {} : { column }),
  }
}

/** Zod's first issue as `invalid-input`, naming the field: `body.attributes.room`. */
export function invalidInput(error: z.ZodError, part: string): Failure {
  const [first, ...others] = error.issues
  const { path, issue } = innermost(first, [part])
  const unknown = issue?.code === 'unrecognized_keys' ? issue.keys[0] : undefined
  const name = [...path, ...(unknown === undefined ? [] : [unknown])].map(String).join('.')
  const why = unknown === undefined ? (issue?.message ?? 'is not valid') : 'unknown field; look for a typing error'
  const more = others.length > 0 ? ` (and ${others.length} more)` : ''
  return new Failure('invalid-input', printable(`${name}: ${why}${more}`, 1000))
}

type Issue = z.core.$ZodIssue

/** In a choice of shapes: what is wrong with the one that comes closest. */
function innermost(issue: Issue | undefined, above: readonly PropertyKey[]): { path: PropertyKey[]; issue?: Issue } {
  if (!issue) return { path: [...above] }
  const path = [...above, ...issue.path]
  if (issue.code !== 'invalid_union' || issue.errors.length === 0) return { path, issue }
  const [closest] = [...issue.errors].sort((a, b) => a.length - b.length)
  return innermost(closest?.[0], path)
}

/** What fastify itself refuses, by the code of its error. */
const FRAMEWORK_FAILURES: ReadonlyMap<string, readonly [code: 'too-large' | 'invalid-input', message: string]> =
  new Map([
    [
      'FST_ERR_CTP_BODY_TOO_LARGE',
      ['too-large', 'The body is larger than limits.http.requestBytes; send less at once.'],
    ],
    ['FST_ERR_CTP_INVALID_MEDIA_TYPE', ['invalid-input', 'content-type: this media type is not read here.']],
    ['FST_ERR_CTP_INVALID_JSON_BODY', ['invalid-input', 'body: it is not valid JSON; correct its syntax.']],
    ['FST_ERR_CTP_EMPTY_JSON_BODY', ['invalid-input', 'body: it is empty; send a JSON object.']],
    ['FST_ERR_CTP_INVALID_CONTENT_LENGTH', ['invalid-input', 'content-length: it does not agree with the body.']],
    ['FST_ERR_BAD_URL', ['invalid-input', 'The path is not a valid URL path.']],
    ['FST_ERR_MAX_PARAM_LENGTH', ['invalid-input', 'The path holds a part that is too long.']],
  ])

/** Any thrown value as a Failure; what the framework refused for the caller's fault does not count as ours. */
export function failureOf(error: unknown): Failure {
  if (error instanceof Failure) return error
  if (error instanceof z.ZodError) return invalidInput(error, 'input')
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
  const known = FRAMEWORK_FAILURES.get(code)
  if (known) return new Failure(known[0], known[1], { cause: error })
  const status =
    error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number' ? error.statusCode : 500
  if (status >= 400 && status < 500)
    return new Failure('invalid-input', 'The request is not valid HTTP for this route.', { cause: error })
  return asFailure(error)
}

/** Challenge for a 401 or an `insufficient_scope` (RFC 6750 3); null when none belongs to this failure. */
export function bearerChallenge(failure: Failure): string | null {
  const row: FailureRow = failure.row
  if (failure.code === 'no-evidence') return 'Bearer realm="latchkey"'
  if (row.http === 401) return 'Bearer realm="latchkey", error="invalid_token"'
  if (failure.code === 'scope-denied') return 'Bearer realm="latchkey", error="insufficient_scope"'
  return null
}
