import { isUtf8 } from 'node:buffer'
import { z } from 'zod'
import type { Message } from '../../bus/message.ts'
import { timestampOrNull, timestampSchema } from './timestamp.ts'

export const messageSchema = z
  .object({
    topic: z.string(),
    payload: z.string(),
    encoding: z.enum(['utf8', 'base64']).describe('`utf8` when the payload is valid text.'),
    qos: z.union([z.literal(0), z.literal(1), z.literal(2)]),
    expiresAt: timestampSchema.nullable(),
    contentType: z.string().nullable(),
    userProperties: z.array(z.tuple([z.string(), z.string()])),
  })
  .meta({ id: 'Message' })

export function messageView(message: Message): z.input<typeof messageSchema> {
  const { topic, payload, qos, expiresAt, properties } = message
  const encoding = isUtf8(payload) ? 'utf8' : 'base64'
  return {
    topic,
    payload: payload.toString(encoding),
    encoding,
    qos,
    expiresAt: timestampOrNull(expiresAt),
    contentType: properties?.contentType ?? null,
    userProperties: (properties?.userProperties ?? []).map(([name, value]) => [name, value]),
  }
}
