import type { Clock } from '../model/clock.ts'
import type { SecretAudience } from '../model/credential.ts'
import { Failure } from '../model/failure.ts'
import { whyUnusable } from '../registry/credentials.ts'
import type { SecretCredential } from '../registry/records.ts'
import type { Registry } from '../registry/registry.ts'
import { parseSecret } from '../vault/secret-format.ts'
import type { Vault } from '../vault/vault.ts'
import type { Trace } from './proof.ts'

export interface SecretVerification {
  readonly registry: Registry
  readonly vault: Vault
  readonly clock: Clock
}

/**
 * The credential of a generated secret (`lk_...`), when it is right, usable, and made for this audience. A secret of an
 * unknown key id, or a text that is no secret at all, takes the same work as a wrong one. Throws `bad-secret`,
 * `credential-revoked`, `credential-expired` or `credential-not-active`; the last three only to whoever has the secret.
 */
export function verifySecret(
  text: string,
  audience: SecretAudience,
  { registry, vault, clock }: SecretVerification,
  trace: Trace,
): SecretCredential {
  trace.credentialKind = 'secret'
  const parsed = parseSecret(text)
  const found = parsed === null ? undefined : registry.credentialByKeyId(parsed.keyId)
  const record = found?.kind === 'secret' ? found : null
  trace.credential = record?.id ?? null
  const right = vault.verifySecret(text, record)
  if (record === null || !right) throw new Failure('bad-secret', 'The secret is wrong or its key id is unknown')
  trace.principal = record.owner
  if (record.audience !== audience)
    throw new Failure('bad-secret', `Secret ${record.id} is for the audience ${record.audience}, not ${audience}`)
  const why = whyUnusable(record, clock.now())
  if (why !== null) throw new Failure(why, `Secret ${record.id} of ${record.owner}: ${why}`)
  return record
}
