// What both ends of an OSCORE context know, and the keys that follow from it (RFC 8613 3).
import { hkdfSync } from 'node:crypto'
import { array, bytesItem, NULL, text, uint } from './oscore-cbor.ts'

/** AES-CCM-16-64-128 (RFC 8152 10.2), the algorithm that every implementation has (RFC 8613 3.2). */
export const AEAD_ALGORITHM = 10
export const KEY_BYTES = 16
export const NONCE_BYTES = 13
/** RFC 8613 3.3: six bytes less than the nonce. */
export const MAX_ID_BYTES = NONCE_BYTES - 6
/** The option that carries an ID Context counts it in one byte (RFC 8613 6.1). */
export const MAX_ID_CONTEXT_BYTES = 255

/** As one end sees it: the other one has the two ids the other way round. */
export interface OscoreParameters {
  readonly masterSecret: Buffer
  /** Empty when there is none. */
  readonly masterSalt: Buffer
  /** 0 to 7 bytes, and not the other one. */
  readonly senderId: Buffer
  readonly recipientId: Buffer
  readonly idContext: Buffer | null
}

export interface OscoreKeys {
  readonly senderId: Buffer
  readonly recipientId: Buffer
  readonly idContext: Buffer | null
  /** What we encrypt with, and what we decrypt with. */
  readonly senderKey: Buffer
  readonly recipientKey: Buffer
  readonly commonIv: Buffer
}

/** Throws RangeError for ids that are too long or equal: their nonces would be the same. */
export function deriveKeys({
  masterSecret,
  masterSalt,
  senderId,
  recipientId,
  idContext,
}: OscoreParameters): OscoreKeys {
  for (const id of [senderId, recipientId])
    if (id.length > MAX_ID_BYTES)
      throw new RangeError(`an OSCORE id of ${id.length} bytes; ${MAX_ID_BYTES} are the most`)
  if (senderId.equals(recipientId)) throw new RangeError('both ends of an OSCORE context have the same id')
  if (idContext !== null && idContext.length > MAX_ID_CONTEXT_BYTES)
    throw new RangeError(`an ID Context of ${idContext.length} bytes; ${MAX_ID_CONTEXT_BYTES} are the most`)
  const derive = (id: Buffer, type: 'Key' | 'IV', length: number): Buffer =>
    Buffer.from(hkdfSync('sha256', masterSecret, masterSalt, keyInfo(id, idContext, type, length), length))
  return {
    senderId,
    recipientId,
    idContext,
    senderKey: derive(senderId, 'Key', KEY_BYTES),
    recipientKey: derive(recipientId, 'Key', KEY_BYTES),
    commonIv: derive(Buffer.alloc(0), 'IV', NONCE_BYTES),
  }
}

/** What a derived value is for (RFC 8613 3.2.1). */
export const keyInfo = (id: Buffer, idContext: Buffer | null, type: 'Key' | 'IV', length: number): Buffer =>
  array(bytesItem(id), idContext === null ? NULL : bytesItem(idContext), uint(AEAD_ALGORITHM), text(type), uint(length))
