import type { Access } from '../access/access.ts'
import type { Scheduler } from '../access/scheduler.ts'
import type { SessionEvent } from '../access/session-event.ts'
import type { Authenticator } from '../auth/authenticator.ts'
import type { Bus } from '../bus/bus.ts'
import type { DtlsServerLimits } from '../dtls/limits.ts'
import type { Clock, Random } from '../model/clock.ts'
import type { Log } from '../model/log.ts'
import type { Meter } from '../model/meter.ts'
import type { HandshakeLine } from '../stream/listener.ts'
import type { ListenerLimits } from '../stream/peer-socket.ts'
import type { FailedProof } from './dtls-listener.ts'
import type { CoapLimits } from './limits.ts'
import type { OscoreContextParts } from './oscore-contexts.ts'

/** What a CoAP server asks of other rooms. */
export interface CoapServerParts {
  readonly bus: Bus
  readonly access: Pick<Access, 'epoch' | 'rights'> & {
    readonly sessions: Pick<Access['sessions'], 'register' | 'renew' | 'remove'>
  }
  readonly authenticator: Pick<
    Authenticator,
    'authenticate' | 'admitsClientId' | 'assignClientId' | 'pskKey' | 'mayResume'
  >
  /** For OSCORE, which is not served without. */
  readonly oscore?: Pick<OscoreContextParts, 'store' | 'credentials'>
  readonly clock: Clock
  readonly random: Random
  /** Timers of this process unless given. */
  readonly scheduler?: Scheduler
  readonly meter: Meter
  readonly log: Log
  readonly limits?: Partial<CoapLimits>
  readonly dtlsLimits?: Partial<DtlsServerLimits>
  /** Bounds on a connection before CoAP is spoken over it. */
  readonly listenerLimits?: Partial<ListenerLimits>
  /** Where TLS handshakes wait their turn; without it they begin at once. */
  readonly handshakes?: HandshakeLine
  /** For the audit trail. */
  readonly recordSession: (event: SessionEvent) => void
  /** The same: a handshake that claimed an identity and did not prove it. */
  readonly recordFailedProof?: (failure: FailedProof) => void
}
