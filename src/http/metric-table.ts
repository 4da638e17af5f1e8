// Every counter and histogram by name: what it means and the labels it has. Gauges bring their help text along.

export interface MetricRow {
  readonly help: string
  readonly labels: readonly string[]
}

export const METRIC_TABLE: ReadonlyMap<string, MetricRow> = new Map(
  Object.entries({
    latchkey_http_requests_total: { help: 'HTTP requests answered.', labels: ['method', 'route', 'status'] },
    latchkey_http_request_seconds: { help: 'Seconds from a request to its answer.', labels: ['route'] },
    latchkey_mqtt_connections_refused_total: { help: 'MQTT connections refused before CONNECT.', labels: ['reason'] },
    latchkey_store_commits_total: { help: 'Batches made durable.', labels: [] },
    latchkey_store_write_seconds: { help: 'Seconds of one group commit.', labels: [] },
    latchkey_store_failures_total: { help: 'Writes that the database refused.', labels: [] },
    latchkey_store_expired_total: { help: 'Entries swept after their end.', labels: [] },
  } satisfies Record<string, MetricRow>),
)
