// Every counter and histogram by name: what it means and the labels it has. Gauges bring their help text along.

export interface MetricRow {
  readonly help: string
  readonly labels: readonly string[]
}

const row = (help: string, ...labels: readonly string[]): MetricRow => ({ help, labels })

export const METRIC_TABLE: ReadonlyMap<string, MetricRow> = new Map(
  Object.entries({
    latchkey_audit_lost_total: row('Audit records that the database refused.'),
    latchkey_audit_omitted_total: row('Audit records that were only counted.', 'reason'),
    latchkey_audit_records_total: row('Audit records written.', 'type'),
    latchkey_authentications_total: row('Attempts to authenticate.', 'transport', 'result', 'reason'),
    latchkey_bus_writes_spared_total: row('Writes that nobody needed any more when their turn came.'),
    latchkey_coap_connections_ended_total: row('CoAP connections (TCP, TLS, WebSocket) that ended, by why.', 'reason'),
    latchkey_coap_connections_refused_total: row('CoAP connections refused before CoAP was spoken.', 'reason'),
    latchkey_coap_connections_total: row('CoAP connections opened.', 'transport'),
    latchkey_coap_observations_ended_total: row('CoAP observations that ended, by what ended them.', 'reason'),
    latchkey_coap_sessions_ended_total: row('CoAP sessions that the broker ended, by failure.', 'failure'),
    latchkey_coap_dropped_total: row('CoAP messages that were not served or did not arrive.', 'reason'),
    latchkey_coap_duplicates_total: row('CoAP requests that had come before.'),
    latchkey_coap_oscore_requests_total: row('CoAP requests protected by OSCORE, by what came of them.', 'result'),
    latchkey_coap_requests_total: row('CoAP requests answered.', 'method', 'code'),
    latchkey_coap_retransmissions_total: row('CoAP messages sent again because they were not acknowledged.'),
    latchkey_coap_transfers_given_up_total: row('CoAP block-wise transfers that made room or were left.', 'reason'),
    latchkey_decisions_total: row('Decisions of the policy.', 'action', 'result'),
    latchkey_dtls_dropped_total: row('DTLS datagrams of no use: of strangers, or hellos that came late.'),
    latchkey_dtls_handshakes_total: row(
      'DTLS handshakes by what came of them; those resumed are opened too.',
      'result',
    ),
    latchkey_dtls_hellos_total: row('DTLS hellos that were looked at.'),
    latchkey_http_request_seconds: row('Seconds from a request to its answer.', 'route'),
    latchkey_http_requests_total: row('HTTP requests answered.', 'method', 'route', 'status'),
    latchkey_messages_dropped_total: row('Messages that a receiver did not get.', 'reason'),
    latchkey_messages_received_total: row('Messages received from publishers.'),
    latchkey_messages_refused_total: row('Messages that were refused and not acknowledged.', 'reason'),
    latchkey_mqtt_connections_refused_total: row('MQTT connections refused before CONNECT.', 'reason'),
    latchkey_mqtt_connections_total: row('MQTT connections opened.', 'transport'),
    latchkey_mqtt_connects_refused_total: row('CONNECT packets refused because too many came.', 'reason'),
    latchkey_mqtt_ended_total: row('MQTT connections that the broker ended, by failure.', 'failure'),
    latchkey_mqtt_throttled_total: row('Pauses of MQTT connections that sent faster than they may.', 'reason'),
    latchkey_renewals_total: row('Credentials that devices renewed in session, or were refused.', 'kind', 'result'),
    latchkey_store_commits_total: row('Batches made durable.'),
    latchkey_store_expired_total: row('Entries swept after their end.'),
    latchkey_store_failures_total: row('Writes that the database refused.'),
    latchkey_store_write_seconds: row('Seconds of one group commit.'),
    latchkey_tls_handshake_failures_total: row('TLS handshakes that failed.', 'transport'),
    latchkey_websocket_refused_total: row('WebSocket upgrades refused.', 'status'),
  }),
)
