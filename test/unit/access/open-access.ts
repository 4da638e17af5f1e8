// The real parts behind Access, with a clock and timers that are moved by hand.
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { Access, type AccessOptions } from '../../../src/access/access.ts'
import type { LiveSession } from '../../../src/access/live-sessions.ts'
import type { Scheduler } from '../../../src/access/scheduler.ts'
import { Audit } from '../../../src/audit/audit.ts'
import type { Actor } from '../../../src/audit/events.ts'
import { ChangeFeed } from '../../../src/model/change.ts'
import type { Action, Decision, Request } from '../../../src/model/decision.ts'
import type { DenialSink } from '../../../src/model/denial-sink.ts'
import type { FailureCode } from '../../../src/model/failure.ts'
import { silentLog } from '../../../src/model/log.ts'
import { silentMeter } from '../../../src/model/meter.ts'
import type { Principal } from '../../../src/model/principal.ts'
import type { CredentialRecord } from '../../../src/registry/records.ts'
import { Registry } from '../../../src/registry/registry.ts'
import type { LevelStore } from '../../../src/store/level-store.ts'
import { environmentKey } from '../../../src/vault/key-encryption-key.ts'
import { Vault } from '../../../src/vault/vault.ts'
import { ManualClock, temporaryDirectory, temporaryStore } from '../store/temporary-store.ts'

export const OPERATOR: Actor = { kind: 'operator', id: 'olga' }

export class ManualScheduler implements Scheduler {
  readonly #clock: ManualClock
  readonly #waiting = new Set<{ readonly at: number; readonly run: () => void }>()

  constructor(clock: ManualClock) {
    this.#clock = clock
  }

  get size(): number {
    return this.#waiting.size
  }

  after(milliseconds: number, run: () => void): () => void {
    const timer = { at: this.#clock.time + milliseconds, run }
    this.#waiting.add(timer)
    return () => this.#waiting.delete(timer)
  }

  /** Moves the clock and runs what is due, in order. */
  advance(milliseconds: number): void {
    const end = this.#clock.time + milliseconds
    for (;;) {
      const due = [...this.#waiting].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0]
      if (!due) break
      this.#waiting.delete(due)
      this.#clock.time = Math.max(this.#clock.time, due.at)
      due.run()
    }
    this.#clock.time = end
  }
}

/** Remembers what it was told. */
export class RecordingSink implements DenialSink {
  readonly told: {
    readonly id: string
    action: Action
    target: string
    permit: boolean
    times: number
    fresh: boolean
  }[] = []

  decided({ subject }: Principal, { action, target }: Request, { permit }: Decision): void {
    this.told.push({ id: subject.id, action, target, permit, times: 1, fresh: true })
  }

  repeated({ subject }: Principal, { action, target }: Request, { permit }: Decision, times: number): void {
    this.told.push({ id: subject.id, action, target, permit, times, fresh: false })
  }
}

export interface Opened {
  readonly access: Access
  readonly registry: Registry
  readonly audit: Audit
  readonly store: LevelStore
  readonly changes: ChangeFeed
  readonly clock: ManualClock
  readonly scheduler: ManualScheduler
  readonly sink: RecordingSink
  readonly directory: string
  readonly kek: string
  /** Opens everything again over the same directory, as after a restart. */
  reopen(options?: Partial<AccessOptions>): Promise<Opened>
}

export async function openAccess(
  options: Partial<AccessOptions> = {},
  from: { directory?: string; kek?: string; clock?: ManualClock } = {},
): Promise<Opened> {
  const clock = from.clock ?? new ManualClock(Date.UTC(2026, 0, 5, 12))
  const directory = from.directory ?? (await temporaryDirectory())
  const kek = from.kek ?? randomBytes(32).toString('base64')
  const random = { bytes: randomBytes }
  const store = await temporaryStore({ directory: join(directory, 'db'), clock })
  const vault = await Vault.open({ store, kek: environmentKey(kek), random })
  const audit = await Audit.open({ store, vault, clock, meter: silentMeter })
  const changes = new ChangeFeed()
  const registry = new Registry({ store, vault, audit, changes, clock, random })
  const scheduler = new ManualScheduler(clock)
  const sink = new RecordingSink()
  const parts = {
    store,
    audit,
    registry,
    changes,
    clock,
    scheduler,
    meter: silentMeter,
    log: silentLog,
    decisions: sink,
  }
  const access = await Access.open({ ...parts, ...options })
  const reopen = async (again: Partial<AccessOptions> = {}): Promise<Opened> => {
    access.close()
    await audit.close()
    await store.close()
    return openAccess({ ...options, ...again }, { directory, kek, clock })
  }
  return { access, registry, audit, store, changes, clock, scheduler, sink, directory, kek, reopen }
}

/** A device with a secret, and the principal it would have. */
export async function admitted(
  { registry, clock }: Opened,
  id: string,
  {
    lifetime = null,
    ...fields
  }: { lifetime?: number | null; roles?: string[]; attributes?: Record<string, string>; parent?: string } = {},
): Promise<{ principal: Principal; credential: CredentialRecord }> {
  if (!registry.deviceType('lamp')) await registry.putDeviceType({ id: 'lamp' }, OPERATOR)
  if (!registry.device(id)) await registry.createDevice({ id, type: 'lamp', ...fields }, OPERATOR)
  const { credential } = await registry.issueSecret(id, { audience: 'mqtt', lifetime }, OPERATOR)
  const subject = registry.subjectOf(id)
  if (!subject) throw new Error(`no subject ${id}`)
  const principal: Principal = {
    subject,
    credential: { id: credential.id, kind: 'secret' },
    expiresAt: lifetime === null ? null : clock.now() + lifetime * 1000,
    scopes: null,
    issuer: null,
    jti: null,
    ownerEpoch: registry.device(id)?.epoch ?? 0,
    credentialEpoch: credential.epoch,
    transport: 'mqtts',
    address: '192.0.2.7',
  }
  return { principal, credential }
}

export class RecordedSession implements LiveSession {
  readonly id: string
  readonly clientId = null
  readonly since = 0
  readonly ends: FailureCode[] = []
  readonly fresh: Principal[] = []
  principal: Principal

  constructor(id: string, principal: Principal) {
    this.id = id
    this.principal = principal
  }

  end(failure: FailureCode): void {
    this.ends.push(failure)
  }

  accessChanged(principal: Principal): void {
    this.principal = principal
    this.fresh.push(principal)
  }
}

export const PERMIT_OWN = `version: 1
roles:
  lamp:
    permit:
      - { id: own, allow: "lamp/\${device.id}/#" }
      - { id: room, publish: "room/\${device.room}" }
assign:
  - { type: lamp, roles: [lamp] }
tests:
  - { device: { type: lamp, id: l1 }, publish: "lamp/l1/on", expect: allow }
`

/** One file named policy.yaml. */
export const fileOf = (text: string) => [{ path: 'policy.yaml', text }]
