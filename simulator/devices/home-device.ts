// What the demo sees of a device: it starts, it says what befell it, it counts, it stops.
import type { EventEmitter } from 'node:events'
import type { CredentialName, Protocol } from '../home-plan.ts'

/** Where the broker is. Read afresh at each connect: it may come back on other ports. */
export interface BrokerAddress {
  readonly listeners: Readonly<Partial<Record<Protocol, { readonly host: string; readonly port: number }>>>
  /** Of the HTTP API, e.g. `https://localhost:8443`. */
  readonly httpsUrl: string
  /** Root certificate, PEM. */
  readonly ca: string
}

/** What devices know of the world: a sensor each, and the machine in the wall. `World` is one. */
export interface Surroundings {
  /** The time that devices go by: simulated seconds since the world began. */
  readonly seconds: number
  /** Degrees Celsius, as the thermostat of the room measures them. */
  measure(room: string): number
  /** Degrees Celsius, as a battery sensor in the room measures them. */
  senseAt(room: string, sensorId: string): number
  airConditioner(room: string): {
    setMode(mode: 'cool' | 'off'): void
    readonly mode: 'cool' | 'off'
    readonly watts: number
    /** Since the world began. */
    readonly kWh: number
  }
}

export interface Counts {
  /** Logins that the broker accepted. */
  readonly connects: number
  /** Credentials or tokens exchanged for new ones and in use. */
  readonly renewals: number
  /** Messages that the broker acknowledged; with QoS 0, that were sent. */
  readonly published: number
  readonly received: number
  /** PUBACK, SUBACK and 4.03 by which the broker refused a topic. */
  readonly denied: number
}

/** A message of which the broker said that it has it. */
export interface Acknowledged {
  readonly topic: string
  readonly seq: number
  /** When the acknowledgement came, wall time: `performance.now()`. */
  readonly at: number
}

/** Told from timers and sockets: listeners must not throw. */
export interface HomeEvents {
  /** After each login, also when a renewal hands over without a gap. */
  connected: []
  /** The link was lost, not left: why, in words for a person; and when, `performance.now()`. */
  disconnected: [reason: string, at: number]
  renewed: []
  /** The topic or filter that was refused. */
  denied: [topic: string]
  acknowledged: [Acknowledged]
}

/** A device or service of the home. It connects again by itself, whatever happens, until it is stopped. */
export interface Inhabitant extends EventEmitter<HomeEvents> {
  readonly id: string
  readonly type: string
  readonly protocol: Protocol
  readonly credential: CredentialName
  readonly counts: Counts
  /** The newest of them; older ones are dropped. */
  readonly acknowledged: readonly Acknowledged[]
  /** Ends connections, timers and attempts; resolves when the sockets are closed. */
  stop(): Promise<void>
}

export interface HomeDevice extends Inhabitant {
  /**
   * Enrols with the one-time token unless a credential is on disk, connects and subscribes. Resolves when it takes part.
   * @throws ApiError when the broker refuses the enrolment
   */
  start(enrolmentToken: string): Promise<void>
  /** After its credential was revoked: enrols anew, connects and subscribes. */
  enrolAgain(enrolmentToken: string): Promise<void>
}

/** An air conditioner can be made to ignore commands: a fault of the world. It goes on reporting. */
export interface AirConditionerDevice extends HomeDevice {
  deaf: boolean
}

/** Reads the power meters; a client of the token endpoint. */
export interface EnergyService extends Inhabitant {
  /** Fetches a token for the secret, connects and subscribes. */
  start(clientSecret: string): Promise<void>
  /** Last meter reading by room. */
  readonly readings: ReadonlyMap<string, number>
  /** Sum of the last meter readings. */
  readonly kWh: number
}
