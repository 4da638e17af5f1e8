// One HTTP request and its answer, over node:http(s) alone.
import { type IncomingMessage, request as requestPlain } from 'node:http'
import { request as requestSecure } from 'node:https'
import { ApiError } from './api-error.ts'
import type { Location } from './types.ts'

export interface ConnectionOptions {
  /** `https://host:port`; plain http is accepted for this machine only. */
  readonly url: string
  /** API key (`lk_api_...`) or access token. Not needed for `enrolments.redeem` and the other public calls. */
  readonly token?: string | undefined
  /** PEM of the root to trust instead of the system's. */
  readonly ca?: string | undefined
  /** A device's own certificate (with its chain) and private key, PEM, for mutual TLS: `enrolments.renew`. */
  readonly identity?: { readonly certificate: string; readonly privateKey: string } | undefined
  /** Milliseconds for a whole call. Default 30 000. */
  readonly timeout?: number | undefined
  /** Bytes of an answer. Default 64 MiB. */
  readonly maximumAnswer?: number | undefined
}

export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>> | undefined
  /** Sent as JSON. */
  readonly body?: unknown
  /** Sent form-encoded, instead of `body`. */
  readonly form?: Readonly<Record<string, string | undefined>> | undefined
  /** Instead of the bearer token; null sends none. */
  readonly authorization?: string | null | undefined
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

export class Connection {
  readonly #base: URL
  readonly #options: ConnectionOptions

  constructor(options: ConnectionOptions) {
    this.#options = options
    this.#base = new URL(options.url)
    const { protocol, hostname } = this.#base
    if (protocol === 'https:') return
    if (protocol === 'http:' && /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname)) return
    throw new TypeError(`${options.url}: use an https URL; the token must not cross a network in the clear`)
  }

  /** The answer's JSON; undefined for an empty one. Throws `ApiError`. */
  async json<T>(call: Call): Promise<T> {
    const answer = await this.send(call)
    if (answer.body.length === 0) return undefined as T
    try {
      return JSON.parse(answer.body.toString()) as T
    } catch (error) {
      throw new ApiError({
        code: 'invalid-answer',
        status: answer.status,
        detail: `${this.#base.origin} answered ${call.method} ${call.path} with something that is not JSON; is it a Latchkey broker?`,
        cause: error,
      })
    }
  }

  async text(call: Call): Promise<string> {
    return (await this.send(call)).body.toString()
  }

  async bytes(call: Call): Promise<Buffer> {
    return (await this.send(call)).body
  }

  /** Any answer below 400. Throws `ApiError`. */
  async send(call: Call): Promise<Answer> {
    const answer = await this.#exchange(call)
    if (answer.status >= 300) throw errorOf(answer, call)
    return answer
  }

  #exchange(call: Call): Promise<Answer> {
    const { token, ca, identity, timeout = 30_000, maximumAnswer = 64 * 1024 * 1024 } = this.#options
    const url = new URL(call.path, this.#base)
    for (const [name, value] of Object.entries(call.query ?? {}))
      if (value !== undefined) url.searchParams.set(name, String(value))
    const payload = encoded(call)
    const authorization = call.authorization === undefined ? token && `Bearer ${token}` : call.authorization
    const headers = {
      accept: 'application/json, application/problem+json, */*',
      ...(authorization ? { authorization } : {}),
      ...(payload ? { 'content-type': payload.type, 'content-length': String(payload.bytes.length) } : {}),
    }
    const signal = AbortSignal.timeout(timeout)
    return new Promise((resolve, reject) => {
      const fail = (error: unknown) => reject(unreachable(this.#base.origin, error, signal.aborted ? timeout : null))
      const options = { method: call.method, headers, signal, agent: false as const }
      const onAnswer = (response: IncomingMessage) => {
        const chunks: Buffer[] = []
        let size = 0
        response.on('data', (chunk: Buffer) => {
          size += chunk.length
          chunks.push(chunk)
          if (size > maximumAnswer) response.destroy(new Error(`the answer is longer than ${maximumAnswer} bytes`))
        })
        response.on('error', fail)
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
        )
      }
      const outgoing =
        url.protocol === 'https:'
          ? requestSecure(
              url,
              {
                ...options,
                ...(ca && { ca }),
                ...(identity && { cert: identity.certificate, key: identity.privateKey }),
              },
              onAnswer,
            )
          : requestPlain(url, options, onAnswer)
      outgoing.on('error', fail)
      outgoing.end(payload?.bytes)
    })
  }
}

function encoded({ body, form }: Call): { type: string; bytes: Buffer } | null {
  if (form !== undefined) {
    const fields = Object.entries(form).filter((field): field is [string, string] => field[1] !== undefined)
    return {
      type: 'application/x-www-form-urlencoded',
      bytes: Buffer.from(new URLSearchParams(fields).toString()),
    }
  }
  if (body !== undefined) return { type: 'application/json', bytes: Buffer.from(JSON.stringify(body)) }
  return null
}

/** What a stranger is not told has a name all the same. */
const STRANGERS_CODES: ReadonlyMap<number, string> = new Map([
  [401, 'unauthenticated'],
  [429, 'throttled'],
  [500, 'internal'],
  [503, 'unavailable'],
])

function errorOf({ status, headers, body }: Answer, call: Call): ApiError {
  const problem = objectOf(body)
  const text = (name: string) => (typeof problem[name] === 'string' ? problem[name] : undefined)
  const retryAfter = Number(headers['retry-after'])
  const requestId = headers['x-request-id']
  return new ApiError({
    code: text('code') ?? text('error') ?? STRANGERS_CODES.get(status) ?? 'refused',
    status,
    detail: text('detail') ?? text('error_description') ?? `${call.method} ${call.path} was answered with ${status}.`,
    advice: text('advice'),
    location: locationOf(problem.location),
    requestId: typeof requestId === 'string' ? requestId : undefined,
    retryAfter: Number.isFinite(retryAfter) ? retryAfter : undefined,
  })
}

function objectOf(body: Buffer): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(body.toString())
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

function locationOf(value: unknown): Location | undefined {
  if (typeof value !== 'object' || value === null || !('file' in value) || typeof value.file !== 'string') return
  const line = 'line' in value && typeof value.line === 'number' ? { line: value.line } : {}
  const column = 'column' in value && typeof value.column === 'number' ? { column: value.column } : {}
  return { file: value.file, ...line, ...column }
}

function unreachable(origin: string, error: unknown, timeout: number | null): ApiError {
  if (timeout !== null)
    return new ApiError({
      code: 'timeout',
      status: 0,
      detail: `${origin} did not answer within ${timeout} ms.`,
      advice: 'Look whether the broker is overloaded, or allow more time.',
      cause: error,
    })
  const reason = error instanceof Error ? ('code' in error ? String(error.code) : error.message) : String(error)
  return new ApiError({
    code: 'unreachable',
    status: 0,
    detail: `${origin} cannot be reached: ${reason}.`,
    advice:
      reason.includes('CERT') || reason.includes('ISSUER')
        ? 'Trust the broker: pass the root certificate that it was made with (`ca`).'
        : 'Start the broker with `latchkey serve`, or correct the address.',
    cause: error,
  })
}
