import { describe, expect, it } from 'vitest'
import { clientView } from '../../../src/http/views/client-view.ts'
import { credentialSchema, credentialView } from '../../../src/http/views/credential-view.ts'
import { deviceTypeView, deviceView } from '../../../src/http/views/device-view.ts'
import { pageOf } from '../../../src/http/views/page.ts'
import type { ClientRecord, CredentialRecord, DeviceRecord } from '../../../src/registry/records.ts'

const base = {
  id: 'c1',
  owner: 'kettle',
  ownerKind: 'device',
  status: 'active',
  notBefore: 0,
  expiresAt: 86_400_000,
  epoch: 4,
  label: 'first',
  createdAt: 0,
  revokedAt: null,
  revocationReason: null,
} as const

const CREDENTIALS: readonly CredentialRecord[] = [
  { ...base, kind: 'secret', keyId: 'abcdefghijkl', audience: 'mqtt', pepper: 'HIDDEN-pepper', mac: 'HIDDEN-mac' },
  { ...base, kind: 'psk', identity: 'kettle', sealed: 'HIDDEN-sealed' },
  { ...base, kind: 'oscore', senderId: 'a1', recipientId: '00', idContext: null, sealed: 'HIDDEN-sealed' },
  { ...base, kind: 'x509', fingerprint: 'ab', serial: '01', issuer: 'issuing', subject: 'CN=kettle' },
  {
    ...base,
    kind: 'jwt-key',
    kid: 'k',
    algorithm: 'ES256',
    jwk: { kty: 'EC', crv: 'P-256', x: 'X', y: 'Y', ...{ d: 'HIDDEN-private' } },
  },
]

describe('credential view', () => {
  it.each(CREDENTIALS)('shows of a $kind only what may be seen', record => {
    const view = credentialView({ ...record, ...{ added: 'HIDDEN-later' } })
    expect(JSON.stringify(view)).not.toContain('HIDDEN')
    expect(view).not.toHaveProperty('epoch')
    expect(view).toMatchObject({ id: 'c1', owner: 'kettle', expiresAt: '1970-01-02T00:00:00.000Z', revokedAt: null })
    expect(credentialSchema.parse(view)).toEqual(view)
  })

  it('is held by the schema too, should a view ever hand on a whole record', () => {
    for (const record of CREDENTIALS) {
      const leaking = { ...record, ...credentialView(record) }
      expect(JSON.stringify(credentialSchema.parse(leaking))).not.toContain('HIDDEN')
    }
  })
})

describe('device and client views', () => {
  const device: DeviceRecord = {
    id: 'kettle',
    type: 'kettle',
    status: 'active',
    attributes: { room: 'kitchen' },
    groups: ['g'],
    roles: [],
    parent: null,
    clientIds: 'own',
    epoch: 9,
    createdAt: 0,
    updatedAt: 1,
  }

  it('shows a device without what is internal', () => {
    const view = deviceView({ ...device, ...{ hidden: 'HIDDEN' } })
    expect(view).toMatchObject({ id: 'kettle', attributes: { room: 'kitchen' }, updatedAt: '1970-01-01T00:00:00.001Z' })
    expect(Object.keys(view)).not.toContain('epoch')
    expect(JSON.stringify(view)).not.toContain('HIDDEN')
  })

  it('shows a client without what is internal', () => {
    const { type: _type, parent: _parent, ...shared } = device
    const client: ClientRecord = {
      ...shared,
      kind: 'operator',
      scopes: null,
      authMethod: 'client_secret_basic',
      tokenLifetime: null,
    }
    const view = clientView({ ...client, ...{ hidden: 'HIDDEN' } })
    expect(view).toMatchObject({ kind: 'operator', scopes: null })
    expect(JSON.stringify(view)).not.toContain('HIDDEN')
  })

  it('shows a device type', () => {
    const view = deviceTypeView({
      id: 't',
      description: '',
      attributes: { room: { required: true } },
      clientIds: 'own',
    })
    expect(view).toEqual({ id: 't', description: '', attributes: { room: { required: true } }, clientIds: 'own' })
  })
})

describe('pages', () => {
  const page = (found: number[], limit: number) => pageOf(found, limit, String, String)
  it('names the last item shown when there is more', () => {
    expect(page([1, 2, 3], 2)).toEqual({ items: ['1', '2'], next: '2' })
  })
  it('ends', () => {
    expect(page([1, 2], 2)).toEqual({ items: ['1', '2'], next: null })
    expect(page([], 2)).toEqual({ items: [], next: null })
  })
})
