// What the broker itself answers below `$latchkey/`: over CoAP the answer is the response, and so reaches nobody else.
import type { Requester, ServiceTopic } from '../bus/receiver.ts'
import { CODE } from '../coap-wire/codes.ts'
import { OPTION } from '../coap-wire/options.ts'
import { Failure } from '../model/failure.ts'
import type { IncomingMessage } from '../model/message.ts'
import { isSecure } from '../model/transport.ts'
import type { Endpoint } from './endpoint.ts'
import { contentFormatOfMessage } from './message-mapping.ts'
import { uint } from './representation.ts'
import type { Request, Response } from './resource.ts'
import type { CoapSession } from './session.ts'

/**
 * Asks for somebody. Where nothing protects the request, whatever protected its session, there is nobody who could be
 * answered, and the service refuses. Throws `session-unknown` when the session has ended meanwhile.
 */
export async function askService(
  service: ServiceTopic,
  message: IncomingMessage,
  { peer }: Pick<Request, 'peer'>,
  session: CoapSession,
): Promise<Response> {
  let answer: Parameters<Requester['answer']>[0] | null = null
  const requester: Requester = {
    room: Number.POSITIVE_INFINITY, // it comes in blocks
    answer(message) {
      if (session.isEnded || answer !== null) return false
      answer = message
      return true
    },
  }
  await service.handle(message, session.principal, ...(isProtected(peer.endpoint) ? [requester] : []))
  if (session.isEnded) throw new Failure('session-unknown')
  return responseOf(answer)
}

function responseOf(answer: Parameters<Requester['answer']>[0] | null): Response {
  if (answer === null) return { code: CODE.Changed }
  const format = contentFormatOfMessage(answer.properties)
  const options = format === null ? [] : [uint(OPTION.ContentFormat, format)]
  return { code: CODE.Changed, options, payload: answer.payload }
}

const isProtected = ({ transport, shown }: Endpoint): boolean => isSecure(transport) || shown.oscore !== undefined
