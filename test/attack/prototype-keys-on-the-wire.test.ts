// `__proto__`, `constructor` and `toString` everywhere a key comes over the wire: HTTP bodies and paths, manifests, policies,
// forms, tokens. (MQTT's own names are in prototype-names.test.ts.)

import { generateKeyPairSync } from 'node:crypto'
import { SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startBroker, type TestBroker } from '../fixtures/broker.ts'

const NAMES = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf']

describe('prototype names as keys', () => {
  let broker: TestBroker
  beforeAll(async () => {
    broker = await startBroker()
  })
  afterAll(() => broker?.close())

  const untouched = () => {
    expect(Object.keys(Object.prototype)).toEqual([])
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
    expect(({} as Record<string, unknown>).room).toBeUndefined()
  }

  test.each(NAMES)('%s as a path parameter finds nothing and breaks nothing', async name => {
    for (const path of ['devices', 'clients', 'credentials', 'sessions', 'enrolments']) {
      const { status } = await broker.call('GET', `/v1/${path}/${name}`)
      expect([400, 404, 405], `${path}/${name}`).toContain(status)
    }
    expect((await broker.call('GET', `/crl/${name}.crl`, undefined, null)).status).toBe(404)
    untouched()
  })

  test.each([
    '{"id":"p1","type":"thermostat","__proto__":{"polluted":1}}',
    '{"id":"p1","type":"thermostat","attributes":{"__proto__":"x"}}',
    '{"id":"p1","type":"thermostat","constructor":{"prototype":{"polluted":1}}}',
    '{"__proto__":{"id":"p1","type":"thermostat"}}',
  ])('a device body %s is refused whole', async body => {
    const { status } = await broker.call('POST', '/v1/devices', JSON.parse(body))
    expect(status).toBe(400)
    expect((await broker.call('GET', '/v1/devices/p1')).status).toBe(404)
    untouched()
  })

  test('as identifiers they are names like any other, or none', async () => {
    expect((await broker.call('POST', '/v1/devices', { id: '__proto__', type: 'thermostat' })).status).toBe(400)
    for (const id of ['constructor', 'toString']) {
      await broker.device(id)
      const { secret } = await broker.secret(id)
      expect(secret).toMatch(/^lk_mqtt_/)
      expect((await broker.api('GET', `/v1/devices/${id}`)).id).toBe(id)
      await broker.api('DELETE', `/v1/devices/${id}`)
      expect((await broker.call('GET', `/v1/devices/${id}`)).status).toBe(404)
    }
    untouched()
  })

  test('manifests and policies', async () => {
    for (const text of [
      'kind: device\nid: p2\ntype: thermostat\n__proto__: { polluted: 1 }\n',
      'kind: device\nid: p2\ntype: thermostat\nattributes: { __proto__: x }\n',
    ]) {
      expect((await broker.call('POST', '/v1/apply', { files: [{ path: 'a.yaml', text }] })).status, text).toBe(400)
    }
    for (const text of [
      'version: 1\nroles: { __proto__: { permit: [ { id: a, allow: "#" } ] } }\n',
      'version: 1\n__proto__: { roles: {} }\n',
    ]) {
      expect((await broker.call('PUT', '/v1/policies', { files: [{ path: 'p.yaml', text }] })).status, text).toBe(400)
    }
    // a role may be called `constructor`; it then is a role, not a function
    const named =
      'version: 1\nroles: { constructor: { permit: [ { id: toString, allow: "x/#" } ] } }\nassign: [ { type: toString, roles: [constructor] } ]\n'
    await broker.api('PUT', '/v1/policies', { files: [{ path: 'p.yaml', text: named }] })
    untouched()
  })

  test.each(NAMES)('%s as a form field, client id and key id', async name => {
    const reply = await broker.call(
      'POST',
      '/oauth2/token',
      `grant_type=client_credentials&client_id=${name}&client_secret=lk_token_${name}&${name}=1`,
      null,
    )
    expect([400, 401]).toContain(reply.status)
    untouched()
  })

  test('claims and header of a token', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    for (const name of NAMES) {
      const token = await new SignJWT({ [name]: 'x', scope: name, client_id: name })
        .setProtectedHeader({ alg: 'ES256', kid: name })
        .setIssuer(name)
        .setSubject(name)
        .setAudience('latchkey')
        .setExpirationTime('1m')
        .sign(privateKey)
      expect((await broker.call('GET', '/v1/devices', undefined, token)).status).toBe(401)
    }
    untouched()
  })
})
