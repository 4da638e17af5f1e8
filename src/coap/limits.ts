import { STREAM_LIMITS, type StreamLimits } from './stream-limits.ts'

/** Every bound on CoAP peers. Times in milliseconds unless said otherwise; the protocol's own are of RFC 7252 4.8. */
export interface CoapLimits extends StreamLimits {
  // --- messages (RFC 7252 4)
  /** Bytes of one datagram; longer requests are answered 4.13, and asked for in blocks. */
  readonly messageBytes: number
  /** Bytes of one block of a longer answer: 16, 32, ... 1024. */
  readonly blockSize: number
  /** From a confirmable message to its first retransmission, at least (ACK_TIMEOUT). */
  readonly ackTimeout: number
  /** MAX_RETRANSMIT. */
  readonly maxRetransmit: number
  /** From a confirmable request to its empty acknowledgement, when the handler has not answered by then. */
  readonly processingDelay: number
  /** How long a confirmable request is known again (EXCHANGE_LIFETIME). */
  readonly exchangeLifetime: number
  /** How long a non-confirmable request is known again (NON_LIFETIME). */
  readonly nonLifetime: number

  // --- one peer
  /** Requests known again by their message ids, those in progress included. */
  readonly rememberedExchanges: number
  /** Non-confirmable notifications that a reset still finds. */
  readonly rememberedNotifications: number
  /** Confirmable messages that wait for the one in flight (NSTART 1). */
  readonly outgoingQueue: number
  readonly requestsPerSecond: number
  /** Requests at once. */
  readonly requestBurst: number
  /** Requests a second beyond that which are told so with 4.29; the rest is met with silence. */
  readonly refusals: number

  // --- all peers
  /** Peers that have proved their address. */
  readonly peers: number
  /** Those of one address (IPv6: one /64); more of them are forgotten like strangers. */
  readonly peersPerAddress: number
  /** Peers that have not proved their address. */
  readonly strangers: number
  /** Bytes of the answers kept for duplicates. */
  readonly keptAnswerBytes: number
  /** An Echo value proves an address for this long, and at most for twice that. */
  readonly echoLifetime: number

  // --- block-wise transfers (RFC 7959)
  /** Bytes of a message put together from blocks. */
  readonly bodyBytes: number
  /** Transfers of one peer: payloads not whole yet, and answers not fetched yet. The oldest gives way. */
  readonly transfersPerPeer: number
  /** Bytes of all of them; the one used longest ago gives way. */
  readonly transferBytes: number
  /** Since the last block. */
  readonly transferTimeout: number
  /** Bytes of events longer than a block, kept that long for their observers to fetch the rest; the oldest gives way. */
  readonly eventBytes: number
  /** Those of one topic or filter that is observed. */
  readonly eventsPerResource: number

  // --- what is served
  /** Bytes of the payload of one datagram, and of what anything but a topic is sent. */
  readonly payloadBytes: number
  /** Bytes of all Uri-Query options of one request. */
  readonly queryBytes: number
  /** Sessions opened at /mqtt/connection. */
  readonly sessions: number
  /** Those of one device or client. */
  readonly sessionsPerOwner: number
  /** Those of all who are anonymous together. */
  readonly anonymousSessions: number
  /** Seconds that a session lasts without a request, a heartbeat or an acknowledgement. */
  readonly sessionIdle: number
  readonly observations: number
  readonly observationsPerPeer: number
  readonly observationsPerSession: number
  /** QoS 1 and 2 messages that wait for one observer, and their bytes. */
  readonly observationQueue: number
  readonly observationQueueBytes: number
  /** Seconds after which an observer is asked whether it is there: by a confirmable notification (RFC 7641 4.5) or a ping. */
  readonly observerCheck: number
  /** Non-confirmable notifications to one peer without a sign of it, after which it is asked as well. */
  readonly unheardNotifications: number
  /** Links of one answer of /.well-known/core and /ps. */
  readonly listedTopics: number
  /** Retained topics that are looked at for it. */
  readonly examinedTopics: number

  // --- OSCORE (RFC 8613)
  /** Contexts in memory. Whoever comes back after making room is asked to show that his request is new (Echo). */
  readonly oscoreContexts: number
  /** Our sequence numbers that are written down at once, before the first of them is used. */
  readonly oscoreReserve: number
  /** The last of our sequence numbers; a context that has used it is at its end. */
  readonly oscoreSequences: number

  // --- one socket
  /** Bytes the kernel holds for us before it drops datagrams. */
  readonly receiveBufferBytes: number
  /** Bytes that wait for the network; what comes on top is dropped. */
  readonly sendQueueBytes: number
}

export const COAP_LIMITS: CoapLimits = {
  ...STREAM_LIMITS,
  messageBytes: 4096,
  blockSize: 1024,
  ackTimeout: 2000,
  maxRetransmit: 4,
  processingDelay: 500,
  exchangeLifetime: 247_000,
  nonLifetime: 145_000,
  rememberedExchanges: 64,
  rememberedNotifications: 16,
  outgoingQueue: 100,
  requestsPerSecond: 1000,
  requestBurst: 2000,
  refusals: 50,
  peers: 20_000,
  peersPerAddress: 4096,
  strangers: 10_000,
  keptAnswerBytes: 32 * 1024 * 1024,
  echoLifetime: 60_000,
  bodyBytes: 1024 * 1024,
  transfersPerPeer: 4,
  transferBytes: 32 * 1024 * 1024,
  transferTimeout: 100_000,
  eventBytes: 16 * 1024 * 1024,
  eventsPerResource: 8,
  payloadBytes: 4096,
  queryBytes: 1024,
  sessions: 20_000,
  sessionsPerOwner: 100,
  anonymousSessions: 1000,
  sessionIdle: 600,
  observations: 100_000,
  observationsPerPeer: 64,
  observationsPerSession: 256,
  observationQueue: 1000,
  observationQueueBytes: 1024 * 1024,
  observerCheck: 86_400,
  unheardNotifications: 100,
  listedTopics: 1000,
  examinedTopics: 10_000,
  oscoreContexts: 20_000,
  oscoreReserve: 1024,
  oscoreSequences: 2 ** 40 - 1,
  receiveBufferBytes: 4 * 1024 * 1024,
  sendQueueBytes: 4 * 1024 * 1024,
}
