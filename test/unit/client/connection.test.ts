import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { ApiError } from '../../../src/client/api-error.ts'
import { Connection } from '../../../src/client/connection.ts'

let server: Server | undefined
afterEach(() => {
  server?.closeAllConnections()
  server?.close()
})

async function listen(listener: RequestListener): Promise<string> {
  const started = createServer(listener)
  server = started
  await new Promise<void>(resolve => started.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(started.address() as AddressInfo).port}`
}

async function refusal(work: Promise<unknown>): Promise<ApiError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof ApiError)) throw new Error(`expected an ApiError, got ${String(error)}`)
  return error
}

describe('what a request carries', () => {
  it('puts token, query and JSON body where the API reads them', async () => {
    const seen: unknown[] = []
    const url = await listen((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', chunk => chunks.push(chunk))
      request.on('end', () => {
        const { authorization, 'content-type': type, connection } = request.headers
        seen.push(request.method, request.url, authorization, type, connection, Buffer.concat(chunks).toString())
        response.end('{"ok":true}')
      })
    })
    const connection = new Connection({ url, token: 'lk_api_x' })
    const answer = await connection.json({
      method: 'POST',
      path: '/v1/devices',
      query: { limit: 5, after: 'a b', type: undefined },
      body: { id: 'é' },
    })
    expect(answer).toEqual({ ok: true })
    expect(seen).toEqual([
      'POST',
      '/v1/devices?limit=5&after=a+b',
      'Bearer lk_api_x',
      'application/json',
      'close',
      '{"id":"é"}',
    ])
  })

  it('keeps the bearer token back where a call brings its own authorization, or none', async () => {
    const seen: (string | undefined)[] = []
    const url = await listen((request, response) => {
      seen.push(request.headers.authorization)
      response.end()
    })
    const connection = new Connection({ url, token: 'lk_api_x' })
    await connection.json({ method: 'POST', path: '/', form: { a: '1' }, authorization: 'Basic eDp5' })
    await connection.json({ method: 'POST', path: '/', authorization: null })
    expect(seen).toEqual(['Basic eDp5', undefined])
  })

  it.each(['http://192.0.2.1:8443', 'http://localhost.evil.example', 'ftp://localhost'])(
    'sends no token in the clear to %s',
    url => {
      expect(() => new Connection({ url, token: 'x' })).toThrow(TypeError)
    },
  )
})

describe('what an answer says', () => {
  const answering = (status: number, body: string, headers: Record<string, string> = {}) =>
    listen((_request, response) => response.writeHead(status, headers).end(body))

  it('reads problem details whole', async () => {
    const problem = {
      type: 'urn:latchkey:failure:invalid-policy',
      code: 'invalid-policy',
      detail: 'home.yaml:3:1: unknown key',
      advice: 'Correct it.',
      location: { file: 'home.yaml', line: 3, column: 1 },
    }
    const url = await answering(400, JSON.stringify(problem), { 'x-request-id': 'r7' })
    const error = await refusal(new Connection({ url }).json({ method: 'PUT', path: '/v1/policies' }))
    expect(error).toMatchObject({
      code: 'invalid-policy',
      status: 400,
      message: 'home.yaml:3:1: unknown key',
      advice: 'Correct it.',
      location: { file: 'home.yaml', line: 3, column: 1 },
      requestId: 'r7',
    })
  })

  it('reads OAuth errors (RFC 6749 5.2)', async () => {
    const url = await answering(400, '{"error":"invalid_scope","error_description":"too wide"}')
    const error = await refusal(new Connection({ url }).json({ method: 'POST', path: '/oauth2/token' }))
    expect(error).toMatchObject({ code: 'invalid_scope', detail: 'too wide' })
  })

  it.each([
    [401, 'unauthenticated'],
    [429, 'throttled'],
    [500, 'internal'],
    [503, 'unavailable'],
    [404, 'refused'],
  ])('names a bare %i', async (status, code) => {
    const url = await answering(status, '{"detail":"Not authorized."}', { 'retry-after': '7' })
    const error = await refusal(new Connection({ url }).json({ method: 'GET', path: '/' }))
    expect(error).toMatchObject({ code, status, retryAfter: 7 })
  })

  it('says so when it is not the API that answers', async () => {
    const url = await answering(200, '<html>')
    const error = await refusal(new Connection({ url }).json({ method: 'GET', path: '/v1/devices' }))
    expect(error.code).toBe('invalid-answer')
  })

  it('follows no redirect, so that the token stays where it was meant for', async () => {
    const url = await answering(302, '', { location: 'http://127.0.0.1:1/' })
    const error = await refusal(new Connection({ url, token: 'x' }).json({ method: 'GET', path: '/' }))
    expect(error).toMatchObject({ status: 302, code: 'refused' })
  })

  it('stops reading an answer that is too long', async () => {
    const url = await answering(200, 'x'.repeat(5000))
    const error = await refusal(new Connection({ url, maximumAnswer: 1000 }).text({ method: 'GET', path: '/' }))
    expect(error.code).toBe('unreachable')
    expect(error.detail).toContain('1000 bytes')
  })
})

describe('when nobody answers', () => {
  it('names the address that is not there', async () => {
    const url = await listen(() => {})
    await new Promise(resolve => server?.close(resolve))
    const error = await refusal(new Connection({ url }).json({ method: 'GET', path: '/' }))
    expect(error).toMatchObject({ code: 'unreachable', status: 0 })
    expect(error.detail).toContain('ECONNREFUSED')
  })

  it('gives up in time', async () => {
    const url = await listen(() => {})
    const error = await refusal(new Connection({ url, timeout: 50 }).json({ method: 'GET', path: '/' }))
    expect(error.code).toBe('timeout')
  })
})
