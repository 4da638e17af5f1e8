// Tokens that a device signs for itself with its registered key (RFC 7519, ES256).
import { createPrivateKey, randomUUID, sign } from 'node:crypto'

/** What the broker expects in `aud`. */
const AUDIENCE = 'latchkey'

export interface TokenSubject {
  readonly device: string
  /** Name of the key in the registry. */
  readonly kid: string
  /** PEM, P-256. */
  readonly privateKey: string
}

/** `now`: milliseconds since the epoch; `lifetime`: seconds. */
export function signToken({ device, kid, privateKey }: TokenSubject, now: number, lifetime: number): string {
  const issuedAt = Math.floor(now / 1000)
  const header = { alg: 'ES256', typ: 'JWT', kid }
  const claims = {
    iss: device,
    sub: device,
    aud: AUDIENCE,
    iat: issuedAt,
    exp: issuedAt + lifetime,
    jti: randomUUID(),
  }
  const input = `${part(header)}.${part(claims)}`
  const key = { key: createPrivateKey(privateKey), dsaEncoding: 'ieee-p1363' } as const // RFC 7518 3.4
  return `${input}.${sign('sha256', Buffer.from(input), key).toString('base64url')}`
}

const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
