// The one catalogue of everything that can go wrong in front of a user. `docs/failures.md` is generated from it.
import { BUSY, CONFLICT, DOWN, FORBIDDEN, INVALID, MISSING, PROTOCOL, UNAUTHENTICATED } from './failure-families.ts'

/** What each protocol answers, what a stranger may read, and what helps the operator. */
export interface FailureRow {
  /** MQTT 3.1 and 3.1.1 CONNACK return code; where there is none, the connection is closed. */
  readonly mqtt3: 1 | 2 | 3 | 4 | 5
  /** MQTT 5 reason code. */
  readonly mqtt5: number
  /** CoAP response code, `class.detail`. */
  readonly coap: string
  /** HTTP status (RFC 9457 problem details). */
  readonly http: number
  /** OAuth 2.0 error (RFC 6749 5.2). */
  readonly oauth: string
  /** All that somebody unauthenticated learns. */
  readonly stranger: string
  /** For the operator: what to do next. */
  readonly advice: string
}

export const FAILURES = {
  // --- who are you: the door. One answer for all, so that strangers learn nothing about which part failed.
  'no-evidence': {
    ...UNAUTHENTICATED,
    advice: 'The peer sent no certificate, key, secret or token. Enrol it, or switch on auth.anonymous with a role.',
  },
  'unknown-identity': {
    ...UNAUTHENTICATED,
    advice: 'No device or client has this identity. Create it, or look for a typing error in the username.',
  },
  'bad-secret': {
    ...UNAUTHENTICATED,
    advice: 'The secret is wrong or was made for another audience. Issue a new one with `latchkey credential issue`.',
  },
  'credential-revoked': {
    ...UNAUTHENTICATED,
    advice: 'The credential was revoked. Issue a new one if the device should come back.',
  },
  'credential-expired': {
    ...UNAUTHENTICATED,
    advice: 'The credential has expired. Rotate it; issue the next one before the old one ends.',
  },
  'credential-not-active': {
    ...UNAUTHENTICATED,
    advice: 'The credential is pending or its notBefore lies ahead. Activate it, or check the clocks.',
  },
  'owner-suspended': {
    ...UNAUTHENTICATED,
    advice: 'The device or client is suspended. Resume it with `latchkey device resume`.',
  },
  'certificate-untrusted': {
    ...UNAUTHENTICATED,
    advice: 'No trusted CA signed this certificate. Enrol the device here, or add its CA.',
  },
  'certificate-unknown': {
    ...UNAUTHENTICATED,
    advice: 'The certificate is genuine but not registered. Register it, or enrol the device again.',
  },
  'certificate-invalid': {
    ...UNAUTHENTICATED,
    advice: 'The certificate is malformed, not for client authentication, or names no device in a SAN URI.',
  },
  'psk-without-identity': {
    ...UNAUTHENTICATED,
    advice: 'A TLS-PSK session came without a proved identity (resumed?). The device must do a full handshake.',
  },
  'token-invalid': {
    ...UNAUTHENTICATED,
    oauth: 'invalid_token',
    advice: 'The JWT is malformed, its signature or algorithm is wrong, or its key is unknown.',
  },
  'token-expired': {
    ...UNAUTHENTICATED,
    oauth: 'invalid_token',
    advice: 'The JWT has expired or is not yet valid. Ask for a new one; check the clocks.',
  },
  'token-audience': {
    ...UNAUTHENTICATED,
    coap: '4.03',
    oauth: 'invalid_token',
    advice: 'The JWT was made for another audience. Ask the token server for one for this broker.',
  },
  'token-revoked': { ...UNAUTHENTICATED, oauth: 'invalid_token', advice: 'The JWT was revoked before its end.' },
  'identities-differ': {
    ...UNAUTHENTICATED,
    advice: 'Certificate, key, username and token name different devices. All that is sent must agree.',
  },
  'authentication-throttled': {
    ...BUSY,
    mqtt3: 5,
    mqtt5: 0x9f,
    advice: 'Too many failures from this address or identity. Wait, and look in the audit trail for who tries.',
  },
  'authentication-method': {
    ...UNAUTHENTICATED,
    mqtt5: 0x8c,
    advice: 'The MQTT 5 authentication method is not supported.',
  },
  superseded: {
    ...UNAUTHENTICATED,
    advice: 'What this session was admitted by has changed since (revoked, suspended, removed or updated).',
  },

  // --- may you do this: the policy
  'client-id-not-yours': {
    ...FORBIDDEN,
    mqtt3: 2,
    mqtt5: 0x85,
    advice:
      'A device may use only its own id as client id (or `<id>/...` where the registry says `clientIds: under`), a gateway also those of its children.',
  },
  'policy-denied': {
    ...FORBIDDEN,
    advice: 'Ask `latchkey policy explain` which rule decided, then change the policy.',
  },
  'scope-denied': {
    ...FORBIDDEN,
    http: 403,
    oauth: 'insufficient_scope',
    advice: 'The roles permit it but the token is narrower. Ask for a token with this scope.',
  },
  'topic-reserved': { ...FORBIDDEN, advice: 'Topics beginning with $ belong to the broker; nobody publishes there.' },

  // --- tokens (RFC 6749 5.2)
  'invalid-scope': {
    ...INVALID,
    oauth: 'invalid_scope',
    advice: "The scope is unknown, malformed, or wider than the client's roles.",
  },
  'unsupported-grant': { ...INVALID, oauth: 'unsupported_grant_type', advice: 'Only client_credentials is served.' },

  // --- input
  'invalid-identifier': {
    ...INVALID,
    mqtt3: 2,
    mqtt5: 0x85,
    advice: 'Identifiers are 1 to 64 letters, digits, . _ : or -, beginning with a letter or digit.',
  },
  'invalid-input': { ...INVALID, advice: 'Correct the field that the message names.' },
  'invalid-configuration': { ...INVALID, advice: 'Correct the file at the place named; nothing was started.' },
  'invalid-manifest': { ...INVALID, advice: 'Correct the file at the place named; nothing was applied.' },
  'invalid-policy': { ...INVALID, advice: 'Correct the file at the place named; the policy in force stays.' },
  'policy-test-failed': {
    ...INVALID,
    http: 422,
    advice: 'A test inside the policy failed; the policy in force stays. Correct the rule or the test.',
  },
  'invalid-csr': {
    ...INVALID,
    advice:
      'The certificate request is malformed, its proof of possession is wrong, or it asks for what devices may not have.',
  },
  'too-large': {
    ...INVALID,
    mqtt5: 0x95,
    coap: '4.13',
    http: 413,
    advice: 'Send less at once, or raise the limit named in the message.',
  },
  'not-found': { ...MISSING, advice: 'Nothing has this name. List what exists, and look for a typing error.' },
  'already-exists': { ...CONFLICT, advice: 'Choose another name, or change what exists.' },
  conflict: { ...CONFLICT, advice: 'Somebody changed it at the same time. Read it again and repeat.' },
  'wrong-state': { ...CONFLICT, advice: 'That step is not possible in the present state; the message names it.' },
  'enrolment-spent': {
    ...UNAUTHENTICATED,
    http: 401,
    advice: 'The enrolment token is unknown, spent, revoked or expired. Create a new one.',
  },
  'quota-exceeded': {
    ...BUSY,
    http: 409,
    advice: 'The limit named in the message is reached. Remove what is not used, or raise it.',
  },
  throttled: { ...BUSY, advice: 'Slow down; the limit and its setting are in the message.' },

  // --- MQTT
  'malformed-packet': {
    ...PROTOCOL,
    mqtt5: 0x81,
    advice: 'The client sends what the standard does not allow. Update its library.',
  },
  'protocol-error': {
    ...PROTOCOL,
    mqtt5: 0x82,
    advice: 'The client breaks the order or rules of the protocol. Update its library.',
  },
  'protocol-version': { ...PROTOCOL, mqtt5: 0x84, advice: 'Latchkey speaks MQTT 3.1, 3.1.1 and 5.' },
  'topic-filter-invalid': { ...PROTOCOL, mqtt5: 0x8f, advice: 'Correct the topic filter.' },
  'topic-name-invalid': { ...PROTOCOL, mqtt5: 0x90, advice: 'Correct the topic name.' },
  'payload-format-invalid': {
    ...PROTOCOL,
    mqtt5: 0x99,
    advice:
      'The client says that a payload is text (Payload Format Indicator) and sends what is no UTF-8. Mend either.',
  },
  'receive-maximum': {
    ...PROTOCOL,
    mqtt5: 0x93,
    advice: 'The client has more messages in flight than it was allowed.',
  },
  'topic-alias-invalid': { ...PROTOCOL, mqtt5: 0x94, advice: 'The client uses a topic alias above the maximum, or 0.' },
  'keep-alive': {
    ...UNAUTHENTICATED,
    mqtt5: 0x8d,
    advice: 'The client was silent for one and a half times its keep-alive.',
  },
  'taken-over': {
    ...UNAUTHENTICATED,
    mqtt5: 0x8e,
    advice: 'The same client id connected again. Two machines with one identity? Give each its own.',
  },
  'connect-timeout': { ...UNAUTHENTICATED, mqtt5: 0x87, advice: 'The peer did not send a CONNECT in time.' },
  'connection-rate-exceeded': {
    ...BUSY,
    mqtt5: 0x9f,
    advice:
      'More clients connect at once than the broker takes on; they come back by themselves. See limits.connectRate and limits.connectRatePerAddress.',
  },
  'queue-full': {
    ...BUSY,
    advice:
      'A receiver is too slow or away for too long. Mend it, raise limits.maximumQueued, or choose another queueOverflow.',
  },

  // --- CoAP
  'option-unknown': {
    ...PROTOCOL,
    mqtt5: 0x82,
    coap: '4.02',
    stranger: 'The request is not valid.',
    advice: 'The request holds a critical option that is not served. Leave it out (RFC 7252 5.4.1).',
  },
  'method-not-allowed': {
    ...PROTOCOL,
    mqtt5: 0x82,
    coap: '4.05',
    http: 405,
    stranger: 'The request is not valid.',
    advice: 'The resource does not serve this method. Look at docs/guide/coap.md for those it does.',
  },
  'not-acceptable': {
    ...PROTOCOL,
    mqtt5: 0x82,
    coap: '4.06',
    http: 406,
    stranger: 'The request is not valid.',
    advice: 'The resource has no representation in the format that Accept names. Leave Accept out.',
  },
  'content-format-unsupported': {
    ...PROTOCOL,
    mqtt5: 0x99,
    coap: '4.15',
    http: 415,
    stranger: 'The request is not valid.',
    advice: 'Send the payload in a content format that the resource takes.',
  },

  unprocessable: {
    ...PROTOCOL,
    mqtt5: 0x83,
    coap: '4.22',
    http: 422,
    stranger: 'The request is not valid.',
    advice:
      'The payload can be read, but asks for what is not served or for too much (RFC 8132 2.3). See docs/guide/coap.md.',
  },
  'blocks-missing': {
    ...PROTOCOL,
    mqtt5: 0x82,
    coap: '4.08',
    stranger: 'The request is not valid.',
    advice:
      'A block came and those before it are not there (RFC 7959 2.9.2): lost, or given up to make room. The client begins anew with block 0; see limits.coap.transfersPerPeer, transferBytes and transferTimeout.',
  },

  'channel-insecure': {
    ...UNAUTHENTICATED,
    advice:
      'The token came to /authz-info in the clear, and others may have read it: deny it, and send the next over coaps, coaps+tcp or OSCORE.',
  },
  'oscore-required': {
    ...UNAUTHENTICATED,
    advice:
      'A plain coap listener without insecure: true serves what OSCORE protects (RFC 8613) and nothing else. Give the device a context with `latchkey credential issue --kind oscore`, or use coaps.',
  },
  'session-unknown': {
    ...UNAUTHENTICATED,
    advice: 'The CoAP session token is wrong, or its session has ended. The client logs in again at /mqtt/connection.',
  },
  'session-idle': {
    ...UNAUTHENTICATED,
    advice:
      'The CoAP session was silent for longer than limits.coap.sessionIdle. The client sends a heartbeat in time, or logs in again.',
  },

  // --- the house itself
  'shutting-down': { ...DOWN, mqtt5: 0x8b, advice: 'The broker is stopping; clients come back by themselves.' },
  'clock-behind': {
    ...DOWN,
    advice:
      'The system clock is far behind the last time seen. Set the clock; until then new logins are refused. If it is right and was wrong before, start once with `latchkey serve --accept-clock`.',
  },
  'store-failed': {
    ...DOWN,
    mqtt5: 0x80,
    advice: 'The database could not be written. Look at disk space and permissions; nothing was acknowledged.',
  },
  'store-locked': {
    ...DOWN,
    advice: 'Another process has this data directory open. Stop it, or talk to it over HTTP.',
  },
  'not-a-data-directory': {
    ...INVALID,
    advice: 'The directory is not empty and holds no Latchkey data. Choose another one.',
  },
  'vault-key': {
    ...DOWN,
    advice: 'The vault key is missing or wrong, so sealed secrets cannot be read. Restore it from where it is kept.',
  },
  'listener-failed': { ...DOWN, advice: 'A listener could not be opened. Free the port, or choose another (0 = any).' },
  'dtls-unavailable': {
    ...DOWN,
    advice:
      'The DTLS addon was not built. Install g++, make and python3 and run `node tools/build-native.mjs`, or turn coaps off; everything else works without it.',
  },
  'host-not-allowed': {
    ...INVALID,
    http: 421,
    stranger: 'This server does not answer to that Host name.',
    advice: 'Call the listener by its address or as localhost, or add the name to `names` in the configuration.',
  },
  'insecure-listener': {
    ...INVALID,
    advice: 'A plaintext listener beyond loopback needs insecure: true.',
  },
  internal: {
    ...DOWN,
    mqtt5: 0x80,
    coap: '5.00',
    http: 500,
    oauth: 'server_error',
    stranger: 'Internal error.',
    advice: 'This is a fault of Latchkey. Report it with the log lines around it.',
  },
} as const satisfies Record<string, FailureRow>

export type FailureCode = keyof typeof FAILURES
