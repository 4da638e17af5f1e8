/** Waiting as an argument. */
export interface Scheduler {
  /** Runs once after so many milliseconds; returns what cancels it. */
  after(milliseconds: number, run: () => void): () => void
}

/** What setTimeout can wait for, in milliseconds; whoever waits longer looks at the clock and waits again. */
export const LONGEST_WAIT = 0x7fffffff

/** Timers of this process; they do not keep it alive. */
export const systemScheduler: Scheduler = {
  after(milliseconds, run) {
    const timer = setTimeout(run, Math.min(Math.max(0, milliseconds), LONGEST_WAIT)).unref()
    return () => clearTimeout(timer)
  },
}
