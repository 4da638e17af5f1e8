import { z } from 'zod'
import type { LiveSession } from '../../access/live-sessions.ts'
import { CREDENTIAL_KINDS } from '../../model/credential.ts'
import { printable } from '../../model/printable.ts'
import { TRANSPORTS } from '../../model/transport.ts'
import { timestamp, timestampOrNull, timestampSchema } from './timestamp.ts'

export const sessionSchema = z
  .object({
    id: z.string(),
    principal: z.string(),
    kind: z.enum(['device', 'service', 'operator', 'anonymous']),
    credential: z.object({ id: z.string(), kind: z.enum(CREDENTIAL_KINDS) }).nullable(),
    clientId: z.string().nullable().describe('Control characters are escaped.'),
    transport: z.enum(TRANSPORTS),
    address: z.string(),
    since: timestampSchema,
    expiresAt: timestampSchema.nullable().describe('When its credential or token ends it.'),
  })
  .meta({ id: 'Session' })

export function sessionView({ id, principal, clientId, since }: LiveSession): z.input<typeof sessionSchema> {
  const { subject, credential, transport, address, expiresAt } = principal
  return {
    id,
    principal: subject.id,
    kind: subject.kind,
    credential: credential === null ? null : { id: credential.id, kind: credential.kind },
    clientId: clientId === null ? null : printable(clientId),
    transport,
    address,
    since: timestamp(since),
    expiresAt: timestampOrNull(expiresAt),
  }
}
