// /mqtt/connection: a session for whoever has a password or token, as EMQX's gateway has it.
import { CODE } from '../coap-wire/codes.ts'
import { OPTION } from '../coap-wire/options.ts'
import { Failure } from '../model/failure.ts'
import type { CoapLimits } from './limits.ts'
import { withoutLineBreak } from './password.ts'
import { uint } from './representation.ts'
import type { Request, Resource, Response } from './resource.ts'
import type { CoapSession } from './session.ts'
import type { CoapSessions } from './sessions.ts'
import { checkQuery } from './topic-request.ts'

const TEXT = 0
/** What a secret or JWT may be sent as, beside nothing at all: text, or bytes that nobody named. */
const PASSWORD_FORMATS: ReadonlySet<number> = new Set([TEXT, 42])

export class ConnectionResource implements Resource {
  readonly path = ['mqtt', 'connection']
  readonly methods: ReadonlySet<number> = new Set([CODE.POST, CODE.PUT, CODE.DELETE])
  /** Failed attempts count against the address: somebody else's must not. */
  readonly needsProvedAddress = true
  readonly #sessions: CoapSessions
  readonly #limits: CoapLimits

  constructor(sessions: CoapSessions, limits: CoapLimits) {
    this.#sessions = sessions
    this.#limits = limits
  }

  handle(request: Request): Response | Promise<Response> {
    if (request.path.length > this.path.length)
      throw new Failure('not-found', 'There is nothing below /mqtt/connection.')
    checkQuery(request, this.#limits)
    if (request.options.some(({ number }) => number === OPTION.IfMatch || number === OPTION.IfNoneMatch))
      throw new Failure('option-unknown', 'A session has no preconditions: leave If-Match and If-None-Match out.')
    switch (request.method) {
      case CODE.POST:
        return this.#open(request)
      case CODE.PUT: // heartbeat
        return this.#known(request, () => ({ code: CODE.Changed }))
      default:
        return this.#known(request, session => {
          session.close()
          return { code: CODE.Deleted }
        })
    }
  }

  #known(request: Request, answer: (session: CoapSession) => Response): Response | Promise<Response> {
    const session = this.#sessions.byToken(request)
    return session instanceof Promise ? session.then(answer) : answer(session)
  }

  async #open(request: Request): Promise<Response> {
    const { contentFormat } = request
    if (contentFormat !== null && !PASSWORD_FORMATS.has(contentFormat))
      throw new Failure(
        'content-format-unsupported',
        `A password in Content-Format ${contentFormat} is not read; send it as text (0), or leave the option out.`,
      )
    const { token } = await this.#sessions.open(request, passwordOf(request))
    return { code: CODE.Created, options: [uint(OPTION.ContentFormat, TEXT)], payload: Buffer.from(token) }
  }
}

/** A JWT or secret as the payload, or in the query where it is short enough for it. Throws `invalid-input` for several. */
function passwordOf({ payload, query }: Request): Buffer | null {
  const inQuery = [query.get('password'), query.get('token')].map(text => Buffer.from(text ?? ''))
  const given = [withoutLineBreak(payload), ...inQuery].filter(bytes => bytes.length > 0)
  if (given.length > 1)
    throw new Failure('invalid-input', 'There is more than one password: send one, as payload or in the query.')
  return given[0] ?? null
}
