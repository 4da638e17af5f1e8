import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { PolicyFile } from '../../../src/access/policy-version.ts'
import { fileOf, OPERATOR, type Opened, openAccess, PERMIT_OWN } from './open-access.ts'

const DEVICES = resolve(import.meta.dirname, '../../../devices')

/** Every file of the example home, as the command line reads it. */
const EXAMPLE: PolicyFile[] = readdirSync(DEVICES, { recursive: true, withFileTypes: true })
  .filter(entry => entry.isFile())
  .map(entry => join(entry.parentPath, entry.name))
  .map(path => ({ path: relative(DEVICES, path), text: readFileSync(path, 'utf8') }))

const LAMP: PolicyFile = { path: 'lamp.yaml', text: 'kind: device\nid: l1\ntype: lamp\nroles: [lamp]\n' }
const POLICY: PolicyFile = { path: 'policy.yaml', text: PERMIT_OWN }

async function stateOf({ access, registry, store }: Opened) {
  await store.flush()
  return { policy: access.policy(), devices: await registry.devices(), clients: await registry.clients() }
}

describe('the example home', () => {
  test('is applied as a whole: nothing to warn of, every test of its policy passes', async () => {
    const { access, registry } = await openAccess()
    const plan = await access.apply(EXAMPLE, OPERATOR)
    expect(plan).toMatchObject({ applied: true, changes: true, policy: { version: 1, changed: true } })
    expect(plan.policy?.tests.length).toBeGreaterThan(20)
    const remarks = plan.policy?.findings.filter(({ code }) => code !== 'unassigned')
    expect(remarks).toEqual([])
    expect(plan.steps.filter(({ action }) => action === 'create')).toHaveLength(plan.steps.length)
    expect(registry.subjectOf('gateway-hall')?.children).toEqual([
      'sensor-bedroom',
      'sensor-kitchen',
      'sensor-living-room',
    ])
    expect(plan.ignored).toEqual(expect.arrayContaining(['README.md', join('schema', 'policy.schema.json')]))
  })

  test('changes nothing a second time', async () => {
    const opened = await openAccess()
    await opened.access.apply(EXAMPLE, OPERATOR)
    const before = await stateOf(opened)
    const records = (await opened.audit.list({ limit: 1_000 })).length
    const plan = await opened.access.apply([...EXAMPLE].reverse(), OPERATOR)
    expect(plan).toMatchObject({ applied: true, changes: false })
    expect(plan.steps.every(({ action }) => action === 'unchanged')).toBe(true)
    expect(await stateOf(opened)).toEqual(before)
    expect(await opened.audit.list({ limit: 1_000 })).toHaveLength(records)
  })

  test('is only planned by a dry run', async () => {
    const opened = await openAccess()
    const before = await stateOf(opened)
    const plan = await opened.access.apply(EXAMPLE, OPERATOR, { dryRun: true })
    expect(plan).toMatchObject({ applied: false, changes: true })
    expect(await stateOf(opened)).toEqual(before)
  })
})

describe('apply', () => {
  test('tells what would change, field by field', async () => {
    const { access } = await openAccess()
    await access.apply([LAMP, POLICY], OPERATOR)
    const changed = [
      { ...LAMP, text: `${LAMP.text}groups: [upstairs]\n` },
      { ...POLICY, text: `${POLICY.text}# more\n` },
    ]
    const { steps } = await access.apply(changed, OPERATOR, { dryRun: true })
    expect(steps).toMatchObject([
      { action: 'update', kind: 'device', id: 'l1', fields: [{ name: 'groups', before: [], after: ['upstairs'] }] },
      { action: 'update', kind: 'policy', id: 'version 2', fields: [{ name: 'policy.yaml', before: '11 lines' }] },
    ])
  })

  test('is one batch: one audited commit, the policy in force together with its devices', async () => {
    const { access, store, changes } = await openAccess()
    const seen: [string, number][] = []
    changes.subscribe(change => seen.push([change.kind, access.policy().version]))
    const revisions = new Set<number>()
    store.watch('', event => revisions.add(event.revision))
    await access.apply([POLICY, LAMP], OPERATOR)
    await store.flush()
    expect(revisions.size).toBe(1)
    expect(seen).toEqual([
      ['device', 0],
      ['policy', 1],
    ])
  })

  test('tests of the policy may name devices of the same files', async () => {
    const { access } = await openAccess()
    const text = `${PERMIT_OWN}  - { device: l1, publish: "lamp/l1/on", expect: allow }\n  - { client: app, publish: "lamp/app/on", expect: allow }\n`
    const app = { path: 'app.yml', text: 'kind: client\nid: app\nprincipal: service\nroles: [lamp]\n' }
    expect(await access.apply([{ ...POLICY, text }, LAMP, app], OPERATOR)).toMatchObject({ applied: true })
  })

  test('manifests alone leave the policy in force, and the other way round', async () => {
    const { access, registry } = await openAccess()
    expect(await access.apply([POLICY], OPERATOR)).toMatchObject({ steps: [{ action: 'create', kind: 'policy' }] })
    expect(await access.apply([LAMP], OPERATOR)).toMatchObject({ policy: null, steps: [{ kind: 'device' }] })
    expect([access.policy().version, registry.device('l1')?.id]).toEqual([1, 'l1'])
  })

  test.each<[string, PolicyFile[], object]>([
    [
      'a mistake in a manifest',
      [POLICY, { ...LAMP, text: `${LAMP.text}colour: red\n` }],
      { code: 'invalid-manifest', location: { file: 'lamp.yaml', line: 5 } },
    ],
    [
      'a mistake in the policy',
      [{ ...POLICY, text: `${PERMIT_OWN}rolls: {}\n` }, LAMP],
      { code: 'invalid-policy', location: { file: 'policy.yaml' } },
    ],
    [
      'a failing test',
      [{ ...POLICY, text: PERMIT_OWN.replace('expect: allow', 'expect: deny') }, LAMP],
      { code: 'policy-test-failed' },
    ],
    ['a role that nobody defines', [LAMP], { code: 'invalid-manifest', location: { file: 'lamp.yaml' } }],
    [
      'a scope that nobody can read',
      [POLICY, { path: 'c.yaml', text: 'kind: client\nid: c\nscopes: ["all"]\n' }],
      { code: 'invalid-manifest' },
    ],
    [
      'neither manifest nor policy',
      [POLICY, LAMP, { path: 'x.yaml', text: 'a: 1\n' }],
      { code: 'invalid-manifest', location: { file: 'x.yaml', line: 1 } },
    ],
    ['a list', [POLICY, { path: 'x.yaml', text: '- a\n' }], { code: 'invalid-manifest' }],
    ['a bomb', [POLICY, { path: 'x.yaml', text: '- '.repeat(300_000) }], { code: 'invalid-manifest' }],
    ['an unknown parent', [POLICY, { ...LAMP, text: `${LAMP.text}parent: nobody\n` }], { code: 'invalid-manifest' }],
  ])('%s: nothing is applied', async (_, files, failure) => {
    const opened = await openAccess()
    const before = await stateOf(opened)
    await expect(opened.access.apply(files, OPERATOR)).rejects.toMatchObject(failure)
    expect(await stateOf(opened)).toEqual(before)
  })

  test('empty files and files that are no YAML are told and left alone', async () => {
    const { access } = await openAccess()
    const files = [
      ...fileOf(PERMIT_OWN),
      { path: 'empty.yaml', text: '# later\n' },
      { path: 'README.md', text: 'kind: x' },
    ]
    expect(await access.apply(files, OPERATOR)).toMatchObject({ ignored: ['empty.yaml', 'README.md'] })
  })

  test('only so many files are taken', async () => {
    const { access } = await openAccess({ limits: { applyFiles: 1 } })
    await expect(access.apply([LAMP, POLICY], OPERATOR)).rejects.toMatchObject({ code: 'too-large' })
  })
})
