// Bad input: one clear refusal that names the field, and nothing half-applied.
import { request } from 'node:https'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { OperatorFile } from '../../src/operator-file.ts'
import { clientOf, collect, operatorFile, refusalOf } from '../fixtures/api-client.ts'
import { startBroker, type TestBroker } from '../fixtures/broker.ts'

let broker: TestBroker
let operator: OperatorFile

beforeAll(async () => {
  broker = await startBroker()
  operator = await operatorFile(broker)
  await broker.device('present')
})
afterAll(() => broker?.close())

interface Raw {
  readonly status: number
  readonly text: string
}

/** Bytes as they are, with whatever headers. */
function raw(method: string, path: string, body: string | Buffer, headers: Record<string, string> = {}): Promise<Raw> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      `${operator.url}${path}`,
      {
        method,
        ca: operator.ca,
        agent: false,
        headers: {
          authorization: `Bearer ${operator.token}`,
          'content-type': 'application/json',
          'content-length': String(Buffer.byteLength(body)),
          ...headers,
        },
      },
      incoming => {
        let text = ''
        incoming.setEncoding('utf8').on('data', part => {
          text += part
        })
        incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, text }))
      },
    )
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

/** All that a bad request could have changed. */
async function state(): Promise<string> {
  const api = await clientOf(broker)
  const changes = await collect(
    (async function* () {
      let after: string | undefined
      do {
        const page = await api.audit.list({ type: 'change', after, limit: 500 })
        yield* page.items
        after = page.next ?? undefined
      } while (after !== undefined)
    })(),
  )
  return JSON.stringify([
    await collect(api.devices.all()),
    await collect(api.clients.all()),
    await collect(api.credentials.all()),
    await collect(api.enrolments.all()),
    await api.policies.current(),
    changes.map(({ id }) => id),
  ])
}

const device = { id: 'fresh', type: 'thermostat' }
const long = 'x'.repeat(70_000)

describe('a body that is not what the operation takes', () => {
  const CASES: readonly (readonly [name: string, method: string, path: string, body: unknown, field: RegExp])[] = [
    ['no object', 'POST', '/v1/devices', [], /^body: /],
    ['null', 'POST', '/v1/devices', null, /^body: /],
    ['an id that is a number', 'POST', '/v1/devices', { ...device, id: 7 }, /^body\.id: /],
    ['an id with a wildcard', 'POST', '/v1/devices', { ...device, id: 'a/+/#' }, /^body\.id: must be 1 to 64/],
    ['an id with a control character', 'POST', '/v1/devices', { ...device, id: 'a\u0007' }, /^body\.id: /],
    ['an id that is too long', 'POST', '/v1/devices', { ...device, id: 'x'.repeat(65) }, /^body\.id: /],
    ['no type', 'POST', '/v1/devices', { id: 'fresh' }, /^body\.type: /],
    ['an unknown field', 'POST', '/v1/devices', { ...device, colour: 'red' }, /^body\.colour: unknown field/],
    [
      'an attribute that is a list',
      'POST',
      '/v1/devices',
      { ...device, attributes: { a: ['b'] } },
      /^body\.attributes\.a: /,
    ],
    [
      'an attribute with a wildcard',
      'POST',
      '/v1/devices',
      { ...device, attributes: { room: '#' } },
      /attributes\.room/,
    ],
    ['too many groups', 'POST', '/v1/devices', { ...device, groups: Array(65).fill('g') }, /^body\.groups: /],
    ['a parent that is not there', 'POST', '/v1/devices', { ...device, parent: 'nobody' }, /nobody/],
    [
      'a good field and a bad one',
      'PATCH',
      '/v1/devices/present',
      { groups: ['g'], clientIds: 'all' },
      /^body\.clientIds: /,
    ],
    [
      'a kind of credential there is not',
      'POST',
      '/v1/credentials',
      { owner: 'present', kind: 'password' },
      /^body\.kind: /,
    ],
    [
      'fields of another kind',
      'POST',
      '/v1/credentials',
      { owner: 'present', kind: 'secret', jwk: {} },
      /^body\.jwk: unknown/,
    ],
    [
      'an audience that is not given out',
      'POST',
      '/v1/credentials',
      { owner: 'present', kind: 'secret', audience: 'enrolment' },
      /^body\.audience: /,
    ],
    [
      'a lifetime of minus one',
      'POST',
      '/v1/credentials',
      { owner: 'present', kind: 'secret', lifetime: -1 },
      /^body\.lifetime: /,
    ],
    ['a key that is no hex', 'POST', '/v1/credentials', { owner: 'present', kind: 'psk', key: 'z'.repeat(32) }, /key/],
    [
      'a private key as public one',
      'POST',
      '/v1/credentials',
      { owner: 'present', kind: 'jwt-key', jwk: { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA', d: 'AA' } },
      /./,
    ],
    ['a request that is none', 'POST', '/v1/credentials', { owner: 'present', kind: 'x509', csr: 'hello' }, /./],
    [
      'a request and a password',
      'POST',
      '/v1/credentials',
      { owner: 'present', kind: 'x509', csr: 'x', password: 'eight or more' },
      /^body\.password: /,
    ],
    ['a ttl in words', 'POST', '/v1/enrolments', { type: 'thermostat', ttl: '1h' }, /^body\.ttl: /],
    [
      'a hundred thousand uses',
      'POST',
      '/v1/enrolments',
      { type: 'thermostat', ttl: 60, uses: 100_000 },
      /^body\.uses: /,
    ],
    ['files that are no list', 'PUT', '/v1/policies', { files: { path: 'a', text: 'b' } }, /^body\.files: /],
    [
      'a file twice',
      'PUT',
      '/v1/policies',
      {
        files: [
          { path: 'a.yaml', text: 'version: 1' },
          { path: 'a.yaml', text: 'version: 1' },
        ],
      },
      /a\.yaml is given twice/,
    ],
    [
      'a question without a subject',
      'POST',
      '/v1/policies/explain',
      { action: 'publish', topic: 'a' },
      /^body\.device: name either/,
    ],
    ['a topic with a wildcard', 'POST', '/v1/messages', { topic: 'a/+' }, /^body\.topic: /],
    ['a topic with a lone surrogate', 'POST', '/v1/messages', { topic: 'a\ud800' }, /^body\.topic: /],
    ['a topic that is too long', 'POST', '/v1/messages', { topic: long }, /^body\.topic: /],
    [
      'a payload that is no base64',
      'POST',
      '/v1/messages',
      { topic: 'a', payload: 'ab=c', encoding: 'base64' },
      /^body\.payload: /,
    ],
    ['QoS 3', 'POST', '/v1/messages', { topic: 'a', qos: 3 }, /^body\.qos: /],
  ]

  it.each(CASES.map(([name, method, path, body, field]) => ({ name, method, path, body, field })))(
    '$name: refused by its name, and nothing is changed',
    async ({ method, path, body, field }) => {
      const before = await state()
      const answer = await broker.call(method, path, body)
      expect(answer.status, JSON.stringify(answer.body)).toBeGreaterThanOrEqual(400)
      expect(answer.status).toBeLessThan(500)
      expect(answer.body.detail).toMatch(field)
      expect(answer.body).toMatchObject({
        instance: expect.any(String),
        code: expect.any(String),
        status: answer.status,
      })
      expect(await state()).toBe(before)
    },
  )
})

describe('bytes that are no request of ours', () => {
  const CASES: readonly (readonly [
    name: string,
    body: string | Buffer,
    headers: Record<string, string>,
    status: number,
  ])[] = [
    ['broken JSON', '{"id":', {}, 400],
    ['nothing', '', {}, 400],
    ['a key named __proto__', '{"id":"fresh","type":"t","__proto__":{"admin":true}}', {}, 400],
    ['a key named __proto__ deeper', '{"id":"fresh","type":"t","attributes":{"__proto__":"x"}}', {}, 400],
    ['constructor.prototype', '{"id":"fresh","type":"t","constructor":{"prototype":{}}}', {}, 400],
    ['JSON a hundred thousand deep', `${'['.repeat(100_000)}${']'.repeat(100_000)}`, {}, 400],
    ['a form', 'id=fresh&type=t', { 'content-type': 'application/x-www-form-urlencoded' }, 400],
    ['XML', '<device/>', { 'content-type': 'application/xml' }, 400],
    ['text that says it is JSON in Latin-1', Buffer.from('{"id":"\xe9","type":"t"}', 'latin1'), {}, 400],
    ['three megabytes', JSON.stringify({ id: 'fresh', type: 'x'.repeat(3_000_000) }), {}, 413],
  ]

  it.each(CASES.map(([name, body, headers, status]) => ({ name, body, headers, status })))(
    '$name: refused as a problem',
    async ({ body, headers, status }) => {
      const before = await state()
      const answer = await raw('POST', '/v1/devices', body, headers)
      expect({ status: answer.status, body: JSON.parse(answer.text) }).toMatchObject({
        status,
        body: { status, code: status === 413 ? 'too-large' : 'invalid-input' },
      })
      expect(await state()).toBe(before)
      expect(({} as Record<string, unknown>).admin).toBeUndefined()
    },
  )

  it('paths and queries', async () => {
    const cases: readonly (readonly [path: string, status: number, detail: RegExp])[] = [
      ['/v1/devices?limit=0', 400, /^query\.limit: /],
      ['/v1/devices?limit=501', 400, /^query\.limit: /],
      ['/v1/devices?limit=ten', 400, /^query\.limit: /],
      ['/v1/devices?limit=', 400, /^query\.limit: /],
      ['/v1/devices?limit=1&limit=2', 400, /^query\.limit: /],
      ['/v1/devices?limit=1.5', 400, /^query\.limit: /],
      ['/v1/devices?after=%2F', 400, /^query\.after: /],
      ['/v1/devices?colour=red', 400, /^query\.colour: unknown field/],
      ['/v1/devices?__proto__=1', 400, /^query\.__proto__: unknown field/],
      ['/v1/devices?type[]=x', 400, /unknown field/],
      ['/v1/audit?after=-1', 400, /^query\.after: /],
      ['/v1/audit?after=1e400', 400, /^query\.after: /],
      ['/v1/audit?type=everything', 400, /^query\.type: /],
      ['/v1/audit?reverse=yes', 400, /^query\.reverse: /],
      ['/v1/audit/0', 404, /no audit record/],
      ['/v1/audit/1.5', 400, /^path\.id: /],
      ['/v1/policies/versions/99999', 404, /no policy version/],
      ['/v1/devices/..%2f..%2fetc', 400, /^path\.id: /],
      [`/v1/devices/${'x'.repeat(65)}`, 400, /^path\.id: /],
      ['/v1/devices/%00', 400, /^path\.id: /],
      ['/v1/messages?topic=a/%23', 400, /^query\.topic: /],
      ['/v1/sessions?limit=99999999999999999999', 400, /^query\.limit: /],
    ]
    for (const [path, status, detail] of cases) {
      const answer = await broker.call('GET', path)
      expect(answer.status, `${path}: ${JSON.stringify(answer.body)}`).toBe(status)
      expect(answer.body.detail, path).toMatch(detail)
    }
    for (const path of ['/v1/nothing', '/v1/devices/a/b/c', '/', '/V1/devices']) {
      const answer = await broker.call('GET', path)
      expect(answer.status, path).toBe(404)
      expect(answer.body, path).toMatchObject({ type: 'about:blank', status: 404 })
    }
    for (const path of ['/v1/devices/%zz', `/v1/devices/${'x'.repeat(9000)}`])
      expect((await broker.call('GET', path)).status, path.slice(0, 20)).toBe(400)
  })
})

describe('all or nothing', () => {
  it('a manifest with one bad document among good ones leaves nothing', async () => {
    const before = await state()
    const files = [
      { path: 'good.yaml', text: 'kind: device\nid: good-1\ntype: fan\n' },
      { path: 'bad.yaml', text: 'kind: device\nid: good-2\ntype: fan\n---\nkind: device\nid: bad/2\ntype: fan\n' },
    ]
    const refusal = await refusalOf((await clientOf(broker)).apply(files))
    expect(refusal).toMatchObject({ code: 'invalid-manifest', location: { file: 'bad.yaml', line: 6 } })
    expect(await state()).toBe(before)
  })

  it('a policy whose test fails stays out, and the place is named', async () => {
    const before = await state()
    const text =
      'version: 1\nroles: { a: { permit: [ { id: x, publish: "a" } ] } }\ntests:\n  - { device: { type: t, id: d }, publish: a, expect: allow }\n'
    const refusal = await refusalOf((await clientOf(broker)).policies.put([{ path: 'p.yaml', text }]))
    expect(refusal).toMatchObject({ status: 422, code: 'policy-test-failed', location: { file: 'p.yaml', line: 4 } })
    expect(await state()).toBe(before)
  })
})
