// What every routes file of the HTTP API shares: its parts, its types, and the access each route must declare.
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import type { Access } from '../access/access.ts'
import type { Audit } from '../audit/audit.ts'
import type { AttemptLimits } from '../auth/attempt-limiter.ts'
import type { Authenticator } from '../auth/authenticator.ts'
import type { Bus } from '../bus/bus.ts'
import type { CertificateAuthority } from '../ca/certificate-authority.ts'
import type { EnrolmentDesk } from '../enrolment/enrolment-desk.ts'
import type { Clock, Random } from '../model/clock.ts'
import type { Failure } from '../model/failure.ts'
import type { Log } from '../model/log.ts'
import type { Principal } from '../model/principal.ts'
import type { TokenServer } from '../oauth/token-server.ts'
import type { Registry } from '../registry/registry.ts'
import type { Vault } from '../vault/vault.ts'
import type { Attempts } from './attempts.ts'
import type { Ceiling } from './ceiling.ts'
import type { Metrics } from './metrics.ts'
import type { OperatorAuthentication } from './operator-authentication.ts'
import type { ZodTypeProvider } from './schema-compiler.ts'

/** PEM texts of one https listener. */
export interface TlsMaterial {
  /** Leaf first, then what chains it. */
  readonly certificatePem: string
  readonly privateKeyPem: string
  /** Authorities whose client certificates are asked for (EST); judging them is not TLS's business. */
  readonly caPem: readonly string[]
}

/** Bounds of the HTTP API; those on attempts are for its public routes and for principals that are refused. */
export interface HttpLimits extends AttemptLimits {
  /** Bytes of a request body. Default 2 MiB. */
  readonly requestBytes: number
  /** Bytes of all headers of a request. Default 16 KiB. */
  readonly headerBytes: number
  /** Milliseconds for all headers to arrive. Default 10 000. */
  readonly headersTimeout: number
  /** Milliseconds for a whole request to arrive. Default 30 000. */
  readonly requestTimeout: number
  /** Milliseconds an idle connection is kept. Default 5 000. */
  readonly keepAliveTimeout: number
  /** Milliseconds that requests in progress get when the listener closes. Default 5 000. */
  readonly closeGrace: number
  /** Open connections. Default 1 000. */
  readonly connections: number
}

export interface HttpParts {
  readonly registry: Registry
  /** For client secrets at the token server's endpoints. */
  readonly vault: Vault
  readonly access: Access
  readonly authenticator: Authenticator
  readonly ca: CertificateAuthority
  readonly desk: EnrolmentDesk
  readonly tokens: TokenServer
  readonly audit: Audit
  readonly bus: Bus
  readonly metrics: Metrics
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** null serves plaintext, for loopback behind somebody else's TLS. */
  readonly tls: TlsMaterial | null
  /** Configured names of this broker, beside the loopback ones: what a Host header may say. */
  readonly names: readonly string[]
  /** `https://host:port` where others reach this listener, without a slash at the end: for the CRL's address. */
  readonly publicUrl: string
  /** Of Latchkey, for the OpenAPI document. */
  readonly version: string
  /** Names what is not ready yet or any more; empty when all is well. */
  readonly unready: () => readonly string[]
  readonly limits?: Partial<HttpLimits>
}

export type Administer = `${string}:read` | `${string}:write`

/**
 * Who may call a route. `public`: anybody. `authenticated`: any principal, the handler decides the rest. `own-rights`: the
 * same, and it is no administrative act (a message published). `certificate`: a device by its TLS client certificate.
 * Otherwise every named right to administer is needed; `loopback` opens the route to this machine without authentication.
 */
export type RouteAccess =
  | 'public'
  | 'authenticated'
  | 'own-rights'
  | 'certificate'
  | Administer
  | readonly Administer[]
  | { readonly loopback: Administer }

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: RouteAccess
  }
  interface FastifyRequest {
    /** null on public routes and until the door has been passed. */
    principal: Principal | null
    /** What the act is about, for the audit trail. */
    target: string
    /** Why it was refused, once it was. */
    failure: Failure | null
  }
  interface FastifyInstance {
    /** Swaps the certificate of a running https listener; new connections use it. */
    setTls(tls: TlsMaterial): void
  }
}

export type HttpApp = FastifyInstance<Server, IncomingMessage, ServerResponse, FastifyBaseLogger, ZodTypeProvider>

/** What a routes file gets: all parts, and the judges of rights that depend on the request's content. */
export interface RouteParts extends HttpParts {
  readonly authentication: OperatorAuthentication
  readonly ceiling: Ceiling
  readonly attempts: Attempts
}

/** One routes file: adds its routes to the app. */
export type Routes = (app: HttpApp, parts: RouteParts) => void
