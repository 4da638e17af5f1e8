// /authz-info (RFC 9200 5.10.1): an access token for whoever is at the other end of a secure channel.
import { CODE } from '../coap-wire/codes.ts'
import { Failure } from '../model/failure.ts'
import { isSecure } from '../model/transport.ts'
import { withoutLineBreak } from './password.ts'
import type { Request, Resource, Response } from './resource.ts'
import type { CoapSessions } from './sessions.ts'

/** Bytes of a token, in however many blocks; what may be in one, the door says. */
const TOKEN_BYTES = 16_384
/** What a JWT may be sent as, beside nothing at all: text, or bytes that nobody named. */
const TOKEN_FORMATS: ReadonlySet<number> = new Set([0, 42])

export class AuthzInfoResource implements Resource {
  readonly path = ['authz-info']
  readonly methods: ReadonlySet<number> = new Set([CODE.POST])
  /** Failed attempts count against the address: somebody else's must not. */
  readonly needsProvedAddress = true
  readonly bodyBytes = TOKEN_BYTES
  readonly #sessions: CoapSessions

  constructor(sessions: CoapSessions) {
    this.#sessions = sessions
  }

  admit({ path, peer: { endpoint }, contentFormat }: Request): void {
    if (path.length > this.path.length) throw new Failure('not-found', 'There is nothing below /authz-info.')
    // A token that everybody on the way could read must not be worth anything here, so that nobody sends one.
    if (!isSecure(endpoint.transport) && endpoint.shown.oscore === undefined) throw new Failure('channel-insecure')
    if (contentFormat !== null && !TOKEN_FORMATS.has(contentFormat))
      throw new Failure(
        'content-format-unsupported',
        `A token in Content-Format ${contentFormat} is not read; send a JWT as text (0), or leave the option out.`,
      )
  }

  async handle(request: Request): Promise<Response> {
    this.admit(request)
    await this.#sessions.bind(request.peer, withoutLineBreak(request.payload))
    return { code: CODE.Created }
  }
}
