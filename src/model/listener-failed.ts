// A port that could not be opened, told so that whoever runs the broker knows what to do.
import { asFailure, Failure } from './failure.ts'

/** What the operating system answers, and what is to be done. */
const ADVICE: ReadonlyMap<unknown, string> = new Map([
  ['EADDRINUSE', 'the port is taken; free it, or choose another (0 = any)'],
  ['EACCES', 'this user may not open that port; choose one above 1023'],
  ['EADDRNOTAVAIL', 'this machine does not have that address'],
])

export interface ListenerAddress {
  /** The listener's name. */
  readonly name: string
  readonly host: string
  readonly port: number
}

/** `listener-failed`, with `error` as its cause. */
export function listenerFailed({ name, host, port }: ListenerAddress, error: unknown): Failure {
  const reason = ADVICE.get((error as NodeJS.ErrnoException).code) ?? asFailure(error).message
  return new Failure('listener-failed', `listener ${name} could not be opened on ${host}:${port}: ${reason}`, {
    cause: error,
  })
}
