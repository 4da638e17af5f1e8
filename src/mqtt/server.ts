// All MQTT listeners and the connections that came through them.
import type { SessionEvent } from '../access/session-event.ts'
import type { Authenticator } from '../auth/authenticator.ts'
import type { Bus } from '../bus/bus.ts'
import type { Clock, Random } from '../model/clock.ts'
import type { Log } from '../model/log.ts'
import type { Meter } from '../model/meter.ts'
import { ADMISSION_LIMITS, Admission, type AdmissionLimits } from '../stream/admission.ts'
import type { HandshakeLine, Listener } from '../stream/listener.ts'
import type { ListenerLimits, PeerSocket } from '../stream/peer-socket.ts'
import type { HandshakeFailure, TlsMaterial } from '../stream/tls-acceptor.ts'
import { AedesEngine } from './aedes-engine.ts'
import { Gate } from './gate.ts'
import type { Door, GateAccess, GateContext } from './gate-context.ts'
import { MQTT_LIMITS, type MqttLimits } from './limits.ts'
import { type MqttTransport, openListener } from './listeners.ts'
import { RECEPTION_LIMITS, Reception, type ReceptionLimits } from './reception.ts'
import type { SessionEngine } from './session-engine.ts'
import { CountedTurn, type Traffic } from './traffic.ts'

export interface MqttServerParts {
  readonly bus: Bus
  readonly access: GateAccess
  readonly authenticator: Door & Pick<Authenticator, 'pskKey'>
  readonly clock: Clock
  readonly random: Random
  readonly meter: Meter
  readonly log: Log
  /** Where clients that ask can have answers; see `responseInformationFor`. */
  readonly responseInformation?: string
  readonly limits?: Partial<MqttLimits & AdmissionLimits & ReceptionLimits & ListenerLimits>
  /** For the audit trail. */
  readonly recordSession: (event: SessionEvent) => void
  readonly recordHandshakeFailure?: (failure: HandshakeFailure) => void
}

export interface ListenOptions {
  readonly host: string
  /** 0 = any free port. */
  readonly port: number
  /** Required for `mqtts` and `wss`. */
  readonly tls?: TlsMaterial
  /** Paths that serve MQTT over WebSocket. */
  readonly paths?: readonly string[]
  /** Web origins that may open a WebSocket besides the listener's own. */
  readonly origins?: readonly string[]
}

/** Milliseconds that may lie between two sweeps of a running process, with some to spare. */
const LONGEST_SWEEP = 30_000

export class MqttServer {
  readonly #parts: MqttServerParts
  readonly #engine: SessionEngine
  readonly #admission: Admission
  readonly #context: GateContext
  readonly #gates = new Set<Gate>()
  readonly #forget = (gate: Gate) => this.#gates.delete(gate)
  readonly #listeners: Listener[] = []
  readonly #sweep: NodeJS.Timeout

  private constructor(parts: MqttServerParts, engine: SessionEngine) {
    const limits = { ...MQTT_LIMITS, ...ADMISSION_LIMITS, ...RECEPTION_LIMITS, ...parts.limits }
    this.#parts = parts
    this.#engine = engine
    this.#admission = new Admission(limits, parts.clock, parts.meter, 'mqtt')
    const { authenticator: door } = parts
    const reception = new Reception(limits, parts.clock, parts.meter)
    this.#context = { ...parts, door, engine, limits, reception, turn: new CountedTurn() }
    let before = parts.clock.now()
    this.#sweep = setInterval(() => {
      const now = parts.clock.now()
      // The clock was set, or the machine slept: nobody has been silent for that.
      const jumped = Math.abs(now - before) > LONGEST_SWEEP
      before = now
      reception.sweep()
      for (const gate of this.#gates) {
        if (jumped) gate.startTimeAt(now)
        else gate.sweep(now)
      }
    }, limits.sweepInterval)
  }

  /** Throws `internal` when the session engine is not the version this was built for. */
  static async open(parts: MqttServerParts): Promise<MqttServer> {
    return new MqttServer(parts, await AedesEngine.create())
  }

  /** What has passed since the start. */
  get traffic(): Traffic {
    return this.#context.turn.traffic
  }

  /** Where TLS handshakes wait their turn, those of other protocols as well. */
  get handshakes(): HandshakeLine {
    return this.#context.reception
  }

  /** Opens a port. Throws `listener-failed`. */
  async listen(name: MqttTransport, options: ListenOptions): Promise<{ host: string; port: number }> {
    const { random, meter, log, limits, authenticator, recordHandshakeFailure } = this.#parts
    const listener = await openListener({
      ...options,
      name,
      random,
      meter,
      log,
      admission: this.#admission,
      reception: this.#context.reception,
      ...(limits && { limits }),
      ...(name === 'mqtts' && { pskKey: (identity: string) => authenticator.pskKey(identity) }),
      ...(recordHandshakeFailure && { onHandshakeFailure: recordHandshakeFailure }),
      onPeer: peer => this.accept(peer),
    })
    this.#listeners.push(listener)
    return { host: listener.host, port: listener.port }
  }

  /** Takes a connection whose handshakes are over. */
  accept(peer: PeerSocket): void {
    this.#gates.add(new Gate(peer, this.#context, this.#forget))
  }

  /** New handshakes use these certificates; open connections stay. */
  setTls(material: TlsMaterial): void {
    for (const listener of this.#listeners) listener.setTls(material)
  }

  /** Ends every session with `shutting-down` and frees the ports. */
  async close(): Promise<void> {
    clearInterval(this.#sweep)
    for (const listener of this.#listeners) listener.stopAccepting()
    const gates = [...this.#gates]
    const closed = Promise.all(gates.map(gate => gate.closed()))
    for (const gate of gates) gate.end('shutting-down')
    // Each is cut by itself when its peer does not take the goodbye in time.
    await closed
    await Promise.all(this.#listeners.map(listener => listener.close()))
    await this.#engine.close()
  }
}
