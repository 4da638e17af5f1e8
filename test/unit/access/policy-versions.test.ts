// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is how a policy writes its variables
import { describe, expect, test } from 'vitest'
import { CURRENT_KEY, versionKey } from '../../../src/access/policy-version.ts'
import { admitted, fileOf, OPERATOR, openAccess, PERMIT_OWN } from './open-access.ts'

const DENY_ALL = 'version: 1\nroles: {}\n'
const publish = (target: string) => ({ action: 'publish', target }) as const

describe('the policy in force', () => {
  test('is empty in a fresh data directory and denies everything', async () => {
    const opened = await openAccess()
    expect(opened.access.policy()).toMatchObject({ version: 0, files: [] })
    const { principal } = await admitted(opened, 'l1')
    expect(opened.access.decide(principal, publish('lamp/l1/on'))).toMatchObject({ permit: false, reason: 'no-rule' })
  })

  test('is replaced at once, with a version, a hash and an audit record; the files are kept verbatim', async () => {
    const opened = await openAccess()
    const { access, audit, clock } = opened
    const { principal } = await admitted(opened, 'l1')
    const rights = access.rights(principal)
    expect(rights.decide(publish('lamp/l1/on')).permit).toBe(false)
    const epoch = access.epoch

    const outcome = await access.putPolicy(fileOf(PERMIT_OWN), OPERATOR)
    expect(outcome).toMatchObject({ version: 1, changed: true, tests: [{ ok: true }] })
    expect(access.policy()).toMatchObject({ version: 1, at: clock.now(), actor: OPERATOR, files: fileOf(PERMIT_OWN) })
    expect(access.policy().hash).toMatch(/^[0-9a-f]{64}$/)
    expect(access.epoch).toBeGreaterThan(epoch)
    expect(rights.decide(publish('lamp/l1/on'))).toMatchObject({
      permit: true,
      rule: { id: 'own', role: 'lamp', policyVersion: 1, file: 'policy.yaml', line: 5 },
    })
    const [record] = await audit.list({ type: 'change', reverse: true, limit: 1 })
    expect(record?.event).toMatchObject({
      what: 'policy.activated',
      target: '1',
      actor: OPERATOR,
      detail: { before: 0 },
    })
  })

  test('survives a restart', async () => {
    const opened = await openAccess()
    await opened.access.putPolicy(fileOf(PERMIT_OWN), OPERATOR)
    const { principal } = await admitted(opened, 'l1')
    const { access } = await opened.reopen()
    expect(access.policy()).toMatchObject({ version: 1, actor: OPERATOR })
    expect(access.decide(principal, publish('lamp/l1/on')).permit).toBe(true)
  })

  test('the same files make no new version, in whatever order', async () => {
    const { access } = await openAccess()
    const files = [
      { path: 'a.yaml', text: PERMIT_OWN },
      { path: 'b.yaml', text: DENY_ALL },
    ]
    expect(await access.putPolicy(files, OPERATOR)).toMatchObject({ version: 1, changed: true })
    expect(await access.putPolicy([...files].reverse(), OPERATOR)).toMatchObject({ version: 1, changed: false })
    expect(await access.versions()).toHaveLength(2)
  })

  test('a dry run checks everything and changes nothing', async () => {
    const { access } = await openAccess()
    expect(await access.putPolicy(fileOf(PERMIT_OWN), OPERATOR, { dryRun: true })).toMatchObject({
      version: 1,
      changed: true,
    })
    expect(access.policy().version).toBe(0)
  })

  test.each([
    ['a mistake', 'version: 1\nroles: 7\n', 'invalid-policy'],
    ['a failing test', PERMIT_OWN.replace('expect: allow', 'expect: deny'), 'policy-test-failed'],
    ['too many bytes', `version: 1 # ${'x'.repeat(200)}`, 'too-large'],
  ])('%s leaves the policy in force as it is', async (_, text, code) => {
    const { access } = await openAccess({ limits: { policyBytes: PERMIT_OWN.length } })
    await access.putPolicy(fileOf(PERMIT_OWN), OPERATOR)
    const padded = code === 'too-large' ? text + PERMIT_OWN : text
    await expect(access.putPolicy(fileOf(padded), OPERATOR)).rejects.toMatchObject({ code })
    expect(access.policy()).toMatchObject({ version: 1, files: fileOf(PERMIT_OWN) })
    expect(await access.versions()).toHaveLength(2)
  })

  test('the failing test is named with its place', async () => {
    const { access } = await openAccess()
    const text = PERMIT_OWN.replace('expect: allow', 'expect: deny')
    await expect(access.putPolicy(fileOf(text), OPERATOR)).rejects.toMatchObject({
      message: expect.stringContaining('the test "l1 publish lamp/l1/on: deny" failed: it was permitted by rule own'),
      location: { file: 'policy.yaml', line: 10 },
    })
  })

  test('tests may name registered devices', async () => {
    const opened = await openAccess()
    const text = `${PERMIT_OWN}  - { device: l7, publish: "lamp/l7/on", expect: allow }\n`
    await expect(opened.access.putPolicy(fileOf(text), OPERATOR)).rejects.toMatchObject({ code: 'policy-test-failed' })
    await admitted(opened, 'l7')
    expect(await opened.access.putPolicy(fileOf(text), OPERATOR)).toMatchObject({ version: 1 })
  })

  test('two at the same time come into force one after the other', async () => {
    const { access } = await openAccess()
    await Promise.all([access.putPolicy(fileOf(PERMIT_OWN), OPERATOR), access.putPolicy(fileOf(DENY_ALL), OPERATOR)])
    expect(access.policy()).toMatchObject({ version: 2, files: fileOf(DENY_ALL) })
    await Promise.all([access.rollback(1, OPERATOR), access.rollback(2, OPERATOR)])
    expect(access.policy()).toMatchObject({ version: 4, rollbackOf: 2, files: fileOf(DENY_ALL) })
  })

  test('another writer of the same store is noticed', async () => {
    const { access, store, registry } = await openAccess()
    const commitAll = registry.commitAll.bind(registry)
    registry.commitAll = async parts => {
      await store.commit([{ put: CURRENT_KEY, value: '{"version":0}' }])
      return commitAll(parts)
    }
    await expect(access.putPolicy(fileOf(PERMIT_OWN), OPERATOR)).rejects.toMatchObject({ code: 'conflict' })
    expect(access.policy().version).toBe(0)
  })
})

describe('versions', () => {
  test('a rollback puts an earlier version in force again as a new one', async () => {
    const { access } = await openAccess()
    await access.putPolicy(fileOf(PERMIT_OWN), OPERATOR)
    await access.putPolicy(fileOf(DENY_ALL), OPERATOR)
    expect(await access.rollback(1, OPERATOR)).toMatchObject({ version: 3, changed: true })
    expect(access.policy()).toMatchObject({ version: 3, rollbackOf: 1, files: fileOf(PERMIT_OWN) })
    expect((await access.versions()).map(({ version }) => version)).toEqual([0, 1, 2, 3])
    expect(await access.rollback(0, OPERATOR)).toMatchObject({ version: 4 })
    expect(access.policy().files).toEqual([])
  })

  test.each([7, -1, 1.5, Number.NaN])('there is no version %d', async number => {
    const { access } = await openAccess()
    await expect(access.rollback(number, OPERATOR)).rejects.toMatchObject({ code: 'not-found' })
  })

  test('only so many are kept', async () => {
    const { access } = await openAccess({ limits: { policyVersions: 2 } })
    for (const note of ['a', 'b', 'c']) await access.putPolicy(fileOf(`${DENY_ALL}# ${note}\n`), OPERATOR)
    expect((await access.versions()).map(({ version }) => version)).toEqual([0, 2, 3])
  })

  test('a stored policy that was tampered with denies everything, and can be replaced', async () => {
    const opened = await openAccess()
    await opened.access.putPolicy(fileOf(PERMIT_OWN), OPERATOR)
    const { principal } = await admitted(opened, 'l1')
    const stored = opened.store.get(versionKey(1))?.value.toString() ?? ''
    await opened.store.commit([{ put: versionKey(1), value: stored.replace('lamp/${device.id}/#', '#') }])
    const again = await opened.reopen()
    expect(again.access.policy()).toMatchObject({ version: 1, files: [] })
    expect(again.access.decide(principal, publish('lamp/l1/on')).permit).toBe(false)
    await again.access.putPolicy(fileOf(PERMIT_OWN), OPERATOR)
    expect(again.access.decide(principal, publish('lamp/l1/on')).permit).toBe(true)
  })
})
