/** Counts what happens; `/metrics` shows it. Label values come from fixed sets, never from the wire. */
export interface Meter {
  count(name: string, labels?: Readonly<Record<string, string>>, by?: number): void
  /** `read` is called at every scrape. */
  gauge(name: string, help: string, read: () => number, labels?: Readonly<Record<string, string>>): void
  /** Seconds. */
  observe(name: string, seconds: number, labels?: Readonly<Record<string, string>>): void
}

/** For tests and for rooms started without metrics. */
export const silentMeter: Meter = { count() {}, gauge() {}, observe() {} }
