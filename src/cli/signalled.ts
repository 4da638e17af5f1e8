const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
/** Ctrl-C reaches us twice below npm, which passes on what the terminal sends to all: milliseconds that count as one. */
const SAME_SIGNAL = 1000

/**
 * Resolves with the first signal; a later one does not wait for a graceful end. The listeners stay to the end of the
 * process: without one, even for a moment, the second of two quick signals would kill it halfway through closing.
 */
export function signalled(): Promise<void> {
  return new Promise(resolve => {
    let first: number | null = null
    const heard = () => {
      first ??= performance.now()
      if (performance.now() - first > SAME_SIGNAL) process.exit(1)
      resolve()
    }
    for (const signal of SIGNALS) process.on(signal, heard)
  })
}
