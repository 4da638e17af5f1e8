// What the load generator is asked for, and what it tells: plain JSON over the channel to its parent.

/** The server under load: on loopback, and a process of its own. */
export interface Target {
  readonly port: number
  readonly pid: number
}

/** How long something goes on: until both are reached. */
export interface Extent {
  readonly seconds: number
  /** Requests, or values put. */
  readonly count: number
}

export interface GetOrder extends Target {
  readonly kind: 'get'
  readonly path: readonly string[]
  /** One peer (a socket of its own) for each, with one confirmable request in flight: so many are the window. */
  readonly queries: readonly (readonly string[])[]
  /** Before the measurement begins. */
  readonly warm: Extent
  readonly measured: Extent
  /** Memory is sampled after so many requests; 0: at the end only. */
  readonly sampleEvery: number
}

export interface ObserveOrder extends Target {
  readonly kind: 'observe'
  readonly path: readonly string[]
  /** Whether observers ask, and the publisher puts, with CON or with NON. */
  readonly confirmable: boolean
  /** One observer (a socket of its own) for each. */
  readonly queries: readonly (readonly string[])[]
  readonly publisherQuery: readonly string[]
  /** Before the measurement begins. */
  readonly warm: Extent
  readonly measured: Extent
}

/** Sends datagrams one after the other, each from a socket of its own, and tells what came back. */
export interface AskOrder extends Target {
  readonly kind: 'ask'
  readonly requests: readonly {
    readonly method: number
    readonly path: readonly string[]
    readonly query: readonly string[]
    readonly payload: string
  }[]
}

/** What a DTLS client shows, PEM and hexadecimal, and whose server it believes. */
export interface Shown {
  readonly psk?: { readonly identity: string; readonly key: string }
  readonly certificate?: { readonly chain: string; readonly privateKey: string }
  readonly authorities?: string
}

/** As many clients as `shown`, each with one handshake (or, for `echo`, one request in an open session) under way. */
export interface SecureOrder extends Target {
  readonly kind: 'handshakes' | 'echo'
  readonly shown: readonly Shown[]
  readonly path: readonly string[]
  readonly warm: Extent
  readonly measured: Extent
}

/** Opens so many sessions, has each ask once, and keeps them until they are released, all. */
export interface HoldOrder extends Target {
  readonly kind: 'hold' | 'release'
  readonly shown: readonly Shown[]
  readonly path: readonly string[]
  readonly count: number
}

export type Order = GetOrder | ObserveOrder | AskOrder | SecureOrder | HoldOrder

export interface Measured {
  /** Requests answered, notifications delivered, handshakes done. */
  readonly count: number
  readonly seconds: number
  /** User and system time of the server, in seconds. */
  readonly cpuSeconds: number
  /** Milliseconds, from sending the request (or publication) to receiving the response (or notification). */
  readonly p50: number
  readonly p99: number
  /** Datagrams sent again because nothing came back in time, or notifications that never came. */
  readonly lost: number
  /** Resident memory of the server in bytes, by requests done since it was first asked. */
  readonly memory: readonly { readonly requests: number; readonly bytes: number }[]
  /** The most memory that the server ever had resident. */
  readonly peakBytes: number
}

export interface Answers {
  readonly answers: readonly { readonly code: number; readonly payload: string }[]
}

export type Outcome = { readonly measured: Measured } | Answers | { readonly held: number } | { readonly error: string }
