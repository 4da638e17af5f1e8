// The Meter of this process, shown at /metrics in Prometheus text.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { Meter } from '../model/meter.ts'
import { METRIC_TABLE } from './metric-table.ts'

type Labels = Readonly<Record<string, string>>

const PREFIX = 'latchkey_'
/** Seconds: from a cached decision to a slow disk. */
const BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/**
 * Milliseconds between two looks at how late the event loop is. Each wakes the process, which costs more than what it then
 * does: at prom-client's 10 an idle broker did little else.
 */
const LAG_PRECISION = 100

interface Count {
  readonly labels: Labels
  total: number
}

/** Totals by their label values. Kept here and handed to prom-client at a scrape: its own bookkeeping takes ten times as long. */
interface CounterRow {
  readonly labels: readonly string[]
  readonly counts: Map<string, Count>
}

interface Reader {
  readonly labels: Labels
  readonly read: () => number
}

/**
 * Made before every other part and handed to all of them. Has a registry of its own, so that two brokers in one process
 * do not mix. Names without the prefix get it. Measuring never throws: a label that the table does not list is dropped.
 */
export class Metrics implements Meter {
  readonly #registry = new Registry()
  readonly #counters = new Map<string, CounterRow>()
  readonly #histograms = new Map<string, { metric: Histogram; labels: readonly string[] }>()
  readonly #gauges = new Map<string, Map<string, Reader>>()

  constructor() {
    const register = this.#registry
    collectDefaultMetrics({ register, prefix: PREFIX, eventLoopMonitoringPrecision: LAG_PRECISION })
  }

  count(name: string, labels: Labels = {}, by = 1): void {
    const row = this.#counters.get(name) ?? this.#makeCounter(name, labels)
    let key = ''
    for (const label of row.labels) key += `${labels[label] ?? ''}\n`
    const count = row.counts.get(key)
    if (count === undefined) row.counts.set(key, { labels: listed(labels, row.labels), total: by })
    else count.total += by
  }

  observe(name: string, seconds: number, labels: Labels = {}): void {
    const known = this.#histograms.get(name) ?? this.#makeHistogram(name, labels)
    known.metric.observe(listed(labels, known.labels), seconds)
  }

  gauge(name: string, help: string, read: () => number, labels: Labels = {}): void {
    const key = JSON.stringify(Object.entries(labels).sort())
    const readers = this.#gauges.get(name)
    if (readers) {
      readers.set(key, { labels, read })
      return
    }
    const fresh = new Map([[key, { labels, read }]])
    this.#gauges.set(name, fresh)
    new Gauge({
      name: withPrefix(name),
      help,
      labelNames: Object.keys(labels),
      registers: [this.#registry],
      collect() {
        for (const reader of fresh.values()) this.set({ ...reader.labels }, reader.read())
      },
    })
  }

  /** All values now, and the media type they are written in. */
  async scrape(): Promise<{ contentType: string; text: string }> {
    return { contentType: this.#registry.contentType, text: await this.#registry.metrics() }
  }

  /** Forgets every reader, so that closed parts can be collected. */
  close(): void {
    this.#registry.clear()
    this.#gauges.clear()
  }

  #makeCounter(name: string, labels: Labels): CounterRow {
    const options = this.#described(name, labels)
    const counts = new Map<string, Count>()
    new Counter({
      ...options,
      collect() {
        this.reset()
        for (const { labels, total } of counts.values()) this.inc(labels, total)
      },
    })
    const row = { labels: options.labelNames, counts }
    this.#counters.set(name, row)
    return row
  }

  #makeHistogram(name: string, labels: Labels) {
    const options = this.#described(name, labels)
    const made = { metric: new Histogram({ ...options, buckets: BUCKETS }), labels: options.labelNames }
    this.#histograms.set(name, made)
    return made
  }

  #described(name: string, labels: Labels) {
    const full = withPrefix(name)
    const row = METRIC_TABLE.get(full)
    return {
      name: full,
      help: row?.help ?? full,
      labelNames: [...(row?.labels ?? Object.keys(labels))],
      registers: [this.#registry],
    }
  }
}

const withPrefix = (name: string): string => (name.startsWith(PREFIX) ? name : `${PREFIX}${name}`)

const listed = (labels: Labels, names: readonly string[]): Record<string, string> =>
  Object.fromEntries(Object.entries(labels).filter(([label]) => names.includes(label)))
