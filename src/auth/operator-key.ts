import { createHash, timingSafeEqual } from 'node:crypto'
import type { Evidence } from '../model/evidence.ts'
import type { Subject } from '../model/principal.ts'

/** Not a valid identifier, so that no registered client can be mistaken for it. */
export const LOCAL_OPERATOR = '@local'

/** Whoever holds the key that this process made at its start, and that only files of its user show. */
export const LOCAL_OPERATOR_SUBJECT: Subject = {
  kind: 'operator',
  id: LOCAL_OPERATOR,
  type: null,
  groups: [],
  roles: ['admin'],
  attributes: new Map([['id', LOCAL_OPERATOR]]),
  children: [],
}

/** SHA-256 of a per-start operator key: all that anybody but its holder keeps of it. */
export const operatorKeyHash = (key: string | Buffer): Buffer => createHash('sha256').update(key).digest()

/** Over https alone, and with nothing beside it. */
export function showsOperatorKey({ transport, password, username, certificates }: Evidence, hash: Buffer): boolean {
  if (transport !== 'https' || password === null || username !== null || certificates.length > 0) return false
  return timingSafeEqual(operatorKeyHash(password), hash)
}
