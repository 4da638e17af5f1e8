// What is shown to the door, and whether all of it names the same.
import type { Evidence } from '../model/evidence.ts'
import { Failure } from '../model/failure.ts'
import type { Principal } from '../model/principal.ts'
import { printable } from '../model/printable.ts'
import type { Endpoint } from './endpoint.ts'
import type { CoapSession } from './session.ts'

/** What an endpoint has shown, and what a request adds to it. */
export const evidenceOf = (
  { transport, address, shown }: Endpoint,
  clientId: string | null = null,
  username: string | null = null,
  password: Buffer | null = null,
): Evidence => ({ ...shown, transport, address, clientId, username, password })

/** Throws `identities-differ` when a channel stands for somebody else. */
export function checkSameSubject(channel: CoapSession | null, { subject }: Principal): void {
  if (channel === null) return
  const known = channel.principal.subject
  if (known.id !== subject.id || known.kind !== subject.kind) throw new Failure('identities-differ')
}

export const notYours = ({ subject }: Principal, clientId: string): Failure =>
  new Failure('client-id-not-yours', `${printable(subject.id)} may not use the client id ${printable(clientId, 80)}.`)
