// What goes wrong in front of a user, thrown as one class; its row in the catalogue says how each protocol tells it.
import { FAILURES, type FailureCode, type FailureRow } from './failure-catalogue.ts'

export { FAILURES, type FailureCode, type FailureRow } from './failure-catalogue.ts'

/** Where in a file something was wrong. Lines and columns begin at 1. */
export interface Location {
  readonly file: string
  readonly line?: number
  readonly column?: number
}

/** `file:line:column`, as far as known. */
export const placeOf = ({ file, line, column }: Location): string =>
  [file, line, column].filter(part => part !== undefined).join(':')

/**
 * Something that went wrong in front of a user. `message` is one sentence for the operator (what, where, what to do);
 * a stranger gets only the row's `stranger`. It never holds a secret. A place in a file is the `location` and not part
 * of the message: whoever shows the message shows the place before or beside it.
 */
export class Failure extends Error {
  readonly code: FailureCode
  readonly location: Location | undefined

  constructor(
    code: FailureCode,
    message: string = FAILURES[code].advice,
    options: { location?: Location; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'Failure'
    this.code = code
    this.location = options.location
  }

  get row(): FailureRow {
    return FAILURES[this.code]
  }

  /** `file:line:column` when known. */
  get where(): string {
    return this.location ? placeOf(this.location) : ''
  }
}

/** Any thrown value as a Failure; the unexpected becomes `internal` and keeps its cause. */
export function asFailure(error: unknown): Failure {
  if (error instanceof Failure) return error
  return new Failure('internal', error instanceof Error ? error.message : String(error), { cause: error })
}
