import type { AuditEvent, OmittedEvent } from './events.ts'

/** Bytes per minute for what strangers cause. What goes beyond is counted, and the counts are written once. */
export class StrangerQuota {
  readonly #bytesPerMinute: number
  #minute = 0
  #spent = 0
  #exhausted = false
  /** By event type, then by failure code: both from fixed sets. */
  #omitted = new Map<AuditEvent['type'], Map<string, number>>()

  constructor(bytesPerMinute: number) {
    this.#bytesPerMinute = bytesPerMinute
  }

  get pending(): boolean {
    return this.#omitted.size > 0
  }

  /** True when it may be written; false when it was only counted. Call `roll` first. `bytes` is what writing it takes. */
  admit(event: AuditEvent, bytes: () => number): boolean {
    if (!this.#exhausted) {
      const size = bytes()
      if (this.#spent + size <= this.#bytesPerMinute) {
        this.#spent += size
        return true
      }
      this.#exhausted = true
    }
    this.omit(event)
    return false
  }

  omit(event: AuditEvent): void {
    const counts = this.#omitted.get(event.type) ?? new Map<string, number>()
    const failure = ('failure' in event ? event.failure : null) ?? 'none'
    counts.set(failure, (counts.get(failure) ?? 0) + 1)
    this.#omitted.set(event.type, counts)
  }

  /** Goes on to this minute; the summaries of the one before, when it omitted anything. */
  roll(minute: number): OmittedEvent[] {
    if (minute === this.#minute) return []
    const events = this.take()
    this.#minute = minute
    this.#spent = 0
    this.#exhausted = false
    return events
  }

  take(): OmittedEvent[] {
    const events: OmittedEvent[] = []
    for (const [of, counts] of this.#omitted) {
      let count = 0
      for (const times of counts.values()) count += times
      events.push({ type: 'omitted', of, minute: this.#minute, count, failures: Object.fromEntries(counts) })
    }
    this.#omitted = new Map()
    return events
  }
}
