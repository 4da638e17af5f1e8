// Every operation of the API over https, with the published client: what it answers when all is well.
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { exportJWK, generateKeyPair } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LatchkeyClient } from '../../src/client/client.ts'
import { clientOf, collect, operatorFile, refusalOf } from '../fixtures/api-client.ts'
import { POLICY, startBroker, type TestBroker } from '../fixtures/broker.ts'
import { connectDevice } from '../fixtures/clients.ts'
import { newKeys, requestPem } from '../unit/ca/requests.ts'

let broker: TestBroker
let api: LatchkeyClient

beforeAll(async () => {
  broker = await startBroker()
  api = await clientOf(broker)
})
afterAll(() => broker?.close())

describe('devices and device types', () => {
  it('live from creation to removal', async () => {
    await api.deviceTypes.put('kettle', { description: 'boils water', attributes: { room: { required: true } } })
    expect(await api.deviceTypes.get('kettle')).toEqual({
      id: 'kettle',
      description: 'boils water',
      attributes: { room: { required: true } },
      clientIds: 'own',
    })
    const created = await api.devices.create({ id: 'k1', type: 'kettle', attributes: { room: 'kitchen' } })
    expect(created).toMatchObject({ id: 'k1', type: 'kettle', status: 'active', groups: [], roles: [], parent: null })
    expect(Date.parse(created.createdAt)).toBeGreaterThan(Date.now() - 60_000)
    expect(await api.devices.get('k1')).toEqual(created)
    const changed = await api.devices.update('k1', { attributes: { floor: 'two' }, groups: ['upstairs'] })
    expect(changed).toMatchObject({ attributes: { room: 'kitchen', floor: 'two' }, groups: ['upstairs'] })
    expect((await api.devices.suspend('k1')).status).toBe('suspended')
    expect((await api.devices.resume('k1')).status).toBe('active')
    await api.devices.remove('k1')
    expect((await refusalOf(api.devices.get('k1'))).code).toBe('not-found')
  })

  it('are listed page by page, in order, by type', async () => {
    for (const id of ['p3', 'p1', 'p5', 'p2', 'p4']) await api.devices.create({ id, type: 'pager' })
    const first = await api.devices.list({ type: 'pager', limit: 2 })
    expect(first.items.map(({ id }) => id)).toEqual(['p1', 'p2'])
    expect(first.next).toBe('p2')
    const second = await api.devices.list({ type: 'pager', limit: 2, after: 'p2' })
    expect(second.items.map(({ id }) => id)).toEqual(['p3', 'p4'])
    const last = await api.devices.list({ type: 'pager', limit: 2, after: 'p4' })
    expect(last).toMatchObject({ items: [{ id: 'p5' }], next: null })
    expect((await collect(api.devices.all({ type: 'pager' }))).length).toBe(5)
    expect((await collect(api.deviceTypes.all())).map(({ id }) => id)).toContain('kettle')
  })
})

describe('clients', () => {
  it('live from creation to removal', async () => {
    const created = await api.clients.create({ id: 'backend', roles: ['reader'], tokenLifetime: 60 })
    expect(created).toMatchObject({ id: 'backend', kind: 'service', scopes: null, authMethod: 'client_secret_basic' })
    expect(await api.clients.get('backend')).toEqual(created)
    expect((await api.clients.update('backend', { tokenLifetime: null })).tokenLifetime).toBeNull()
    expect((await api.clients.suspend('backend')).status).toBe('suspended')
    expect((await api.clients.resume('backend')).status).toBe('active')
    expect((await collect(api.clients.all())).map(({ id }) => id)).toContain('backend')
    await api.clients.remove('backend')
    expect((await refusalOf(api.clients.get('backend'))).code).toBe('not-found')
  })
})

describe('credentials', () => {
  beforeAll(() => broker.device('c1'))

  it('secret: shown once, found again without it, rotated and revoked', async () => {
    const { secret, credential } = await api.credentials.issue({
      owner: 'c1',
      kind: 'secret',
      lifetime: 3600,
      label: 'first',
    })
    expect(secret).toMatch(/^lk_mqtt_[0-9A-Za-z]{12}_[A-Za-z0-9_-]{43}_[0-9A-Za-z]{6}$/)
    expect(credential).toMatchObject({
      kind: 'secret',
      owner: 'c1',
      audience: 'mqtt',
      status: 'active',
      label: 'first',
    })
    const found = await api.credentials.get(credential.id)
    expect(found).toEqual(credential)
    expect(JSON.stringify(found)).not.toMatch(/mac|pepper/)
    const next = await api.credentials.rotate(credential.id, { overlap: 60 })
    expect(next.secret).toMatch(/^lk_mqtt_/)
    expect(next.secret).not.toBe(secret)
    const revoked = await api.credentials.revoke(next.credential.id, 'lost')
    expect(revoked).toMatchObject({ status: 'revoked', revocationReason: 'lost' })
  })

  it('psk: identity and key', async () => {
    const { psk, credential } = await api.credentials.issue({ owner: 'c1', kind: 'psk' })
    expect(psk).toEqual({ identity: 'c1', key: expect.stringMatching(/^[0-9a-f]{64}$/) })
    expect(JSON.stringify(await api.credentials.get(credential.id))).not.toMatch(/sealed|key"/)
    const next = await api.credentials.rotate(credential.id)
    expect(next.psk?.key).toMatch(/^[0-9a-f]{64}$/)
    expect(next.psk?.key).not.toBe(psk?.key)
  })

  it('oscore: the whole context of the device', async () => {
    const { oscore, credential } = await api.credentials.issue({ owner: 'c1', kind: 'oscore', senderId: 'c1' })
    expect(oscore).toEqual({
      senderId: 'c1',
      recipientId: '00',
      idContext: null,
      masterSecret: expect.stringMatching(/^[0-9a-f]{32}$/),
      masterSalt: expect.stringMatching(/^[0-9a-f]{16}$/),
    })
    expect(JSON.stringify(await api.credentials.get(credential.id))).not.toMatch(/sealed|master/)
    const next = await api.credentials.rotate(credential.id, { overlap: 60 })
    expect(next.oscore?.senderId).not.toBe('c1')
    expect(next.oscore?.masterSecret).not.toBe(oscore?.masterSecret)
  })

  it('jwt-key: the public key alone', async () => {
    const { publicKey } = await generateKeyPair('ES256', { extractable: true })
    const jwk = (await exportJWK(publicKey)) as Record<string, unknown>
    const { credential } = await api.credentials.issue({ owner: 'c1', kind: 'jwt-key', jwk, kid: 'k1' })
    expect(credential).toMatchObject({ kind: 'jwt-key', kid: 'k1', algorithm: 'ES256', jwk })
  })

  it('x509 for a request: certificate and chain', async () => {
    const keys = newKeys.p256()
    const issued = await api.credentials.issue({ owner: 'c1', kind: 'x509', csr: requestPem({ keys }) })
    const certificate = new X509Certificate(issued.certificate ?? '')
    expect(certificate.subjectAltName).toBe('URI:urn:latchkey:device:c1')
    expect(certificate.checkPrivateKey(keys.privateKey)).toBe(true)
    expect(issued.chain?.match(/BEGIN CERTIFICATE/g)?.length).toBe(2)
    expect(issued).not.toHaveProperty('privateKey')
    expect(issued.credential).toMatchObject({ kind: 'x509', status: 'active' })
  })

  it('x509 without one: the key too, as PEM and PKCS#12', async () => {
    const issued = await api.credentials.issue({ owner: 'c1', kind: 'x509' })
    const key = createPrivateKey(issued.privateKey ?? '')
    expect(new X509Certificate(issued.certificate ?? '').checkPrivateKey(key)).toBe(true)
    expect(Buffer.from(issued.pkcs12 ?? '', 'base64').length).toBeGreaterThan(500)
    expect(issued.password?.length).toBeGreaterThanOrEqual(20)
    const given = await api.credentials.issue({ owner: 'c1', kind: 'x509', password: 'eight or more' })
    expect(given.password).toBe('eight or more')
  })

  it('are listed by owner and all together', async () => {
    const own = await collect(api.credentials.all({ owner: 'c1' }))
    expect(new Set(own.map(({ kind }) => kind))).toEqual(new Set(['secret', 'psk', 'oscore', 'jwt-key', 'x509']))
    expect((await api.credentials.list({ owner: 'c1', limit: 2 })).items.length).toBe(2)
    expect((await collect(api.credentials.all())).length).toBeGreaterThanOrEqual(own.length)
  })
})

describe('enrolments', () => {
  it('turn a token and a request into a device, exactly once', async () => {
    const { id, token } = await api.enrolments.create({ type: 'thermostat', ttl: 600, attributes: { room: 'attic' } })
    expect(token).toMatch(/^lk_enrolment_/)
    const open = (await collect(api.enrolments.all())).find(enrolment => enrolment.id === id)
    expect(open).toMatchObject({ status: 'open', type: 'thermostat', uses: 1, devices: [] })
    expect(JSON.stringify(open)).not.toMatch(/mac|pepper/)

    const stranger = await clientOf(broker, null)
    const csr = requestPem()
    const redeemed = await stranger.enrolments.redeem({ token, csr, device: 'e1' })
    expect(redeemed.device).toMatchObject({ id: 'e1', type: 'thermostat', attributes: { room: 'attic' } })
    expect(redeemed.credential).toMatchObject({ owner: 'e1', kind: 'x509', status: 'active' })
    expect(new X509Certificate(redeemed.certificate).subjectAltName).toBe('URI:urn:latchkey:device:e1')
    const again = await refusalOf(stranger.enrolments.redeem({ token, csr, device: 'e2' }))
    expect(again).toMatchObject({ status: 401, code: 'unauthenticated' })
  })

  it('are renewed with the certificate that they gave', async () => {
    await broker.device('r1')
    const present = newKeys.p256()
    const { certificate = '', credential } = await api.credentials.issue({
      owner: 'r1',
      kind: 'x509',
      csr: requestPem({ keys: present }),
    })
    const privateKey = present.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    const { url, ca } = await operatorFile(broker)
    const device = new LatchkeyClient({ url, ca, identity: { certificate, privateKey } })
    const next = newKeys.p256()
    const renewed = await device.enrolments.renew(requestPem({ keys: next }))
    expect(new X509Certificate(renewed.certificate).checkPrivateKey(next.privateKey)).toBe(true)
    expect(renewed.credential).toMatchObject({ owner: 'r1', kind: 'x509', status: 'active' })
    expect((await api.credentials.get(credential.id)).status).toBe('active')
    await api.credentials.revoke(credential.id, 'lost')
    expect((await refusalOf(device.enrolments.renew(requestPem()))).status).toBe(401)
    expect((await refusalOf(api.enrolments.renew(requestPem()))).status).toBe(401)
  })

  it('can be revoked', async () => {
    const { id, token } = await api.enrolments.create({ type: 'thermostat', ttl: 600 })
    await api.enrolments.revoke(id)
    const refusal = await refusalOf(api.enrolments.redeem({ token, csr: requestPem(), device: 'e3' }))
    expect(refusal.status).toBe(401)
    expect((await refusalOf(api.devices.get('e3'))).code).toBe('not-found')
  })
})

describe('policies', () => {
  it('are versioned, checked, tested, put in force and rolled back', async () => {
    const before = await api.policies.current()
    expect(before.files).toEqual([{ path: 'policy.yaml', text: POLICY }])
    const text = `${POLICY}\ntests:\n  - { device: { type: thermostat, id: t1, room: kitchen }, publish: home/attic/x, expect: deny }\n`
    const files = [{ path: 'policy.yaml', text }]
    const dry = await api.policies.put(files, { dryRun: true })
    expect(dry).toMatchObject({ version: before.version + 1, changed: true, tests: [{ ok: true }] })
    expect((await api.policies.current()).version).toBe(before.version)
    expect((await api.policies.put(files)).version).toBe(before.version + 1)
    expect((await api.policies.put(files)).changed).toBe(false)
    expect((await collect(api.policies.allVersions())).map(({ version }) => version)).toContain(before.version)
    expect((await api.policies.version(before.version)).files).toEqual(before.files)
    const back = await api.policies.rollback(before.version)
    expect(back.version).toBe(before.version + 2)
    expect(await api.policies.current()).toMatchObject({
      rollbackOf: before.version,
      files: before.files,
      by: '@local',
    })
  })

  it('answer questions without being changed', async () => {
    const { version } = await api.policies.current()
    const text =
      'version: 1\nroles: { all: { permit: [ { id: everything, allow: "#" } ] } }\nassign: [ { type: x, roles: [all] } ]\ntests: [ { device: { type: x, id: y }, publish: a, expect: deny } ]\n'
    const { findings } = await api.policies.check([{ path: 'wide.yaml', text }])
    expect(findings.map(({ code }) => code)).toContain('everything')
    expect(findings[0]?.location).toMatchObject({ file: 'wide.yaml', line: expect.any(Number) })
    const failed = await api.policies.test([{ path: 'wide.yaml', text }])
    expect(failed).toMatchObject({ ok: false, tests: [{ ok: false, expected: 'deny' }] })
    expect(await api.policies.test()).toMatchObject({ ok: true })
    expect((await api.policies.current()).version).toBe(version)
  })

  it('explain who may do what, and why something was denied', async () => {
    await broker.device('x1')
    const permitted = await api.policies.explain({ device: 'x1', action: 'publish', topic: 'home/kitchen/temperature' })
    expect(permitted).toMatchObject({ permit: true, rule: { id: 'report', role: 'thermostat', file: 'policy.yaml' } })
    const denied = await api.policies.explain({ device: 'x1', action: 'publish', topic: 'home/kitchen/lock' })
    expect(denied).toMatchObject({ permit: false, reason: 'rule', rule: { id: 'no-lock' }, denial: null })

    const { secret } = await broker.secret('x1')
    const device = await connectDevice(broker, 'x1', { username: 'x1', password: secret })
    await expect(device.publishAsync('home/cellar/temperature', '1', { qos: 1 })).rejects.toThrow()
    await device.endAsync(true)
    const decisions = await api.audit.list({ type: 'decision', principal: 'x1', reverse: true })
    const record = decisions.items.find(({ event }) => event.permit === false)
    const explained = await api.policies.explainDenial(record?.id ?? 0)
    expect(explained).toMatchObject({
      permit: false,
      reason: 'no-rule',
      denial: { action: 'publish', target: 'home/cellar/temperature', permit: false, agrees: true },
    })
  })
})

describe('apply', () => {
  it('plans first, then makes it so; twice is as once', async () => {
    const files = [
      { path: 'devices/fan.yaml', text: 'kind: device\nid: fan-1\ntype: fan\nattributes: { room: hall }\n' },
      { path: 'README.md', text: 'not a manifest' },
    ]
    const plan = await api.apply(files, { dryRun: true })
    expect(plan).toMatchObject({ applied: false, changes: true, ignored: ['README.md'], policy: null })
    expect(plan.steps).toMatchObject([{ action: 'create', kind: 'device', id: 'fan-1' }])
    expect((await refusalOf(api.devices.get('fan-1'))).code).toBe('not-found')
    expect((await api.apply(files)).applied).toBe(true)
    expect((await api.devices.get('fan-1')).attributes).toEqual({ room: 'hall' })
    expect(await api.apply(files)).toMatchObject({ changes: false, steps: [{ action: 'unchanged' }] })
  })
})

describe('sessions and messages', () => {
  it('shows who is connected, and ends them', async () => {
    await broker.device('s1')
    const { secret } = await broker.secret('s1')
    const device = await connectDevice(broker, 's1', { username: 's1', password: secret })
    const [session] = (await api.sessions.list({ principal: 's1' })).items
    expect(session).toMatchObject({ principal: 's1', kind: 'device', clientId: 's1', transport: 'mqtts' })
    expect(session?.credential).toMatchObject({ kind: 'secret' })
    const closed = new Promise(resolve => device.once('close', () => resolve(true)))
    await api.sessions.end(session?.id ?? '')
    await closed
    expect(await collect(api.sessions.all({ principal: 's1' }))).toEqual([])
  })

  it('publishes and reads under the rights of the caller', async () => {
    await broker.device('m1')
    const { secret } = await broker.secret('m1', 'api')
    const device = await clientOf(broker, secret)
    await device.messages.publish({ topic: 'home/kitchen/temperature', payload: '21.5 °C', qos: 1, retain: true })
    expect(await device.messages.retained('home/kitchen/temperature')).toMatchObject({
      topic: 'home/kitchen/temperature',
      payload: Buffer.from('21.5 °C'),
      qos: 1,
    })
    const bytes = Buffer.from([0xff, 0x00, 0x80])
    const properties = {
      contentType: 'application/x',
      userProperties: [['a', 'b']] as const,
      messageExpiryInterval: 60,
    }
    await device.messages.publish({ topic: 'device/m1/state', payload: bytes, qos: 2, retain: true, properties })
    const message = await device.messages.retained('device/m1/state')
    expect(message).toMatchObject({ payload: bytes, contentType: 'application/x', userProperties: [['a', 'b']] })
    expect(Date.parse(message.expiresAt ?? '')).toBeGreaterThan(Date.now())
    const refusal = await refusalOf(device.messages.publish({ topic: 'home/kitchen/lock', payload: 'open' }))
    expect(refusal).toMatchObject({ status: 403, code: 'policy-denied' })
    expect((await refusalOf(device.messages.retained('home/attic/temperature'))).code).toBe('policy-denied')
    expect((await refusalOf(device.messages.retained('home/kitchen/humidity'))).code).toBe('not-found')
    expect((await refusalOf(device.messages.publish({ topic: '$SYS/x', payload: '' }))).code).toBe('topic-reserved')
  })
})

describe('tokens and keys', () => {
  it('gives, judges and revokes access tokens', async () => {
    await api.clients.create({ id: 'collector', roles: ['reader'], kind: 'service' })
    const { secret } = await api.credentials.issue({ owner: 'collector', kind: 'secret', audience: 'token' })
    const answer = await api.tokens.request({ clientId: 'collector', clientSecret: secret ?? '' })
    expect(answer).toMatchObject({ token_type: 'Bearer', expires_in: 900, scope: 'role:reader' })
    expect(await api.tokens.introspect(answer.access_token)).toMatchObject({
      active: true,
      sub: 'collector',
      client_id: 'collector',
      scope: 'role:reader',
      token_type: 'Bearer',
    })
    const holder = await clientOf(broker, answer.access_token)
    expect((await holder.tokens.introspect(answer.access_token)).active).toBe(true)
    await holder.tokens.revoke(answer.access_token)
    expect(await api.tokens.introspect(answer.access_token)).toEqual({ active: false })
    expect((await refusalOf(holder.messages.retained('home/kitchen/temperature'))).status).toBe(401)
    expect(await api.tokens.introspect('no.token.at-all')).toEqual({ active: false })
    await api.tokens.revoke('no.token.at-all')
  })

  it('shows its keys and rotates them', async () => {
    const before = await api.tokens.keys()
    expect(before).toMatchObject([{ state: 'active' }])
    const next = await api.tokens.rotateKeys()
    expect(next.state).toBe('published')
    const { body } = await broker.call('GET', '/.well-known/jwks.json', undefined, null)
    expect(body.keys.map((key: { kid: string }) => key.kid)).toEqual([before[0]?.kid, next.kid])
    expect(JSON.stringify(body)).not.toContain('"d"')
    const { body: metadata } = await broker.call('GET', '/.well-known/oauth-authorization-server', undefined, null)
    expect(metadata).toMatchObject({
      issuer: (await operatorFile(broker)).url,
      grant_types_supported: ['client_credentials'],
    })
  })
})

describe('the authority, the trail and the house', () => {
  it('shows its certificates and revocation lists', async () => {
    const { authorities, crls, id } = await api.ca.get()
    expect(authorities.length).toBe(2)
    expect(
      new X509Certificate(authorities[0]?.certificate ?? '').fingerprint256.replaceAll(':', '').toLowerCase(),
    ).toBe(authorities[0]?.fingerprint)
    expect(crls[0]).toMatch(/\/crl\/.+\.crl$/)
    expect(await api.ca.rootPem()).toBe(broker.ca)
    expect((await api.ca.crl(id))[0]).toBe(0x30)
  })

  it('keeps a trail that can be read and verified', async () => {
    const first = await api.audit.list({ limit: 3 })
    expect(first.items.map(({ id }) => id)).toEqual([1, 2, 3])
    expect(await api.audit.get(1)).toEqual(first.items[0])
    const second = await api.audit.list({ limit: 3, after: first.next ?? '' })
    expect(second.items.map(({ id }) => id)).toEqual([4, 5, 6])
    const newest = await api.audit.list({ limit: 2, reverse: true })
    const older = await api.audit.list({ limit: 2, reverse: true, after: newest.next ?? '' })
    expect(older.items[0]?.id).toBe((newest.items[1]?.id ?? 0) - 1)
    expect(await api.audit.verify()).toMatchObject({ ok: true, brokenAt: null })
  })

  it('records every act with who did it, whence and what came of it', async () => {
    await broker.device('a1')
    await refusalOf(api.devices.create({ id: 'a1', type: 'thermostat' }))
    const { items } = await api.audit.list({ type: 'administration', principal: '@local', reverse: true, limit: 2 })
    const actor = { kind: 'operator', id: '@local', address: '127.0.0.1' }
    expect(items.map(({ event }) => event)).toEqual([
      { type: 'administration', what: 'createDevice', actor, target: 'a1', result: 'already-exists' },
      { type: 'administration', what: 'createDevice', actor, target: 'a1', result: 'ok' },
    ])
  })

  it('takes no message for an administrative act', async () => {
    await broker.device('a2')
    const { secret } = await broker.secret('a2', 'api')
    const device = await clientOf(broker, secret)
    await device.messages.publish({ topic: 'device/a2/x', payload: '1' })
    await refusalOf(device.messages.publish({ topic: 'home/x', payload: '1' }))
    expect((await api.audit.list({ type: 'administration', principal: 'a2' })).items).toEqual([])
    const decisions = (await api.audit.list({ type: 'decision', principal: 'a2' })).items
    expect(decisions.map(({ event }) => event.permit)).toEqual([true, false])
  })

  it('says that it lives, that it is ready, and how it fares', async () => {
    expect((await broker.call('GET', '/healthz', undefined, null)).body).toEqual({ status: 'ok' })
    expect(await api.ready()).toBe(true)
    expect(await api.metrics()).toMatch(/^latchkey_live_sessions \d+$/m)
  })
})

describe('this file', () => {
  it('has called every operation of the document with success', async () => {
    const document = await api.openApi()
    const metrics = await api.metrics()
    const operations = Object.entries(document.paths as Record<string, object>).flatMap(([path, methods]) =>
      Object.keys(methods).map(
        method => `method="${method.toUpperCase()}",route="${path.replace(/\{(\w+)\}/g, ':$1')}"`,
      ),
    )
    const missing = operations.filter(
      operation =>
        !operation.includes('/openapi.json') &&
        !metrics.includes(`latchkey_http_requests_total{${operation},status="2xx"}`),
    )
    expect(operations.length).toBeGreaterThan(50)
    expect(missing).toEqual([])
  })
})
