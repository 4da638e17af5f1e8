// One login over one connection, whatever the protocol. A link never comes back: who lost one opens the next.
import type { OscoreContext } from '../../src/coap-wire/oscore-client.ts'
import type { WireMessage } from '../message.ts'

/** What a device shows of itself to log in. */
export type Login =
  /** PEM, the chain included. */
  | { readonly by: 'certificate'; readonly certificate: string; readonly privateKey: string }
  | { readonly by: 'psk'; readonly identity: string; readonly key: Buffer }
  /** A secret or a JWT. */
  | { readonly by: 'password'; readonly password: string }
  | { readonly by: 'oscore'; readonly context: OscoreContext }

export interface Outgoing {
  readonly topic: string
  readonly payload: Buffer
  /** What the payload is written in: a number of the IANA table of CoAP content formats. */
  readonly contentFormat: number
  readonly qos: 0 | 1
  readonly retain: boolean
}

/** `denied`: the broker will not have it; sending it again is pointless. `later`: it cannot just now. */
export type Outcome = 'accepted' | 'denied' | 'later'

/** What a link tells. Given when it is opened, because messages may come with the answer to the login. */
export interface LinkListener {
  message(message: WireMessage): void
  /** A subscription that ended, or could not be had again. */
  denied(filter: string): void
  /** Once, unless `end` was called before. `reason` is for a person. */
  closed(reason: string): void
}

/** What opening a link takes, whatever is spoken on it. */
export interface LinkParts {
  readonly endpoint: Endpoint
  /** Root certificate, PEM. */
  readonly ca: string
  /** Of the device or client; also its user name. */
  readonly clientId: string
  readonly login: Login
  readonly listener: LinkListener
  /** Ends the attempt. */
  readonly signal: AbortSignal
}

export interface Link {
  /** Rejects when the link closes before the answer. With QoS 0 it resolves when sent. */
  publish(message: Outgoing): Promise<Outcome>
  /** Rejects when the link closes before the answer. */
  subscribe(filter: string): Promise<Outcome>
  /** Logs out; resolves when the socket is closed. Never rejects. */
  end(): Promise<void>
  /** The same without a word: the session goes on over another link. */
  drop(): Promise<void>
}

/** The broker answered, and did not let the device in. */
export class LoginRefused extends Error {
  constructor(reason: string) {
    super(reason)
    this.name = 'LoginRefused'
  }
}

/** Why a link is gone, for those who wait for an answer on it. */
export class LinkClosed extends Error {
  constructor(reason: string) {
    super(reason)
    this.name = 'LinkClosed'
  }
}

export interface Endpoint {
  readonly host: string
  readonly port: number
}

/** Where to connect: a listener on all addresses is reached over loopback. */
export function reachable({ host, port }: Endpoint): Endpoint {
  if (host === '0.0.0.0') return { host: '127.0.0.1', port }
  return host === '::' ? { host: '::1', port } : { host, port }
}
