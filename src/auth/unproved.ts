// For tests alone: who somebody claims to be, without any proof. Only `enforcement: 'off-for-tests'` leads here.
import { X509Certificate } from 'node:crypto'
import type { Evidence } from '../model/evidence.ts'
import type { Subject } from '../model/principal.ts'
import type { Registry } from '../registry/registry.ts'

/** The registered subject that the evidence names first; else somebody without a record by that name, so that it stands. */
export function believedSubject(evidence: Evidence, registry: Registry): Subject {
  const id = ownerOfContext(evidence, registry) ?? claimedName(evidence)
  return (
    registry.subjectOf(id) ?? {
      kind: 'anonymous',
      id,
      type: null,
      groups: [],
      roles: [],
      attributes: new Map([['id', id]]),
      children: [],
    }
  )
}

/** Of an OSCORE context the evidence names the credential alone. */
function ownerOfContext({ oscore }: Evidence, registry: Registry): string | undefined {
  return oscore === undefined ? undefined : registry.credential(oscore)?.owner
}

function claimedName({ certificates, pskIdentity, username, password, token, clientId }: Evidence): string {
  return (
    certificateName(certificates[0]) ||
    pskIdentity ||
    username ||
    tokenSubject(token ?? password) ||
    clientId ||
    'somebody'
  )
}

function certificateName(der: Buffer | undefined): string | undefined {
  if (der === undefined) return undefined
  const { subject, subjectAltName = '' } = new X509Certificate(der)
  return /urn:latchkey:device:([^,"]+)/.exec(subjectAltName)?.[1] ?? /CN=([^\n,]+)/.exec(subject)?.[1]
}

function tokenSubject(password: Buffer | null): string | null {
  try {
    const { sub } = JSON.parse(Buffer.from(String(password).split('.')[1] ?? '', 'base64url').toString()) as {
      sub?: unknown
    }
    return typeof sub === 'string' ? sub : null
  } catch {
    return null
  }
}
