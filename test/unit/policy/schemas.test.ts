// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is how a policy writes its variables
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import fastify from 'fastify'
import { afterAll, describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { Failure } from '../../../src/model/failure.ts'
import { parsePolicy } from '../../../src/policy/parse-policy.ts'
import { DEFAULT_REGISTRY_LIMITS } from '../../../src/registry/limits.ts'
import { parseManifests } from '../../../src/registry/manifests.ts'

const DEVICES = resolve(import.meta.dirname, '../../../devices')

const schemaOf = (name: string): object => JSON.parse(readFileSync(join(DEVICES, 'schema', name), 'utf8'))

// Fastify brings a JSON Schema validator along; it is asked to change nothing and to be as lenient as editors are.
const app = fastify({ ajv: { customOptions: { coerceTypes: false, removeAdditional: false, strict: false } } })
for (const name of ['policy', 'manifests'])
  app.post(`/${name}`, { schema: { body: schemaOf(`${name}.schema.json`) } }, async () => ({}))
afterAll(() => app.close())

/** Whether a value satisfies a schema, as any JSON Schema validator sees it. */
async function satisfies(name: string, value: unknown): Promise<boolean> {
  const headers = { 'content-type': 'application/json' }
  const { statusCode } = await app.inject({ method: 'POST', url: `/${name}`, payload: JSON.stringify(value), headers })
  return statusCode === 200
}

const yamlFiles = readdirSync(DEVICES, { recursive: true, withFileTypes: true })
  .filter(entry => entry.isFile() && entry.name.endsWith('.yaml'))
  .map(entry => join(entry.parentPath, entry.name))

describe('the files of the example home', () => {
  test.each(yamlFiles.map(path => [relative(DEVICES, path), path]))(
    '%s satisfies the schema that it names',
    async (_, path) => {
      const text = readFileSync(path, 'utf8')
      const named =
        /^# yaml-language-server: \$schema=\S*schema\/(policy|manifests)\.schema\.json$/m.exec(text)?.[1] ?? ''
      for (const document of parseAllDocuments(text)) expect(await satisfies(named, document.toJS())).toBe(true)
    },
  )
})

function isPolicy(value: object): boolean {
  try {
    parsePolicy(JSON.stringify(value), 'p.yaml')
    return true
  } catch (error) {
    if (error instanceof Failure && error.code === 'invalid-policy') return false
    throw error
  }
}

function isManifest(value: object): boolean {
  try {
    parseManifests([{ path: 'm.yaml', text: JSON.stringify(value) }], DEFAULT_REGISTRY_LIMITS)
    return true
  } catch (error) {
    if (error instanceof Failure && error.code === 'invalid-manifest') return false
    throw error
  }
}

const rule = (fields: object, effect = 'permit') => ({
  version: 1,
  roles: { r: { [effect]: [{ id: 'a', ...fields }] } },
})
const when = (conditions: object) => rule({ publish: 'a', when: conditions })
const check = (fields: object) => ({ version: 1, tests: [{ device: 'd', publish: 'a', expect: 'deny', ...fields }] })

describe('the schema of policies and the parser agree', () => {
  test.each<[object]>([
    [{ version: 1 }],
    [{ version: 1, roles: null, assign: null, tests: null }],
    [rule({ publish: ['a', 'b/${device.id}'] })],
    [rule({ receive: 'a', when: { qos: 1, retain: true } }, 'forbid')],
    [rule({ enrol: ['*', 'lamp'] })],
    [rule({ administer: '*:*' })],
    [
      when({
        qos: [0],
        credential: 'psk',
        transport: ['coaps+tcp'],
        network: ['fd00::/8'],
        time: { days: 'mon', zone: 'Z' },
      }),
    ],
    [when({ time: { from: '22:00', to: '24:00' } })],
    [{ version: 1, assign: [{ group: 'g', roles: 'admin' }] }],
    [
      check({
        device: { id: 'd', room: 'hall', children: ['c'], roles: [] },
        with: { credential: null, at: '2026-01-05T12:00Z' },
      }),
    ],
    [check({ with: { scopes: 'publish:a', qos: 2 }, rule: 'a' })],
  ])('accept %j', async value => {
    expect([await satisfies('policy', value), isPolicy(value)]).toEqual([true, true])
  })

  test.each<[object]>([
    [{}],
    [{ version: 2 }],
    [{ version: 1, rolls: {} }],
    [{ version: 1, roles: { 'a b': {} } }],
    [{ version: 1, roles: { r: { allow: [] } } }],
    [{ version: 1, roles: { r: { permit: {} } } }],
    [{ version: 1, roles: { r: { permit: [{ publish: 'a' }] } } }],
    [rule({})],
    [rule({ publish: 'a', subscribe: 'b' })],
    [rule({ publish: null })],
    [rule({ publish: [] })],
    [rule({ receive: 'a' })],
    [rule({ administer: 'devices' })],
    [rule({ enrol: 'a/b' })],
    [when({ qos: 3 })],
    [when({ qos: [] })],
    [when({ credential: 'password' })],
    [when({ time: { from: '8:00' } })],
    [when({ time: { to: '24:30' } })],
    [when({ time: { zone: 'CET' } })],
    [when({ weather: 'fine' })],
    [{ version: 1, assign: [{ type: 't' }] }],
    [{ version: 1, assign: [{ type: 't', id: 'i', roles: 'admin' }] }],
    [check({ client: 'c' })],
    [check({ subscribe: 'a' })],
    [check({ expect: 'maybe' })],
    [check({ device: { room: 'a/b' } })],
    [check({ with: { at: 'noon' } })],
  ])('refuse %j', async value => {
    expect([await satisfies('policy', value), isPolicy(value)]).toEqual([false, false])
  })
})

describe('the schema of manifests and the parser agree', () => {
  test.each<[object]>([
    [
      {
        kind: 'device-type',
        id: 't',
        description: 'd',
        attributes: { room: { required: true }, x: {} },
        clientIds: 'under',
      },
    ],
    [
      {
        kind: 'device',
        id: 'd',
        type: 't',
        attributes: { room: 'hall' },
        groups: ['g'],
        roles: [],
        parent: null,
        clientIds: 'own',
      },
    ],
    [
      {
        kind: 'client',
        id: 'c',
        principal: 'operator',
        scopes: null,
        authMethod: 'client_secret_post',
        tokenLifetime: 60,
      },
    ],
    [{ kind: 'client', id: 'c', scopes: ['role:r'], tokenLifetime: null }],
  ])('accept %j', async value => {
    expect([await satisfies('manifests', value), isManifest(value)]).toEqual([true, true])
  })

  test.each<[object]>([
    [{ id: 'd' }],
    [{ kind: 'robot', id: 'd' }],
    [{ kind: 'device', id: 'd' }],
    [{ kind: 'device', id: 'a/b', type: 't' }],
    [{ kind: 'device', id: 'd', type: 't', colour: 'red' }],
    [{ kind: 'device', id: 'd', type: 't', attributes: { room: 'a/b' } }],
    [{ kind: 'device', id: 'd', type: 't', attributes: { id: 'x' } }],
    [{ kind: 'device', id: 'd', type: 't', attributes: { room: 7 } }],
    [{ kind: 'device', id: 'd', type: 't', clientIds: 'any' }],
    [{ kind: 'device-type', id: 't', attributes: { room: true } }],
    [{ kind: 'client', id: 'c', principal: 'device' }],
    [{ kind: 'client', id: 'c', tokenLifetime: 0 }],
    [{ kind: 'client', id: 'c', tokenLifetime: 1.5 }],
    [{ kind: 'client', id: 'c', authMethod: 'none' }],
  ])('refuse %j', async value => {
    expect([await satisfies('manifests', value), isManifest(value)]).toEqual([false, false])
  })
})
