// Who may do what: every operation that needs a bearer token, against every built-in role, a device and a stranger.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { clientOf, operatorFile, operatorWith, refusalOf } from '../fixtures/api-client.ts'
import { startBroker, type TestBroker } from '../fixtures/broker.ts'
import type { Json, Reply } from '../fixtures/https-json.ts'

type Caller = 'admin' | 'enroller' | 'auditor' | 'device'
const CALLERS: readonly Caller[] = ['admin', 'enroller', 'auditor', 'device']

const ALL: readonly Caller[] = CALLERS
const ADMIN: readonly Caller[] = ['admin']
const READERS: readonly Caller[] = ['admin', 'auditor']
const LOOKERS: readonly Caller[] = ['admin', 'enroller', 'auditor']
const ENROLLERS: readonly Caller[] = ['admin', 'enroller']

/** Operation -> whom the door lets through, and a request that would then still change nothing (nobody has these ids). */
const TABLE: readonly (readonly [
  operation: string,
  method: string,
  path: string,
  callers: readonly Caller[],
  body?: object,
])[] = [
  ['listDevices', 'GET', '/v1/devices', LOOKERS],
  ['createDevice', 'POST', '/v1/devices', ADMIN, { id: 'none' }],
  ['getDevice', 'GET', '/v1/devices/none', LOOKERS],
  ['updateDevice', 'PATCH', '/v1/devices/none', ADMIN, {}],
  ['removeDevice', 'DELETE', '/v1/devices/none', ADMIN],
  ['suspendDevice', 'POST', '/v1/devices/none/suspend', ADMIN],
  ['resumeDevice', 'POST', '/v1/devices/none/resume', ADMIN],
  ['listDeviceTypes', 'GET', '/v1/device-types', LOOKERS],
  ['getDeviceType', 'GET', '/v1/device-types/none', LOOKERS],
  ['putDeviceType', 'PUT', '/v1/device-types/none', ADMIN, { colour: 1 }],
  ['listClients', 'GET', '/v1/clients', READERS],
  ['createClient', 'POST', '/v1/clients', ADMIN, {}],
  ['getClient', 'GET', '/v1/clients/none', READERS],
  ['updateClient', 'PATCH', '/v1/clients/none', ADMIN, {}],
  ['removeClient', 'DELETE', '/v1/clients/none', ADMIN],
  ['suspendClient', 'POST', '/v1/clients/none/suspend', ADMIN],
  ['resumeClient', 'POST', '/v1/clients/none/resume', ADMIN],
  ['listCredentials', 'GET', '/v1/credentials', LOOKERS],
  ['getCredential', 'GET', '/v1/credentials/none', LOOKERS],
  ['issueCredential', 'POST', '/v1/credentials', ADMIN, { owner: 'none', kind: 'secret' }],
  ['revokeCredential', 'POST', '/v1/credentials/none/revoke', ADMIN, { reason: 'x' }],
  ['rotateCredential', 'POST', '/v1/credentials/none/rotate', ADMIN, {}],
  ['createEnrolment', 'POST', '/v1/enrolments', ENROLLERS, { type: 'thermostat', ttl: 31_000_000 }],
  ['listEnrolments', 'GET', '/v1/enrolments', READERS.concat('enroller')],
  ['revokeEnrolment', 'DELETE', '/v1/enrolments/none', ENROLLERS],
  ['getPolicy', 'GET', '/v1/policies', READERS],
  ['listPolicyVersions', 'GET', '/v1/policies/versions', READERS],
  ['getPolicyVersion', 'GET', '/v1/policies/versions/1', READERS],
  ['putPolicy', 'PUT', '/v1/policies', ADMIN, { files: 'x' }],
  ['rollbackPolicy', 'POST', '/v1/policies/rollback', ADMIN, { version: 999 }],
  ['checkPolicy', 'POST', '/v1/policies/check', READERS, { files: [] }],
  ['testPolicy', 'POST', '/v1/policies/test', READERS, {}],
  ['explainPolicy', 'POST', '/v1/policies/explain', READERS, { device: 'none', action: 'publish', topic: 'a' }],
  ['applyFiles', 'POST', '/v1/apply', ADMIN, { files: [], dryRun: true }],
  ['listAudit', 'GET', '/v1/audit', READERS],
  ['getAuditRecord', 'GET', '/v1/audit/1', READERS],
  ['verifyAudit', 'GET', '/v1/audit/verify', READERS],
  ['listSessions', 'GET', '/v1/sessions', READERS],
  ['endSession', 'DELETE', '/v1/sessions/none', ADMIN],
  // The caller's own right to publish and subscribe decides: an operator has none, the device has its own.
  ['publishMessage', 'POST', '/v1/messages', ['device'], { topic: 'device/caller-device/x' }],
  ['getRetainedMessage', 'GET', '/v1/messages?topic=device/caller-device/y', ['device']],
  ['getCa', 'GET', '/v1/ca', LOOKERS],
  ['listKeys', 'GET', '/v1/keys', READERS],
  ['rotateKeys', 'POST', '/v1/keys/rotate', ADMIN],
  ['getMetrics', 'GET', '/metrics', ALL], // open to this machine
]

let broker: TestBroker
const tokens = new Map<Caller, string>()

beforeAll(async () => {
  broker = await startBroker()
  for (const role of ['admin', 'enroller', 'auditor'] as const) {
    await broker.api('POST', '/v1/clients', { id: `caller-${role}`, kind: 'operator', roles: [role] })
    tokens.set(role, (await broker.secret(`caller-${role}`, 'api')).secret)
  }
  await broker.device('caller-device')
  tokens.set('device', (await broker.secret('caller-device', 'api')).secret)
})
afterAll(() => broker?.close())

describe('every operation', () => {
  it('stands in the table', async () => {
    const document: Json = await broker.api('GET', '/openapi.json')
    const guarded = Object.values<Json>(document.paths)
      .flatMap(methods => Object.values<Json>(methods))
      .filter(({ security }) => security[0]?.bearer)
      .map(({ operationId }) => operationId)
    expect(TABLE.map(([operation]) => operation).sort()).toEqual(guarded.sort())
  })

  it.each(TABLE.map(([operation, method, path, callers, body]) => ({ operation, method, path, callers, body })))(
    '$operation lets in whom the table says',
    async ({ method, path, callers, body }) => {
      const admitted: Caller[] = []
      for (const caller of CALLERS) {
        const { status } = await broker.call(method, path, body, tokens.get(caller))
        if (status !== 401 && status !== 403) admitted.push(caller)
      }
      expect(admitted.sort()).toEqual([...callers].sort())
    },
  )

  it('that was refused is on record, with who asked', async () => {
    const auditor = await clientOf(broker, tokens.get('auditor'))
    const refusal = await refusalOf(auditor.devices.create({ id: 'sneaked', type: 'thermostat' }))
    expect(refusal).toMatchObject({ status: 403, code: 'policy-denied' })
    expect(refusal.detail).toContain('caller-auditor may not devices:write')
    const { items } = await auditor.audit.list({
      type: 'administration',
      principal: 'caller-auditor',
      reverse: true,
      limit: 1,
    })
    expect(items[0]?.event).toMatchObject({
      what: 'createDevice',
      result: 'policy-denied',
      actor: { id: 'caller-auditor' },
    })
  })
})

describe('a stranger', () => {
  /** What a refusal says, without the name of the request. */
  const told = ({ status, body }: Reply) => JSON.stringify({ status, ...body, instance: 'any' })

  it('learns the same everywhere, whatever is wrong with what it shows', async () => {
    const admin = await operatorFile(broker)
    const known = tokens.get('admin') ?? ''
    await broker.device('gone')
    const revoked = await broker.secret('gone', 'api')
    await broker.api('POST', `/v1/credentials/${revoked.id}/revoke`, { reason: 'test' })
    const shown = [
      null,
      'x',
      `${known.slice(0, -8)}AAAAAAAA`,
      known.replace(/^(lk_api_)[^_]+/, '$1AAAAAAAAAAAA'),
      revoked.secret,
      (await broker.secret('caller-device', 'mqtt')).secret,
      `${admin.token}x`,
      'eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.',
    ]
    const answers = new Set<string>()
    for (const token of shown)
      for (const [, method, path, callers, body] of TABLE)
        if (callers !== ALL && (token === null || path === '/v1/devices'))
          answers.add(told(await broker.call(method, path, body, token)))
    expect([...answers]).toEqual([
      JSON.stringify({
        status: 401,
        type: 'about:blank',
        title: 'Unauthorized',
        detail: 'Not authorized.',
        instance: 'any',
      }),
    ])
  })

  it('is not told whether a device exists, nor what its body lacks', async () => {
    const present = await broker.call('GET', '/v1/devices/caller-device', undefined, null)
    const absent = await broker.call('GET', '/v1/devices/absent', undefined, null)
    const malformed = await broker.call('POST', '/v1/devices', { id: 7 }, null)
    expect(told(present)).toBe(told(absent))
    expect(told(malformed)).toBe(told(absent))
  })

  it('is told no more at the public routes', async () => {
    const { status, body } = await broker.call(
      'POST',
      '/v1/enrolments/redeem',
      { token: 'x', csr: 1, device: '/' },
      null,
    )
    expect(status).toBe(400)
    expect(Object.keys(body).sort()).toEqual(['detail', 'instance', 'status', 'title', 'type'])
    expect(body.detail).toBe('The request is not valid.')
  })
})

describe('nobody rises above themselves', () => {
  const ROLES = `version: 1
roles:
  registrar:
    permit:
      - { id: r, administer: ["devices:read", "devices:write", "credentials:read", "credentials:write", "clients:read", "clients:write", "enrolments:write"] }
  keeper:
    permit:
      - { id: k, administer: "policies:write" }
assign:
  - { group: keepers, roles: [keeper] }
`
  beforeAll(() => broker.api('PUT', '/v1/policies', { files: [{ path: 'p.yaml', text: ROLES }] }))

  it('a registrar neither makes an admin nor gets the key of one', async () => {
    const registrar = await operatorWith(broker, 'registrar-1', ['registrar'])
    await registrar.devices.create({ id: 'plain', type: 'thermostat' })
    await registrar.credentials.issue({ owner: 'plain', kind: 'secret' })
    const tries = [
      () => registrar.devices.create({ id: 'd-admin', type: 'x', roles: ['admin'] }),
      () => registrar.devices.create({ id: 'd-keeper', type: 'x', groups: ['keepers'] }),
      () => registrar.devices.update('plain', { roles: ['admin'] }),
      () => registrar.clients.create({ id: 'c-admin', kind: 'operator', roles: ['admin'] }),
      () => registrar.clients.create({ id: 'c-auditor', kind: 'operator', roles: ['auditor'] }),
      () => registrar.clients.update('registrar-1', { roles: ['registrar', 'admin'] }),
      () => registrar.clients.update('caller-admin', { roles: [] }),
      () => registrar.clients.suspend('caller-admin'),
      () => registrar.clients.remove('caller-admin'),
      () => registrar.credentials.issue({ owner: 'caller-admin', kind: 'secret', audience: 'api' }),
      () => registrar.enrolments.create({ type: 'x', ttl: 60, groups: ['keepers'] }),
    ]
    for (const attempt of tries)
      expect(await refusalOf(attempt())).toMatchObject({ status: 403, code: 'policy-denied' })
    const [key] = (await registrar.credentials.list({ owner: 'caller-admin' })).items
    expect((await refusalOf(registrar.credentials.rotate(key?.id ?? ''))).code).toBe('policy-denied')
    expect((await refusalOf(registrar.credentials.revoke(key?.id ?? '', 'x'))).code).toBe('policy-denied')
    for (const id of ['d-admin', 'd-keeper'])
      expect((await refusalOf(registrar.devices.get(id))).code).toBe('not-found')
  })

  it('but makes its like', async () => {
    const registrar = await operatorWith(broker, 'registrar-2', ['registrar'])
    const { id } = await registrar.clients.create({ id: 'registrar-3', kind: 'operator', roles: ['registrar'] })
    expect((await registrar.credentials.issue({ owner: id, kind: 'secret', audience: 'api' })).secret).toMatch(
      /^lk_api_/,
    )
  })
})

describe('an operator who is suspended, or whose key was revoked', () => {
  it('is a stranger from then on', async () => {
    const api = await clientOf(broker)
    const operator = await operatorWith(broker, 'leaver', ['admin'])
    await operator.devices.list()
    await api.clients.suspend('leaver')
    expect((await refusalOf(operator.devices.list())).status).toBe(401)
    await api.clients.resume('leaver')
    await operator.devices.list()
    const [key] = (await api.credentials.list({ owner: 'leaver' })).items
    await api.credentials.revoke(key?.id ?? '', 'left')
    expect((await refusalOf(operator.devices.list())).status).toBe(401)
  })
})
