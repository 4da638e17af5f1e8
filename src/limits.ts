// Every bound of the broker under one name, with the default of the room that keeps it.
import { z } from 'zod'
import { DEFAULT_AUDIT_LIMITS } from './audit/audit.ts'
import { AUTHENTICATION_LIMITS } from './auth/limits.ts'
import { BUS_LIMITS } from './bus/limits.ts'
import { COAP_LIMITS } from './coap/limits.ts'
import { DTLS_SERVER_LIMITS } from './dtls/limits.ts'
import { ENROLMENT_LIMITS } from './enrolment/enrolment-input.ts'
import { DEFAULT_HTTP_LIMITS } from './http/listener.ts'
import { MQTT_LIMITS } from './mqtt/limits.ts'
import { RECEPTION_LIMITS } from './mqtt/reception.ts'
import { DEFAULT_REGISTRY_LIMITS } from './registry/limits.ts'
import { STORE_LIMITS } from './store/limits.ts'
import { ADMISSION_LIMITS } from './stream/admission.ts'
import { LISTENER_LIMITS } from './stream/peer-socket.ts'

type Numbers<T> = { readonly [K in keyof T]: z.ZodDefault<z.ZodNumber> }

/** A whole number from 1 for each, unless the protocol says otherwise. */
function bounds<T extends object>(defaults: T, special: Partial<Record<keyof T, z.ZodNumber>> = {}): Numbers<T> {
  const shape: Record<string, z.ZodDefault<z.ZodNumber>> = {}
  for (const [name, value] of Object.entries(defaults)) {
    shape[name] = (special[name as keyof T] ?? z.int().min(1)).default(value as number)
  }
  return shape as Numbers<T>
}

/** 0 = no limit. */
const rate = z.int().min(0)
const uint16 = z.int().min(1).max(65_535)

/** MQTT and the bus stand at the top; other rooms have a section of their own. */
export const limitsSchema = z.strictObject({
  ...bounds(
    { ...MQTT_LIMITS, ...ADMISSION_LIMITS, ...RECEPTION_LIMITS, ...LISTENER_LIMITS, ...BUS_LIMITS },
    {
      maxKeepAlive: uint16.describe('Seconds; MQTT 5 clients that ask for more, or for none, are told this one.'),
      receiveMaximum: uint16.describe('QoS 1 and 2 messages a client may have in flight to us.'),
      topicAliasMaximum: z.int().min(0).max(65_535).describe('Topic aliases a client may set.'),
      maximumPacketSize: z.int().min(1024).max(268_435_460).describe('Bytes of one MQTT packet.'),
      sessionExpiry: z.int().min(0).max(0xffff_ffff).describe('Seconds; the longest Session Expiry Interval granted.'),
      messageRate: rate.describe('PUBLISH packets a second from one MQTT connection; 0 = as many as come.'),
      byteRate: rate.describe('Bytes a second from one MQTT connection; 0 = as many as come.'),
      connectRate: rate.describe('CONNECT packets a second over all listeners; 0 = as many as come.'),
      connectRatePerAddress: rate.describe('CONNECT packets a second from one address; 0 = as many as come.'),
      sysInterval: z
        .int()
        .min(0)
        .max(86_400)
        .describe('Seconds between two looks at the statistics under `$SYS`; 0 = there are none.'),
    },
  ),
  coap: z
    .strictObject(
      bounds(COAP_LIMITS, {
        streamMessageBytes: z
          .int()
          .min(1153)
          .max(268_435_456)
          .describe('Bytes of one message over TCP, TLS or WebSocket.'),
        earlyMessageBytes: z.int().min(1152).describe('The same until somebody was let in by the connection.'),
        tokenBytes: z.int().min(8).max(65_804).describe('Bytes of a token over TCP, TLS or WebSocket (RFC 8974).'),
        messageBytes: z
          .int()
          .min(64)
          .max(65_507)
          .describe('Bytes of one datagram; longer requests are answered 4.13, and asked for in blocks.'),
        oscoreSequences: z
          .int()
          .min(1)
          .max(2 ** 40 - 1)
          .describe('The last OSCORE sequence number of ours (RFC 8613 7.2.1).'),
        blockSize: z.int().min(16).max(1024).describe('Bytes of one block of a longer answer (RFC 7959 2.2).'),
      }),
    )
    .prefault({}),
  dtls: z
    .strictObject(
      bounds(DTLS_SERVER_LIMITS, {
        mtu: z.int().min(256).max(16_384).describe('Bytes of one datagram without IP and UDP headers.'),
        retransmit: z.int().min(20).max(60_000).describe('Milliseconds before a flight is repeated; doubles.'),
      }),
    )
    .prefault({}),
  http: z.strictObject(bounds(DEFAULT_HTTP_LIMITS)).prefault({}),
  authentication: z.strictObject(bounds(AUTHENTICATION_LIMITS)).prefault({}),
  registry: z.strictObject(bounds(DEFAULT_REGISTRY_LIMITS)).prefault({}),
  enrolment: z.strictObject(bounds(ENROLMENT_LIMITS)).prefault({}),
  audit: z.strictObject(bounds(DEFAULT_AUDIT_LIMITS)).prefault({}),
  store: z.strictObject(bounds(STORE_LIMITS)).prefault({}),
})

export type Limits = z.output<typeof limitsSchema>
