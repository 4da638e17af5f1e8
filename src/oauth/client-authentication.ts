// Who asks for a token (RFC 6749 2.3): by exactly one method, the one it is registered for.
import type { Trace } from '../auth/proof.ts'
import { type SecretVerification, verifySecret } from '../auth/verify-secret.ts'
import { Failure } from '../model/failure.ts'
import type { ClientRecord, SecretCredential } from '../registry/records.ts'

export type ClientAuthenticationMethod = ClientRecord['authMethod']

/** What a request shows of its client. */
export interface ClientClaim {
  readonly method: ClientAuthenticationMethod
  readonly id: string
  readonly secret: string
}

/** Reads the client's id and secret from header or body. Throws `no-evidence`, `bad-secret` or `invalid-input`. */
export function readClient(authorization: string | null, form: ReadonlyMap<string, string>): ClientClaim {
  const [id, secret] = [form.get('client_id'), form.get('client_secret')]
  if (authorization !== null) {
    if (secret !== undefined) {
      throw new Failure('invalid-input', 'A client may use only one way to authenticate: header or body (RFC 6749 2.3)')
    }
    const basic = readBasic(authorization)
    if (id !== undefined && id !== basic.id) {
      throw new Failure('invalid-input', 'client_id differs between the Authorization header and the body')
    }
    return { method: 'client_secret_basic', ...basic }
  }
  if (id === undefined || secret === undefined)
    throw new Failure('no-evidence', 'The request names no client or no secret')
  return { method: 'client_secret_post', id, secret }
}

/** RFC 6749 2.3.1: both halves are form-encoded before they are joined. */
function readBasic(authorization: string): { id: string; secret: string } {
  const [, encoded] = /^Basic +([A-Za-z0-9+/]+={0,2}) *$/i.exec(authorization) ?? []
  const text = Buffer.from(encoded ?? '', 'base64').toString('utf8')
  const colon = text.indexOf(':')
  if (encoded === undefined || colon < 1) throw new Failure('bad-secret', 'The Authorization header is not Basic')
  try {
    return { id: decodeForm(text.slice(0, colon)), secret: decodeForm(text.slice(colon + 1)) }
  } catch (error) {
    throw new Failure('bad-secret', 'The Authorization header is not form-encoded (RFC 6749 2.3.1)', { cause: error })
  }
}

const decodeForm = (text: string) => decodeURIComponent(text.replaceAll('+', ' '))

/**
 * The secret's credential, when it is right, belongs to the client named, and came by the registered method. A device
 * has none registered: both are taken. Throws as `verifySecret` does, or `bad-secret`.
 */
export function authenticateClient(
  claim: ClientClaim,
  verification: SecretVerification,
  trace: Trace,
): SecretCredential {
  const record = verifySecret(claim.secret, 'token', verification, trace)
  if (record.owner !== claim.id) throw new Failure('bad-secret', `Secret ${record.id} does not belong to that client`)
  const client = verification.registry.client(claim.id)
  if (client && client.authMethod !== claim.method) {
    throw new Failure('bad-secret', `Client ${claim.id} is registered for ${client.authMethod}, not ${claim.method}`)
  }
  return record
}
