// An error of any kind as what the user reads, and as the exit code: 1 refused, 2 misuse.
import { ApiError } from '../client/client.ts'
import { asFailure, Failure, type Location, placeOf } from '../model/failure.ts'
import { printable } from '../model/printable.ts'
import { Misuse } from './misuse.ts'
import type { Paint } from './terminal.ts'

export interface Refusal {
  readonly code: string
  readonly message: string
  readonly advice: string | null
  readonly location: Location | null
  /** Id of the request in the broker's log. */
  readonly requestId: string | null
  readonly exitCode: 1 | 2
}

/** The broker tells strangers nothing more; the audit trail does. */
const STRANGER: ReadonlySet<string> = new Set(['unauthenticated', 'invalid_client'])
const SHOWN_WAS_REFUSED =
  'The token or secret is wrong, spent, expired or revoked; on the broker `latchkey audit list` tells which.'

export function refusalOf(error: unknown): Refusal {
  const nothing = { advice: null, location: null, requestId: null }
  if (error instanceof Misuse) return { ...nothing, code: 'misuse', message: error.message, exitCode: 2 }
  if (error instanceof ApiError) {
    const { code, detail, advice = null, location = null, requestId = null } = error
    // `body.id: ...` is the API's way to say which field; here it came from an argument.
    const message = detail.replace(/^body\./, '')
    const told = advice === detail ? null : (advice ?? (STRANGER.has(code) ? SHOWN_WAS_REFUSED : null))
    return { code, message, advice: told, location, requestId, exitCode: 1 }
  }
  const failure = asFailure(error)
  const { code, message, row, location = null } = failure
  const told = error instanceof Failure && row.advice !== message ? row.advice : null
  return { ...nothing, code, message, advice: code === 'internal' ? row.advice : told, location, exitCode: 1 }
}

/** The place, which is never part of the message, and the message. */
export const placedMessage = ({ message, location }: Pick<Refusal, 'message' | 'location'>): string =>
  location ? `${placeOf(location)}: ${message}` : message

export function refusalText(refusal: Refusal, paint: Paint): string {
  const { code, advice, requestId } = refusal
  const trace = requestId === null ? '' : `, request ${requestId}`
  return [
    `${paint('red', 'latchkey:')} ${printable(placedMessage(refusal), 2000)}`,
    ...(advice === null ? [] : [`  ${printable(advice, 1000)}`]),
    ...(code === 'misuse' ? [] : [paint('dim', `  (${code}${printable(trace)})`)]),
  ].join('\n')
}
