// The document at /openapi.json says what the API does: every route, and nothing that is not there.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { HttpApp } from '../../src/http/api.ts'
import { buildHttp } from '../../src/http/app.ts'
import { openRooms, type Rooms } from '../fixtures/rooms.ts'

interface Operation {
  readonly operationId?: string
  readonly summary?: string
  readonly security?: readonly object[]
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required: boolean }[]
  readonly responses: Readonly<Record<string, { readonly description?: string; readonly content?: object }>>
}

let rooms: Rooms
let app: HttpApp
let document: { openapi: string; paths: Record<string, Record<string, Operation>>; components: { schemas: object } }

beforeAll(async () => {
  rooms = await openRooms()
  app = await buildHttp(rooms)
  await app.ready()
  document = (await app.inject('/openapi.json')).json()
})
afterAll(async () => {
  await app.close()
  await rooms.close()
})

const operations = () =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      name: `${method.toUpperCase()} ${path}`,
      path,
      operation,
    })),
  )

/** `GET /v1/devices/{id}` for every route of the app, out of the router's own listing. */
function routesOf(listing: string): string[] {
  const routes: string[] = []
  const above: string[] = []
  for (const line of listing.split('\n')) {
    const [, indent = '', path = '', methods = ''] = /^([│ ]*)[├└]── (\S+) \(([A-Z, ]+)\)$/.exec(line) ?? []
    if (path === '') continue
    const depth = indent.length / 4
    above.length = depth
    above[depth] = path
    const whole = above.join('').replace(/:([a-z]+)/g, '{$1}')
    for (const method of methods.split(', ')) if (method !== 'HEAD') routes.push(`${method} ${whole}`)
  }
  return routes
}

describe('the OpenAPI document', () => {
  it('names exactly the routes that there are', () => {
    const routes = routesOf(app.printRoutes({ commonPrefix: false }))
    expect(routes.length).toBeGreaterThan(50)
    expect(
      operations()
        .map(({ name }) => name)
        .sort(),
    ).toEqual(routes.sort())
  })

  it('is OpenAPI 3.1 with every reference in place', () => {
    expect(document.openapi).toBe('3.1.0')
    const text = JSON.stringify(document)
    const references = [...text.matchAll(/"\$ref":"#\/components\/schemas\/([A-Za-z]+)"/g)].map(match => match[1])
    expect(references.length).toBeGreaterThan(50)
    const known = Object.keys(document.components.schemas)
    expect([...new Set(references)].filter(name => !known.includes(name ?? ''))).toEqual([])
    expect(text).not.toMatch(/\$defs|x-named-schema|"def-\d/)
  })

  it('gives every operation a name of its own, a summary, and its refusals', () => {
    const names = operations().map(({ operation }) => operation.operationId)
    expect(new Set(names).size).toBe(names.length)
    for (const { name, operation, path } of operations()) {
      expect(operation.operationId, name).toMatch(/^[a-z][A-Za-z]+$/)
      expect(operation.summary, name).toMatch(/^[A-Z].{5,}/)
      expect(
        Object.keys(operation.responses).some(status => status.startsWith('2')),
        name,
      ).toBe(true)
      expect(
        Object.values(operation.responses).every(response => response.description),
        name,
      ).toBe(true)
      expect(Object.keys(operation.responses), name).toContain('500')
      const inPath = [...path.matchAll(/\{([a-z]+)\}/g)].map(match => match[1])
      const declared = (operation.parameters ?? []).filter(parameter => parameter.in === 'path')
      expect(declared.map(parameter => parameter.name).sort(), name).toEqual(inPath.sort())
      expect(
        declared.every(parameter => parameter.required),
        name,
      ).toBe(true)
    }
  })

  it('says of every operation whether a bearer token is needed', () => {
    const open = operations().filter(({ operation }) => operation.security?.length === 0)
    expect(open.map(({ operation }) => operation.operationId).sort()).toEqual([
      'getHealth',
      'getKeySet',
      'getOpenApi',
      'getReadiness',
      'getRevocationList',
      'getRootCertificate',
      'getServerMetadata',
      'introspectToken',
      'redeemEnrolment',
      'requestToken',
      'revokeToken',
    ])
    for (const { name, operation } of operations()) {
      const guarded = operation.security?.length === 1
      expect(guarded === '401' in operation.responses || name.includes('/oauth2/'), name).toBe(true)
    }
  })
})

describe('a route', () => {
  it('that does not say who may call it is not built', async () => {
    const other = await buildHttp(rooms)
    expect(() => other.get('/v1/forgotten', async () => 'everything')).toThrow('declares no access')
    await other.close()
  })
})
