import { randomBytes } from 'node:crypto'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { Audit, type AuditLimits } from '../../../src/audit/audit.ts'
import type { DecisionEvent } from '../../../src/audit/events.ts'
import type { Decision } from '../../../src/model/decision.ts'
import { silentMeter } from '../../../src/model/meter.ts'
import type { Principal } from '../../../src/model/principal.ts'
import { environmentKey } from '../../../src/vault/key-encryption-key.ts'
import { Vault } from '../../../src/vault/vault.ts'
import { ManualClock, temporaryStore } from '../store/temporary-store.ts'

const principal = (id: string): Principal => ({
  subject: { kind: 'device', id, type: 'lamp', groups: [], roles: [], attributes: new Map(), children: [] },
  credential: null,
  expiresAt: null,
  scopes: null,
  issuer: null,
  jti: null,
  ownerEpoch: 1,
  credentialEpoch: 1,
  transport: 'mqtt',
  address: '127.0.0.1',
})
const t1 = principal('t1')

const noRule: Decision = { permit: false, rule: null, maxQos: 2, until: null, reason: 'no-rule' }
const byRule = (id: string, permit: boolean, policyVersion = 1): Decision => ({
  permit,
  rule: { id, role: 'lamp', policyVersion, file: 'home.yaml', line: 7 },
  maxQos: 2,
  until: null,
  reason: 'rule',
})

async function openAudit(limits: Partial<AuditLimits> = {}) {
  const clock = new ManualClock()
  const store = await temporaryStore({ clock })
  const vault = await Vault.open({
    store,
    kek: environmentKey(randomBytes(32).toString('base64')),
    random: { bytes: randomBytes },
  })
  const audit = await Audit.open({ store, vault, clock, meter: silentMeter, limits })
  const written = async () => {
    const records = await audit.list({ limit: 100_000, type: 'decision' })
    return records.map(({ event }) => event as DecisionEvent)
  }
  return { audit, clock, written }
}

const brief = (events: DecisionEvent[]) =>
  events.map(({ principal: who, action, rule, permit, count }) => [who, action, rule, permit, count])

afterEach(() => {
  vi.useRealTimers()
})

describe('decisions', () => {
  test('the first of a minute is written at once, with all that explains it', async () => {
    const { audit, clock, written } = await openAudit()
    audit.decisions.decided(
      t1,
      { action: 'publish', target: 'home/\u0007lock', qos: 1, retain: true },
      byRule('no-lock', false),
    )
    audit.decisions.decided(t1, { action: 'subscribe', target: 'home/#' }, noRule)
    expect(await written()).toEqual([
      {
        type: 'decision',
        principal: 't1',
        action: 'publish',
        target: 'home/\\u0007lock',
        permit: false,
        rule: 'lamp/no-lock',
        policyVersion: 1,
        file: 'home.yaml',
        line: 7,
        reason: 'rule',
        circumstances: {
          credential: null,
          transport: 'mqtt',
          address: '127.0.0.1',
          qos: 1,
          retain: true,
          scopes: null,
        },
        minute: clock.time / 60_000,
        count: 1,
      },
      {
        type: 'decision',
        principal: 't1',
        action: 'subscribe',
        target: 'home/#',
        permit: false,
        rule: null,
        policyVersion: null,
        file: null,
        line: null,
        reason: 'no-rule',
        circumstances: {
          credential: null,
          transport: 'mqtt',
          address: '127.0.0.1',
          qos: null,
          retain: null,
          scopes: null,
        },
        minute: clock.time / 60_000,
        count: 1,
      },
    ])
  })

  test('the total of a minute is written when it is over; one of its kind needs none', async () => {
    const { audit, clock, written } = await openAudit()
    for (let i = 0; i < 5; i++) audit.decisions.decided(t1, { action: 'publish', target: `a/${i}` }, noRule)
    audit.decisions.repeated(t1, { action: 'publish', target: 'a/0' }, noRule, 1_000)
    audit.decisions.decided(t1, { action: 'publish', target: 'b' }, byRule('report', true))
    clock.time += 60_000
    audit.decisions.decided(t1, { action: 'publish', target: 'c' }, noRule)
    const events = await written()
    expect(brief(events)).toEqual([
      ['t1', 'publish', null, false, 1],
      ['t1', 'publish', 'lamp/report', true, 1],
      ['t1', 'publish', null, false, 1_005],
      ['t1', 'publish', null, false, 1],
    ])
    expect(events[2]).toMatchObject({ target: 'a/0', minute: events[0]?.minute ?? 0 })
    expect(events[3]).toMatchObject({ target: 'c', minute: (events[0]?.minute ?? 0) + 1 })
    expect((await audit.verify()).ok).toBe(true)
  })

  test('are told apart by principal, action, rule, policy version and answer', async () => {
    const { audit, written } = await openAudit()
    const different: [Principal, 'publish' | 'receive', Decision][] = [
      [t1, 'publish', byRule('a', false)],
      [principal('t2'), 'publish', byRule('a', false)],
      [t1, 'receive', byRule('a', false)],
      [t1, 'publish', byRule('b', false)],
      [t1, 'publish', byRule('a', false, 2)],
      [t1, 'publish', byRule('a', true)],
      [t1, 'publish', noRule],
      [t1, 'publish', { ...noRule, reason: 'scope' }],
    ]
    for (let i = 0; i < 3; i++)
      for (const [who, action, decision] of different) audit.decisions.decided(who, { action, target: 'x' }, decision)
    await audit.close()
    const events = await written()
    expect(events.filter(event => event.count === 1)).toHaveLength(different.length)
    expect(events.filter(event => event.count === 3)).toHaveLength(different.length)
  })

  test('are bounded: what is too much for a minute is counted together, and permits cannot crowd out denials', async () => {
    const { audit, written } = await openAudit({ maximumPermits: 10, maximumDenials: 20 })
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < 1_000; i++) {
        audit.decisions.decided(principal(`p${i}`), { action: 'publish', target: 'x' }, byRule('report', true))
        audit.decisions.decided(principal(`d${i}`), { action: 'publish', target: 'x' }, noRule)
      }
    }
    await audit.close()
    const events = await written()
    expect(events).toHaveLength(2 * (10 + 20 + 2))
    const others = events.filter(event => event.principal === 'others')
    expect(brief(others)).toEqual([
      ['others', 'publish', null, true, 1],
      ['others', 'publish', null, false, 1],
      ['others', 'publish', null, true, 1_980],
      ['others', 'publish', null, false, 1_960],
    ])
    const total = events.filter(event => event.count > 1).reduce((sum, event) => sum + event.count, 0)
    expect(total).toBe(4_000)
  })

  test('the minute ends by itself', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const { audit, clock, written } = await openAudit()
    clock.time += 40_000
    for (let i = 0; i < 3; i++) audit.decisions.decided(t1, { action: 'publish', target: 'a' }, noRule)
    vi.advanceTimersByTime(19_999)
    expect(brief(await written())).toHaveLength(1)
    clock.time += 20_000
    vi.advanceTimersByTime(1)
    expect(brief(await written())).toEqual([
      ['t1', 'publish', null, false, 1],
      ['t1', 'publish', null, false, 3],
    ])
    vi.advanceTimersByTime(10) // the rest between two writes is over
    expect(vi.getTimerCount()).toBe(0)
    await audit.close()
  })
})
