import type { Location } from './types.ts'

export interface ApiErrorFields {
  readonly code: string
  readonly status: number
  readonly detail: string
  readonly advice?: string | undefined
  readonly location?: Location | undefined
  readonly requestId?: string | undefined
  readonly retryAfter?: number | undefined
  readonly cause?: unknown
}

/** The broker refused, or could not be reached. `message` is `detail`. */
export class ApiError extends Error {
  /**
   * From the broker's failure catalogue (`not-found`, `policy-denied`, ...); `unauthenticated`, `refused` or
   * `unavailable` where it does not tell strangers more; `unreachable`, `timeout` or `invalid-answer` when there was no
   * answer to read.
   */
  readonly code: string
  /** HTTP status; 0 without an answer. */
  readonly status: number
  /** One sentence: what was wrong, where, what to do next. */
  readonly detail: string
  /** What usually helps. */
  readonly advice: string | undefined
  /** Where in a file that was sent. */
  readonly location: Location | undefined
  /** Id of the request in the broker's log. */
  readonly requestId: string | undefined
  /** Seconds to wait before the next try. */
  readonly retryAfter: number | undefined

  constructor(fields: ApiErrorFields) {
    super(fields.detail, fields.cause === undefined ? undefined : { cause: fields.cause })
    this.name = 'ApiError'
    this.code = fields.code
    this.status = fields.status
    this.detail = fields.detail
    this.advice = fields.advice
    this.location = fields.location
    this.requestId = fields.requestId
    this.retryAfter = fields.retryAfter
  }
}
