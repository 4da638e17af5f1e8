// Everything that is served over CoAP.
import { AuthzInfoResource } from './authz-info-resource.ts'
import { ConnectionResource } from './connection-resource.ts'
import { Discovery, WellKnownCore } from './discovery.ts'
import type { CoapLimits } from './limits.ts'
import { Observations } from './observations.ts'
import type { Peer, Resource } from './resource.ts'
import type { CoapServerParts } from './server-parts.ts'
import { CoapSessions } from './sessions.ts'
import { TopicResource } from './topic-resource.ts'

export interface Resources {
  readonly resources: Resource[]
  /** Opens the session of whom a channel has proved, or closes the channel. Never rejects. */
  readonly admit: (peer: Peer) => Promise<void>
  /** The session of a peer goes on from another address. */
  readonly moved: (peer: Peer) => void
  /** Ends sessions that are idle, and forgets long events; it does so by itself now and then. */
  sweep(): void
  /** Ends every session; its observers are told. */
  close(): void
}

/** Milliseconds between two looks for sessions that are idle. */
const SWEEP_INTERVAL = 5000

export function openResources(parts: CoapServerParts & { readonly limits: CoapLimits }): Resources {
  const { bus, clock, meter, limits } = parts
  const sessions = new CoapSessions(parts, limits)
  const observations = new Observations(parts, limits)
  const discovery = new Discovery(bus, limits)
  let before = clock.now()
  const timer = setInterval(() => {
    const now = clock.now()
    if (Math.abs(now - before) > 2 * SWEEP_INTERVAL) sessions.startTimeAt(now)
    else sessions.sweep(now)
    observations.sweep()
    before = now
  }, SWEEP_INTERVAL)
  timer.unref()
  return {
    admit: peer => sessions.admit(peer),
    moved: peer => sessions.moved(peer),
    sweep() {
      sessions.sweep(clock.now())
      observations.sweep()
    },
    resources: [
      new TopicResource({ bus, clock, meter, limits, sessions, observations, discovery }),
      new ConnectionResource(sessions, limits),
      new AuthzInfoResource(sessions),
      new WellKnownCore(discovery, sessions, limits),
    ],
    close() {
      clearInterval(timer)
      sessions.close()
    },
  }
}
