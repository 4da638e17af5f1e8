import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { Audit, type AuditLimits } from '../../../src/audit/audit.ts'
import { canonicalJson } from '../../../src/audit/canonical-json.ts'
import type { AuditEvent, AuthenticationEvent, ChangeEvent } from '../../../src/audit/events.ts'
import type { Meter } from '../../../src/model/meter.ts'
import { silentMeter } from '../../../src/model/meter.ts'
import type { GroupWrite, LevelStore } from '../../../src/store/level-store.ts'
import { Conflict } from '../../../src/store/store.ts'
import { environmentKey } from '../../../src/vault/key-encryption-key.ts'
import { Vault } from '../../../src/vault/vault.ts'
import { ManualClock, temporaryDirectory, temporaryStore } from '../store/temporary-store.ts'

const random = { bytes: randomBytes }
const kek = environmentKey(randomBytes(32).toString('base64'))

const created = (target: string): ChangeEvent => ({
  type: 'change',
  what: 'device.created',
  target,
  actor: { kind: 'operator', id: 'alice', address: '127.0.0.1' },
  detail: { type: 'thermostat', uses: 1, renamed: false, parent: null },
})

const refused = (clientId: string, failure: AuthenticationEvent['failure'] = 'bad-secret'): AuthenticationEvent => ({
  type: 'authentication',
  result: 'refused',
  failure,
  transport: 'mqtts',
  address: '192.0.2.7',
  clientId,
  principal: null,
  credential: null,
  credentialKind: null,
})

const accepted = (principal: string): AuthenticationEvent => ({
  ...refused(principal, null),
  result: 'accepted',
  principal,
  credential: 'c1',
  credentialKind: 'secret',
})

interface Opened {
  audit: Audit
  store: LevelStore
  vault: Vault
  clock: ManualClock
  writes: GroupWrite[]
}

async function openAudit(limits: Partial<AuditLimits> = {}, meter: Meter = silentMeter): Promise<Opened> {
  const clock = new ManualClock()
  const writes: GroupWrite[] = []
  const store = await temporaryStore({ clock, faults: { beforeWrite: write => writes.push(write) } })
  const vault = await Vault.open({ store, kek, random })
  const audit = await Audit.open({ store, vault, clock, meter, limits })
  writes.length = 0
  return { audit, store, vault, clock, writes }
}

const events = async (audit: Audit): Promise<AuditEvent[]> =>
  (await audit.list({ limit: 10_000 })).map(record => record.event)

describe('the trail', () => {
  test('operations and events are one synced batch; records are numbered and chained', async () => {
    const { audit, store, clock, writes } = await openAudit()
    const before = clock.time
    await audit.commit([{ put: 'device/t1', value: '{}' }], [created('t1'), accepted('t1')])
    expect(writes).toEqual([{ number: expect.any(Number), operations: 4, sync: true }])
    clock.time += 5
    await audit.commit([], [created('t2')])
    const [first, second, third] = await audit.list()
    expect(store.get('device/t1')?.value.toString()).toBe('{}')
    expect(first).toEqual({ id: 1, at: before, event: created('t1'), previous: '0'.repeat(64), hash: first?.hash })
    expect(second).toMatchObject({ id: 2, at: before, previous: first?.hash })
    expect(third).toMatchObject({ id: 3, at: before + 5, previous: second?.hash })
    expect(await audit.get(2)).toEqual(second)
    for (const id of [0, -1, 4, 1.5, Number.NaN]) expect(await audit.get(id)).toBeUndefined()
    expect(await audit.verify()).toEqual({ ok: true, records: 3, brokenAt: null, reason: null })
  })

  test('a conflict is thrown at once and leaves neither operation nor event', async () => {
    const { audit, store } = await openAudit()
    await audit.commit([{ put: 'device/t1', value: '{}', if: 0 }], [created('t1')])
    expect(() => audit.commit([{ put: 'device/t1', value: '{}', if: 0 }], [created('t1')])).toThrow(Conflict)
    await audit.commit([{ put: 'device/t2', value: '{}', if: 0 }], [created('t2')])
    expect((await audit.list()).map(record => record.id)).toEqual([1, 2])
    expect(store.get('device/t2')).toBeDefined()
    expect((await audit.verify()).ok).toBe(true)
  })

  test('what was recorded before a commit comes before it', async () => {
    const { audit } = await openAudit()
    audit.record(accepted('t1'))
    await audit.commit([], [created('t2')])
    audit.record(accepted('t3'))
    await audit.flush()
    expect((await events(audit)).map(event => event.type)).toEqual(['authentication', 'change', 'authentication'])
    expect((await audit.verify()).ok).toBe(true)
  })

  test('what is recorded within a turn is one unsynced batch', async () => {
    const { audit, writes } = await openAudit()
    for (let i = 0; i < 50; i++) audit.record(accepted(`t${i}`))
    await new Promise(resolve => setImmediate(resolve))
    await audit.flush()
    expect(writes.map(({ operations, sync }) => [operations, sync])).toEqual([[51, false]])
    expect(await events(audit)).toHaveLength(50)
  })

  test('of a store that failed is still read; what was recorded is counted as lost', async () => {
    let fail = false
    const counted: string[] = []
    const store = await temporaryStore({
      faults: {
        beforeWrite() {
          if (fail) throw new Error('ENOSPC')
        },
      },
    })
    const vault = await Vault.open({ store, kek, random })
    const meter: Meter = { count: name => counted.push(name), gauge() {}, observe() {} }
    const audit = await Audit.open({ store, vault, clock: { now: Date.now }, meter })
    await audit.commit([], [created('t1')])
    fail = true
    await expect(audit.commit([], [created('t2')])).rejects.toMatchObject({ code: 'store-failed' })
    audit.record(accepted('t1'))
    expect(await events(audit)).toEqual([created('t1')])
    await expect(audit.flush()).rejects.toMatchObject({ code: 'store-failed' })
    await audit.close()
    expect(counted).toContain('latchkey_audit_lost_total')
  })

  test('goes on after reopening', async () => {
    const directory = await temporaryDirectory()
    for (let round = 1; round <= 3; round++) {
      const store = await temporaryStore({ directory })
      const vault = await Vault.open({ store, kek, random })
      const audit = await Audit.open({ store, vault, clock: { now: Date.now }, meter: silentMeter })
      expect(audit.damage).toBeNull()
      await audit.commit([], [created(`t${round}`)])
      expect(await audit.verify()).toMatchObject({ ok: true, records: round })
      await audit.close()
      expect(await Audit.verifyTrail(store, vault)).toMatchObject({ ok: true, records: round })
      await store.close()
    }
  })

  test('list: by range, type and principal, either way', async () => {
    const { audit } = await openAudit()
    for (let i = 1; i <= 10; i++) await audit.commit([], [i % 2 ? created(`t${i}`) : accepted('t1')])
    const ids = async (query: Parameters<Audit['list']>[0]) => (await audit.list(query)).map(record => record.id)
    expect(await ids({ after: 3, limit: 2 })).toEqual([4, 5])
    expect(await ids({ before: 3 })).toEqual([1, 2])
    expect(await ids({ reverse: true, limit: 3 })).toEqual([10, 9, 8])
    expect(await ids({ reverse: true, before: 4 })).toEqual([3, 2, 1])
    expect(await ids({ reverse: true, after: 7 })).toEqual([10, 9, 8])
    expect(await ids({ after: 2, before: 5 })).toEqual([3, 4])
    expect(await ids({ type: 'change', limit: 2 })).toEqual([1, 3])
    expect(await ids({ principal: 't1' })).toEqual([2, 4, 6, 8, 10])
    expect(await ids({ principal: 'alice', type: 'authentication' })).toEqual([])
    expect(await ids({ limit: 0 })).toEqual([])
  })

  test('control characters are escaped and long texts cut', async () => {
    const { audit } = await openAudit()
    audit.record({ ...accepted('t1'), clientId: `evil\u001b[2J\n\u202e${'x'.repeat(1_000)}` })
    await audit.commit([], [{ ...created('t\u0007'), detail: { 'na\nme': 'va\rlue' } }])
    const [first, second] = await events(audit)
    expect(first).toMatchObject({ clientId: expect.stringMatching(/^evil\\u001b\[2J\\u000a\\u202ex+…$/) })
    expect(JSON.stringify(first).length).toBeLessThan(700)
    expect(second).toMatchObject({ target: 't\\u0007', detail: { 'na\\u000ame': 'va\\u000dlue' } })
  })
})

describe('verify finds', () => {
  async function trailOf(count: number): Promise<Opened> {
    const opened = await openAudit()
    for (let i = 1; i <= count; i++) await opened.audit.commit([], [created(`t${i}`)])
    return opened
  }
  const keyOf = (id: number) => `audit/${String(id).padStart(16, '0')}`
  const storedValue = (store: LevelStore, key: string) => store.get(key)?.value ?? Buffer.alloc(0)

  /** As the running broker sees it, and as somebody with the stopped database and the vault key sees it. */
  async function expectBroken({ audit, store, vault }: Opened, brokenAt: number | null, reason: RegExp, live = true) {
    const seen = { ok: false, brokenAt, reason: expect.stringMatching(reason) }
    expect(await Audit.verifyTrail(store, vault)).toMatchObject(seen)
    if (live) expect(await audit.verify()).toMatchObject(seen)
    // A restart neither mends nor hides it.
    const clock = { now: Date.now }
    const again = await Audit.open({ store, vault, clock, meter: silentMeter })
    await again.commit([], [created('later')])
    expect((await again.verify()).ok).toBe(false)
    expect((await Audit.verifyTrail(store, vault)).ok).toBe(false)
  }

  test('a changed record', async () => {
    const opened = await trailOf(5)
    const changed = storedValue(opened.store, keyOf(3)).toString().replace('alice', 'mallo')
    await opened.store.commit([{ put: keyOf(3), value: changed }])
    await expectBroken(opened, 3, /changed/)
  })

  test('a changed record with a fitting hash', async () => {
    const opened = await trailOf(5)
    const { hash, ...body } = (await opened.audit.get(3)) ?? { hash: '' }
    const json = canonicalJson({ ...body, at: 0 })
    const { createHash } = await import('node:crypto')
    const value = createHash('sha256').update(json).digest('hex') + json
    expect(value).not.toContain(hash)
    await opened.store.commit([{ put: keyOf(3), value }])
    await expectBroken(opened, 4, /does not follow/)
  })

  test('a record that cannot be read', async () => {
    const opened = await trailOf(5)
    await opened.store.commit([{ put: keyOf(2), value: 'rubbish' }])
    await expectBroken(opened, 2, /changed/)
    expect((await opened.audit.list()).map(record => record.id)).not.toContain(2)
    expect(await opened.audit.get(2)).toBeUndefined()
  })

  test.each([1, 3])('a removed record (%i)', async id => {
    const opened = await trailOf(5)
    await opened.store.commit([{ del: keyOf(id) }])
    await expectBroken(opened, id, /missing/)
  })

  test('a truncated tail', async () => {
    const opened = await trailOf(5)
    await opened.store.commit([{ del: keyOf(5) }, { del: keyOf(4) }])
    await expectBroken(opened, 4, /cut off/)
  })

  test('a truncated tail with an older head put back under a wrong MAC', async () => {
    const opened = await trailOf(5)
    const { mac } = JSON.parse(storedValue(opened.store, 'audit-head').toString())
    const hash = (await opened.audit.get(4))?.hash
    await opened.store.commit([{ del: keyOf(5) }, { put: 'audit-head', value: JSON.stringify({ hash, id: 4, mac }) }])
    await expectBroken(opened, null, /forged/)
  })

  test('all records removed', async () => {
    const opened = await trailOf(2)
    await opened.store.commit([{ del: keyOf(1) }, { del: keyOf(2) }])
    await expectBroken(opened, 1, /cut off/)
  })

  test('swapped records', async () => {
    const opened = await trailOf(5)
    const [second, third] = [storedValue(opened.store, keyOf(2)), storedValue(opened.store, keyOf(3))]
    await opened.store.commit([
      { put: keyOf(2), value: third },
      { put: keyOf(3), value: second },
    ])
    await expectBroken(opened, 2, /number of another/)
  })

  test('a forged record at the end', async () => {
    const opened = await trailOf(3)
    const { audit, store, vault } = opened
    const forger = await Audit.open({ store, vault, clock: { now: Date.now }, meter: silentMeter })
    const head = storedValue(store, 'audit-head')
    await forger.commit([], [created('forged')]) // a well-formed record, but without the vault key the head stays behind
    await store.commit([{ put: 'audit-head', value: head }])
    expect((await audit.verify()).ok).toBe(true) // a running broker looks no further than the head it knows
    await expectBroken(opened, 4, /beyond the head/, false)
  })

  test.each([
    ['rubbish', 'rubbish'],
    ['another number', '{"hash":"00","id":9,"mac":"00"}'],
    ['no MAC', '{"hash":"00","id":3}'],
  ])('a forged head: %s', async (_, value) => {
    const opened = await trailOf(3)
    await opened.store.commit([{ put: 'audit-head', value }])
    await expectBroken(opened, null, /forged/)
  })

  test('a missing head', async () => {
    const opened = await trailOf(3)
    await opened.store.commit([{ del: 'audit-head' }])
    await expectBroken(opened, null, /missing/)
  })

  test('a trail of another vault', async () => {
    const { store } = await trailOf(3)
    const other = await Vault.open({ store: await temporaryStore(), kek, random })
    expect(await Audit.verifyTrail(store, other)).toMatchObject({ ok: false, reason: expect.stringMatching(/forged/) })
  })
})

describe('strangers', () => {
  test('fill no more than their bytes of a minute; one summary says what was left out', async () => {
    const { audit, clock } = await openAudit({ strangerBytesPerMinute: 16_384 })
    for (let i = 0; i < 5_000; i++) audit.record(refused('\u0000'.repeat(500), i % 5 ? 'bad-secret' : 'token-invalid'))
    audit.record(accepted('t1')) // who proved who he is, is never sampled
    await audit.flush()
    const written = await audit.list({ limit: 10_000 })
    expect(JSON.stringify(written).length).toBeLessThan(18_000)
    const kept = written.filter(record => record.event.type === 'authentication').length
    expect(kept).toBeGreaterThan(2)
    expect(written.at(-1)?.event).toEqual(accepted('t1'))
    clock.time += 60_000
    audit.record(refused('next minute'))
    await audit.flush()
    const all = await events(audit)
    const summary = all.find(event => event.type === 'omitted')
    expect(summary).toMatchObject({ of: 'authentication', count: 5_000 - (kept - 1) })
    expect(summary?.type === 'omitted' && summary.failures).toEqual({
      'bad-secret': expect.any(Number),
      'token-invalid': expect.any(Number),
    })
    expect(all.at(-1)).toEqual(refused('next minute'))
    expect((await audit.verify()).ok).toBe(true)
  })

  test('sessions without an identity count as strangers, those with one do not', async () => {
    const { audit } = await openAudit({ strangerBytesPerMinute: 0 })
    const session: AuditEvent = {
      type: 'session-start',
      session: 's1',
      principal: null,
      transport: 'mqtt',
      address: '127.0.0.1',
      clientId: 'x',
      failure: null,
    }
    audit.record(session)
    audit.record({ ...session, principal: 't1' })
    audit.record({ ...accepted('t1'), principal: null })
    await audit.close()
    expect((await events(audit)).map(event => [event.type, event.type === 'omitted' ? event.of : ''])).toEqual([
      ['session-start', ''],
      ['omitted', 'session-start'],
      ['omitted', 'authentication'],
    ])
  })

  test('a queue that is full counts what it leaves out, whoever caused it', async () => {
    const counted: unknown[] = []
    const meter: Meter = { count: (name, labels) => counted.push([name, labels]), gauge() {}, observe() {} }
    const { audit } = await openAudit({ maximumQueued: 10 }, meter)
    for (let i = 0; i < 25; i++) audit.record(accepted(`t${i}`))
    await audit.close()
    const all = await events(audit)
    expect(all).toHaveLength(11)
    expect(all.at(-1)).toMatchObject({ type: 'omitted', of: 'authentication', count: 15, failures: { none: 15 } })
    expect(counted).toContainEqual(['latchkey_audit_omitted_total', { reason: 'queue-full' }])
  })
})
