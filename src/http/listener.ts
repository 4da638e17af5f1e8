// The socket side of the HTTP API: TLS, bounds on time and size, and what malformed HTTP is told.
import { createServer, type Server as HttpServer, type RequestListener, type ServerOptions } from 'node:http'
import { createServer as createTlsServer, Server as HttpsServer } from 'node:https'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type DetailedPeerCertificate, TLSSocket } from 'node:tls'
import { AUTHENTICATION_LIMITS } from '../auth/limits.ts'
import type { HttpLimits, TlsMaterial } from './api.ts'

const { addressBurst, addressPerMinute, claimBurst, claimPerMinute } = AUTHENTICATION_LIMITS
const { rememberedAddresses, rememberedClaims, knownGood } = AUTHENTICATION_LIMITS

export const DEFAULT_HTTP_LIMITS: HttpLimits = {
  requestBytes: 2_097_152,
  headerBytes: 16_384,
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  keepAliveTimeout: 5_000,
  closeGrace: 5_000,
  connections: 1_000,
  addressBurst,
  addressPerMinute,
  claimBurst,
  claimPerMinute,
  rememberedAddresses,
  rememberedClaims,
  knownGood,
}

/** Certificates that a peer may send. */
const LONGEST_CHAIN = 8

/** Header fields of a request; more are cut off by Node. */
const HEADER_FIELDS = 64

export function createListener(tls: TlsMaterial | null, limits: HttpLimits, listener: RequestListener): HttpServer {
  const options: ServerOptions = {
    maxHeaderSize: limits.headerBytes,
    headersTimeout: limits.headersTimeout,
    requestTimeout: limits.requestTimeout,
    keepAliveTimeout: limits.keepAliveTimeout,
    connectionsCheckingInterval: Math.min(limits.headersTimeout, 5_000),
  }
  const server = tls
    ? createTlsServer({ ...options, ...secureContext(tls), requestCert: true, rejectUnauthorized: false }, listener)
    : createServer(options, listener)
  server.maxConnections = limits.connections
  server.maxHeadersCount = HEADER_FIELDS
  server.on('clientError', answerMalformed)
  return server
}

export function swapTls(server: HttpServer, tls: TlsMaterial): void {
  if (server instanceof HttpsServer) server.setSecureContext(secureContext(tls))
}

/** A client certificate is asked for and never trusted by TLS alone: whoever uses it verifies it and looks it up. */
function secureContext(tls: TlsMaterial) {
  return {
    cert: tls.certificatePem,
    key: tls.privateKeyPem,
    ca: [...tls.caPem],
    minVersion: 'TLSv1.2' as const,
  }
}

const MALFORMED: ReadonlyMap<string, string> = new Map([
  ['HPE_HEADER_OVERFLOW', '431 Request Header Fields Too Large'],
  ['ERR_HTTP_REQUEST_TIMEOUT', '408 Request Timeout'],
])

/** Before there is a request there is nobody to explain anything to: a status line, and the connection ends. */
function answerMalformed(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy()
    return
  }
  const status = MALFORMED.get(error.code ?? '') ?? '400 Bad Request'
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () => socket.destroy())
}

/** What the peer sent, DER, leaf first; empty without TLS or without a certificate. */
export function peerCertificates(socket: Socket): Buffer[] {
  if (!(socket instanceof TLSSocket)) return []
  const chain: Buffer[] = []
  let next: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true)
  while (next?.raw && chain.length < LONGEST_CHAIN) {
    chain.push(next.raw)
    next = next.issuerCertificate === next ? undefined : next.issuerCertificate // a root is its own issuer
  }
  return chain
}
