import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { METRIC_TABLE } from '../../../src/http/metric-table.ts'
import { Metrics } from '../../../src/http/metrics.ts'

let metrics: Metrics
beforeEach(() => {
  metrics = new Metrics()
})
afterEach(() => metrics.close())

const lines = async () => (await metrics.scrape()).text.split('\n')

describe('metrics', () => {
  it('counts by label, with the help text of the table', async () => {
    metrics.count('latchkey_mqtt_connections_refused_total', { reason: 'limit' })
    metrics.count('latchkey_mqtt_connections_refused_total', { reason: 'limit' }, 4)
    metrics.count('latchkey_mqtt_connections_refused_total', { reason: 'gave-way' })
    const text = await lines()
    expect(text).toContain('latchkey_mqtt_connections_refused_total{reason="limit"} 5')
    expect(text).toContain('latchkey_mqtt_connections_refused_total{reason="gave-way"} 1')
    const { help } = METRIC_TABLE.get('latchkey_mqtt_connections_refused_total') ?? {}
    expect(text).toContain(`# HELP latchkey_mqtt_connections_refused_total ${help}`)
  })

  it('reads gauges at every scrape, several under one name', async () => {
    let open = 3
    metrics.gauge('latchkey_open', 'Open things', () => open, { listener: 'mqtt' })
    metrics.gauge('latchkey_open', 'Open things', () => 7, { listener: 'ws' })
    expect(await lines()).toContain('latchkey_open{listener="mqtt"} 3')
    open = 4
    const text = await lines()
    expect(text).toContain('latchkey_open{listener="mqtt"} 4')
    expect(text).toContain('latchkey_open{listener="ws"} 7')
  })

  it('observes seconds in buckets', async () => {
    metrics.observe('latchkey_store_write_seconds', 0.004)
    const text = await lines()
    expect(text).toContain('latchkey_store_write_seconds_bucket{le="0.0025"} 0')
    expect(text).toContain('latchkey_store_write_seconds_bucket{le="0.005"} 1')
    expect(text).toContain('latchkey_store_write_seconds_sum 0.004')
  })

  it('adds the prefix where it is missing, and never throws for an unexpected label', async () => {
    metrics.count('odd')
    metrics.count('odd', { reason: 'late' })
    expect(await lines()).toContain('latchkey_odd 2')
  })

  it('shows the process, event-loop lag included', async () => {
    const { text, contentType } = await metrics.scrape()
    expect(text).toContain('latchkey_nodejs_eventloop_lag_seconds')
    expect(contentType).toMatch(/^text\/plain; version=0\.0\.4/)
  })

  it('keeps two in one process apart', async () => {
    const other = new Metrics()
    other.count('latchkey_store_commits_total')
    expect((await lines()).some(line => line.startsWith('latchkey_store_commits_total'))).toBe(false)
    other.close()
  })
})

describe('the metric table', () => {
  const sources = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.ts'))
  const used = new Set(
    sources.flatMap(name =>
      [...readFileSync(join('src', name), 'utf8').matchAll(/\.(?:count|observe)\(\s*'(latchkey_[a-z0-9_]+)'/g)].map(
        m => m[1],
      ),
    ),
  )

  it('explains every counter and histogram in the source (add a row to metric-table.ts)', () => {
    expect(used.size).toBeGreaterThan(10)
    expect([...used].filter(name => !METRIC_TABLE.has(name ?? ''))).toEqual([])
  })
})
