// One timer for everything that waits on a server: a hashed wheel (Varghese and Lauck), so that setting and cancelling a
// timeout costs a few assignments, however many there are.
import type { Scheduler } from '../access/scheduler.ts'
import type { Clock } from '../model/clock.ts'

/** Milliseconds: how finely the wheel divides time. */
const TICK = 50
const SLOTS = 512
/** Ticks the wheel may go forward at once: a clock that was set, or a machine that slept, is not time that peers had. */
const LONGEST_STRIDE = 20

/** Something that waits. Belongs to the wheel until it has run or is cancelled. */
export interface Timeout {
  cancel(): void
}

class Entry implements Timeout {
  before: Entry
  after: Entry
  /** In ticks of the wheel. */
  due = 0
  run: (() => void) | null
  readonly #wheel: TimerWheel | null

  constructor(wheel: TimerWheel | null, run: (() => void) | null) {
    this.#wheel = wheel
    this.run = run
    this.before = this
    this.after = this
  }

  cancel(): void {
    if (this.run === null) return
    this.run = null
    this.unlink()
    this.#wheel?.cancelled()
  }

  unlink(): void {
    this.before.after = this.after
    this.after.before = this.before
    this.before = this
    this.after = this
  }

  append(entry: Entry): void {
    entry.before = this.before
    entry.after = this
    this.before.after = entry
    this.before = entry
  }
}

/** Late by up to one tick, never early; sets no timer of the process while nothing waits. */
export class TimerWheel {
  readonly #scheduler: Scheduler
  readonly #clock: Clock
  /** Heads of rings of entries. */
  readonly #slots: Entry[] = Array.from({ length: SLOTS }, () => new Entry(null, null))
  #now = 0
  #waiting = 0
  #turnedAt = 0
  #stop: (() => void) | null = null
  #turning = false
  #closed = false

  constructor(scheduler: Scheduler, clock: Clock) {
    this.#scheduler = scheduler
    this.#clock = clock
  }

  /** Timeouts that have neither run nor been cancelled. */
  get size(): number {
    return this.#waiting
  }

  after(milliseconds: number, run: () => void): Timeout {
    const entry = new Entry(this, run)
    if (this.#closed) return entry
    if (this.#stop === null && !this.#turning) {
      this.#turnedAt = this.#clock.now()
      this.#arm()
    }
    // The present tick has begun already, so one more.
    entry.due = this.#now + Math.ceil(milliseconds / TICK) + 1
    this.#slotAt(entry.due).append(entry)
    this.#waiting += 1
    return entry
  }

  /** Nothing runs any more. */
  close(): void {
    this.#closed = true
    this.#stop?.()
    this.#stop = null
    this.#waiting = 0
  }

  /** For entries alone. */
  cancelled(): void {
    if (this.#closed) return
    this.#waiting -= 1
    if (this.#waiting > 0 || this.#turning) return
    this.#stop?.()
    this.#stop = null
  }

  #slotAt(tick: number): Entry {
    return this.#slots[tick % SLOTS]!
  }

  #arm(): void {
    this.#stop = this.#scheduler.after(TICK, () => this.#turn())
  }

  #turn(): void {
    const now = this.#clock.now()
    const ticks = Math.min(Math.max(1, Math.round((now - this.#turnedAt) / TICK)), LONGEST_STRIDE)
    this.#turnedAt = now
    this.#stop = null
    this.#turning = true
    for (let i = 0; i < ticks; i++) {
      this.#now += 1
      this.#runDue(this.#slotAt(this.#now))
      if (this.#closed) return
    }
    this.#turning = false
    if (this.#waiting > 0) this.#arm()
  }

  #runDue(head: Entry): void {
    let entry = head.after
    if (entry === head) return
    const due: Entry[] = []
    for (; entry !== head; entry = entry.after) if (entry.due <= this.#now) due.push(entry)
    for (const each of due) {
      const { run } = each
      // Cancelled by one that ran before it.
      if (run === null) continue
      each.run = null
      each.unlink()
      this.#waiting -= 1
      run()
      if (this.#closed) return
    }
  }
}
