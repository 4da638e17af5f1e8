// What the tests of this room share: the real policy engine as judge, a clock that is set by hand, principals, receivers.
import type { Judge, Judging, Rights } from '../../../src/bus/judging.ts'
import type { Lane, Message } from '../../../src/bus/message.ts'
import type { Delivered, Receiver } from '../../../src/bus/receiver.ts'
import type { Session } from '../../../src/bus/session.ts'
import type { Clock } from '../../../src/model/clock.ts'
import type { Principal, PrincipalKind } from '../../../src/model/principal.ts'
import { bind } from '../../../src/policy/bind.ts'
import { parsePolicy } from '../../../src/policy/parse-policy.ts'
import { compile } from '../../../src/policy/policy.ts'

/** Monday 2026-01-05, 12:00:00 UTC. */
export const NOON = Date.UTC(2026, 0, 5, 12)

export class HandClock implements Clock {
  time = NOON

  now(): number {
    return this.time
  }
}

/** Judges by a policy whose roles are named in the principals; another policy moves the epoch. */
export class PolicyJudge implements Judge {
  epoch = 1
  #policy = compile([], 0)
  readonly #clock: Clock

  constructor(clock: Clock, text: string) {
    this.#clock = clock
    this.put(text)
  }

  put(text: string): void {
    this.epoch++
    this.#policy = compile([parsePolicy(text, 'policy.yaml')], this.epoch)
  }

  rights(principal: Principal): Rights {
    const { subject, scopes, credential, transport, address } = principal
    const context = () => ({ credential: credential?.kind ?? null, transport, address, now: this.#clock.now() })
    return { decide: request => bind(this.#policy, subject, scopes).decide(request, context()) }
  }
}

/** Everything is permitted to the role `all`. */
export const PERMISSIVE = `
version: 1
roles:
  all:
    permit:
      - { id: anything, allow: "#" }
`

export function judging(policy = PERMISSIVE): Judging & { access: PolicyJudge; clock: HandClock } {
  const clock = new HandClock()
  return { clock, access: new PolicyJudge(clock, policy) }
}

export function principal(id: string, roles: readonly string[] = ['all'], kind: PrincipalKind = 'device'): Principal {
  return {
    subject: { kind, id, type: null, groups: [], roles, attributes: new Map([['id', id]]), children: [] },
    credential: { id: `credential-of-${id}`, kind: 'secret' },
    expiresAt: null,
    scopes: null,
    issuer: null,
    jti: null,
    ownerEpoch: 1,
    credentialEpoch: 1,
    transport: 'mqtts',
    address: '192.0.2.7',
  }
}

export const LANE: Lane = { name: 'test' }

/** Takes everything at once and acknowledges it when told to. */
export class PlainReceiver implements Receiver {
  lane: Lane | null = null
  congested = false
  readonly got: { payload: string; qos: 0 | 1 | 2; retain: boolean; identifiers: readonly number[] }[] = []
  readonly #session: Session
  acknowledges = true
  /** Takes what need not be kept past the queue. */
  passes = false

  constructor(session: Session) {
    this.#session = session
  }

  get payloads(): string[] {
    return this.got.map(({ payload }) => payload)
  }

  share(bytes: Buffer): void {
    this.got.push({ payload: bytes.toString(), qos: 0, retain: false, identifiers: [] })
  }

  send(message: Message, { retain, identifiers }: Delivered): void {
    this.got.push({ payload: message.payload.toString(), qos: 0, retain, identifiers })
  }

  pass(message: Message, { retain, identifiers }: Delivered, qos: 1 | 2): boolean {
    if (!this.passes) return false
    this.got.push({ payload: message.payload.toString(), qos, retain, identifiers })
    return true
  }

  queued(): void {
    const { queue } = this.#session
    for (let entry = queue.peek(); entry !== undefined; entry = queue.peek()) {
      const { message, qos, retain, identifiers } = entry
      queue.shift()
      if (message !== null && this.#session.mayReceive(message.topic, qos, retain))
        this.got.push({ payload: message.payload.toString(), qos, retain, identifiers })
      if (this.acknowledges) queue.finish(entry)
    }
    this.#session.backlog.goOn()
  }
}
