// Nothing in a run may hang: every wait has an end.

/** Somebody ended the run early. */
export class Interrupted extends Error {
  constructor() {
    super('the run was ended early')
    this.name = 'Interrupted'
  }
}

/** Rejects when the work takes longer, or the run is ended. The work itself goes on: it must have bounds of its own. */
export function within<T>(what: string, milliseconds: number, signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = () => settle(() => reject(new Error(`${what}: nothing within ${milliseconds / 1000} s`)))
    const interrupted = () => settle(() => reject(new Interrupted()))
    const timer = setTimeout(late, milliseconds)
    const settle = (action: () => void) => {
      clearTimeout(timer)
      signal.removeEventListener('abort', interrupted)
      action()
    }
    work.then(
      value => settle(() => resolve(value)),
      error => settle(() => reject(error)),
    )
    if (signal.aborted) interrupted()
    else signal.addEventListener('abort', interrupted)
  })
}

/** Resolves as soon as `holds`, looked at now and then; false when it does not in time. */
export async function eventually(
  holds: () => boolean,
  milliseconds: number,
  sleep: (milliseconds: number) => Promise<void>,
): Promise<boolean> {
  for (let waited = 0; !holds(); waited += LOOK) {
    if (waited >= milliseconds) return false
    await sleep(LOOK)
  }
  return true
}

/** Milliseconds between two looks. */
const LOOK = 50
