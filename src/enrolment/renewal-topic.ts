// `$latchkey/credential/renew`: a device asks for its next credential in the session it has, and is answered there alone.
import { z } from 'zod'
import { asFailure, Failure } from '../model/failure.ts'
import type { Log } from '../model/log.ts'
import type { IncomingMessage } from '../model/message.ts'
import type { Meter } from '../model/meter.ts'
import type { Principal } from '../model/principal.ts'
import { printable } from '../model/printable.ts'
import type { IssuedCredential } from './issue-credential.ts'
import { type RenewableKind, type Renewal, renewableKind } from './renewal.ts'

/** The connection that asked; the bus hands it over. */
export interface RenewalRequester {
  /** Bytes of the largest packet that it takes. */
  readonly room: number
  answer(message: Pick<IncomingMessage, 'topic' | 'payload' | 'properties'>): boolean
}

export interface RenewalTopicParts {
  readonly renewal: Renewal
  /** What the device may see of what was issued; it becomes JSON. */
  view(issued: IssuedCredential): object
  readonly meter: Meter
  readonly log: Log
}

export const RENEWED_TOPIC = '$latchkey/credential/renewed'

const requestSchema = z.strictObject({ id: z.string().min(1).max(64), csr: z.string().min(1).max(65_536).optional() })

/** Bytes; a request that is longer is not read. */
const REQUEST_BYTES = 72 * 1024
/** Bytes that an answer may take: whoever takes less would lose what was made for it. */
const ANSWER_BYTES: Readonly<Record<RenewableKind, number>> = {
  x509: 8192,
  secret: 2048,
  psk: 2048,
  oscore: 2048,
}

export class RenewalTopic {
  readonly topic = '$latchkey/credential/renew'
  readonly #parts: RenewalTopicParts

  constructor(parts: RenewalTopicParts) {
    this.#parts = parts
  }

  /**
   * Takes `{"id"}` or `{"id","csr"}`, answers `{"id","credential",...}` or `{"id","error":{"code","detail"}}`.
   * Throws `policy-denied` only when there is no connection that could be answered.
   */
  async handle(request: IncomingMessage, from: Principal, requester?: RenewalRequester): Promise<void> {
    if (requester === undefined)
      throw new Failure(
        'policy-denied',
        `${this.topic} answers on a connection that is protected; ask over MQTT with TLS, CoAP over DTLS or TLS, or OSCORE.`,
      )
    const { meter } = this.#parts
    let id: string | null = null
    let answer: object
    const kind = from.credential?.kind ?? 'none'
    try {
      const asked = readRequest(request.payload)
      id = asked.id
      const issued = await this.#renew(asked, from, requester)
      answer = { id, ...this.#parts.view(issued) }
      meter.count('latchkey_renewals_total', { kind, result: 'renewed' })
    } catch (error) {
      answer = { id, error: this.#told(error, from) }
      meter.count('latchkey_renewals_total', { kind, result: 'refused' })
    }
    const correlationData = request.properties?.correlationData
    requester.answer({
      topic: RENEWED_TOPIC,
      payload: Buffer.from(JSON.stringify(answer)),
      properties: { contentType: 'application/json', ...(correlationData && { correlationData }) },
    })
  }

  async #renew({ csr }: { csr?: string | undefined }, from: Principal, { room }: RenewalRequester) {
    const needed = ANSWER_BYTES[renewableKind(from)]
    if (room < needed)
      throw new Failure(
        'too-large',
        `The answer takes up to ${needed} bytes and this client takes ${room}; raise its Maximum Packet Size.`,
      )
    return this.#parts.renewal.renew(from, { csr })
  }

  #told(error: unknown, { subject }: Principal): { code: string; detail: string } {
    const { code, message, row } = asFailure(error)
    const unexpected = code === 'internal'
    const fields = { principal: printable(subject.id), failure: code }
    if (unexpected) this.#parts.log.error({ ...fields, err: error }, 'a credential could not be renewed')
    else this.#parts.log.debug(fields, 'renewal refused')
    return { code, detail: unexpected ? row.stranger : printable(message, 1000) }
  }
}

function readRequest(payload: Buffer): z.output<typeof requestSchema> {
  if (payload.length > REQUEST_BYTES)
    throw new Failure('too-large', `A renewal takes at most ${REQUEST_BYTES} bytes, and ${payload.length} came.`)
  let value: unknown
  try {
    value = JSON.parse(payload.toString('utf8'))
  } catch {
    throw new Failure('invalid-input', 'The payload is not JSON; send {"id":"1"}, for a certificate with a csr.')
  }
  const read = requestSchema.safeParse(value)
  if (read.success) return read.data
  throw new Failure('invalid-input', 'The payload must be {"id":"1"}, for a certificate {"id":"1","csr":"<PKCS #10>"}.')
}
