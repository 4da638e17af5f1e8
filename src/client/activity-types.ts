// What goes on in the broker: sessions, messages and the audit trail.

export interface Session {
  readonly id: string
  readonly principal: string
  readonly kind: 'device' | 'service' | 'operator' | 'anonymous'
  readonly credential: { readonly id: string; readonly kind: string } | null
  readonly clientId: string | null
  readonly transport: string
  readonly address: string
  readonly since: string
  readonly expiresAt: string | null
}

export interface AuditRecord {
  readonly id: number
  readonly at: string
  readonly event: { readonly type: string; readonly [field: string]: unknown }
  readonly previous: string
  readonly hash: string
}

export interface AuditQuery {
  /** `next` of the page before, in the order asked for. */
  readonly after?: string | number | undefined
  readonly limit?: number | undefined
  readonly type?: string | undefined
  readonly principal?: string | undefined
  /** Newest first. */
  readonly reverse?: boolean | undefined
}

export interface Verification {
  readonly ok: boolean
  readonly records: number
  readonly brokenAt: number | null
  readonly reason: string | null
}

export interface PublishInput {
  readonly topic: string
  /** Bytes, or text that is sent as UTF-8. */
  readonly payload: Uint8Array | string
  /** Default 0. */
  readonly qos?: 0 | 1 | 2 | undefined
  readonly retain?: boolean | undefined
  readonly properties?: PublishProperties | undefined
}

export interface PublishProperties {
  readonly payloadFormatIndicator?: boolean
  /** Seconds. */
  readonly messageExpiryInterval?: number
  readonly contentType?: string
  readonly responseTopic?: string
  /** Base64. */
  readonly correlationData?: string
  readonly userProperties?: readonly (readonly [string, string])[]
}

export interface RetainedMessage {
  readonly topic: string
  readonly payload: Buffer
  readonly qos: 0 | 1 | 2
  readonly expiresAt: string | null
  readonly contentType: string | null
  readonly userProperties: readonly (readonly [string, string])[]
}
