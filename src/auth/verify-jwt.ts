import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto'
import { errors, type JWTPayload, jwtVerify } from 'jose'
import type { Clock } from '../model/clock.ts'
import { Failure } from '../model/failure.ts'
import { whyUnusable } from '../registry/credentials.ts'
import type { CredentialRecord, JwtKeyCredential } from '../registry/records.ts'
import type { Registry } from '../registry/registry.ts'
import { BoundedMap } from './bounded-map.ts'
import type { AuthenticationLimits } from './limits.ts'
import type { IssuerKey, IssuerKeys, TokenHeader } from './ports.ts'
import type { Proof, Trace } from './proof.ts'

/** What a token says of itself, not verified. */
export interface UnverifiedToken {
  readonly text: string
  readonly header: TokenHeader
  readonly issuer: string
  readonly subject: string
}

export interface TokenVerification {
  readonly registry: Registry
  readonly issuerKeys: IssuerKeys
  readonly clock: Clock
  readonly limits: AuthenticationLimits
  /** What `aud` of tokens that devices sign must hold. */
  readonly audience: string
}

/**
 * Claims by which our access tokens name what they were given for, so that they end with it: the id and epoch of the
 * client's credential, and the client's own epoch.
 */
export interface AccessTokenOrigin {
  readonly credential: string
  readonly credentialEpoch: number
  readonly ownerEpoch: number
}
export const ORIGIN_CLAIM = 'latchkey'

/** What stays true of a token until it ends; the registry is asked about the rest each time. */
interface VerifiedToken {
  readonly key: IssuerKey['key']
  readonly claims: JWTPayload
  /** Milliseconds since the epoch. */
  readonly forgetAt: number
}

/** Who the signer may speak for, and how. */
interface Signer {
  readonly issuerKey: IssuerKey
  /** The device's key; null for access tokens of the token server. */
  readonly record: JwtKeyCredential | null
}

const ACCESS_TOKEN_TYPES: readonly unknown[] = ['at+jwt', 'application/at+jwt']

/** Reads header and payload of a compact JWS (RFC 7515 3.1) without trusting either. Throws `token-invalid`. */
export function readToken(text: string): UnverifiedToken {
  const [head = '', body = ''] = text.split('.')
  const header = readJson(head)
  const { iss, sub } = readJson(body)
  if (typeof iss !== 'string' || typeof sub !== 'string')
    throw new Failure('token-invalid', 'The JWT names no issuer or no subject')
  return { text, header, issuer: iss, subject: sub }
}

function readJson(part: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'))
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return Object.assign(Object.create(null), value)
  } catch {
    // The parser's own error would quote what it read.
    throw new Failure('token-invalid', 'The JWT is not base64url of JSON')
  }
  throw new Failure('token-invalid', 'The JWT does not hold JSON objects')
}

/** Verifies tokens that a device signed with its registered key, and access tokens (RFC 9068) of the token server. */
export class TokenVerifier {
  readonly #options: TokenVerification
  readonly #verified: BoundedMap<string, VerifiedToken>
  readonly #deviceKeys: BoundedMap<string, IssuerKey>
  /** By algorithm; nobody has their private halves. */
  readonly #decoys = decoyKeys()

  constructor(options: TokenVerification) {
    this.#options = options
    this.#verified = new BoundedMap(options.limits.tokenCacheEntries)
    this.#deviceKeys = new BoundedMap(options.limits.keyCacheEntries)
  }

  /**
   * `certificate`: what the channel showed, for tokens bound to one (RFC 8705 3). Throws `token-invalid`,
   * `token-expired`, `token-audience`, `token-revoked`, `credential-*` or `superseded`.
   */
  async verify(token: UnverifiedToken, certificate: Buffer | null, trace: Trace): Promise<Proof> {
    trace.credentialKind = 'jwt-key'
    const signer = await this.#signerOf(token)
    if (signer === null || !signer.issuerKey.algorithms.includes(String(token.header.alg))) {
      await this.#workInVain(token)
      const known = signer === null ? 'Its issuer or its key is unknown' : 'Its key is not for its algorithm'
      throw new Failure('token-invalid', `The JWT cannot be verified: ${known}`)
    }
    const claims = await this.#claims(token, signer)
    // From here on everything may have changed since the token was remembered.
    trace.principal = token.subject
    this.#checkTime(claims, signer.record !== null)
    checkConfirmation(claims, certificate)
    const jti = typeof claims.jti === 'string' ? claims.jti : null
    if (jti !== null && this.#options.registry.isTokenDenied(token.issuer, jti)) throw new Failure('token-revoked')
    return signer.record === null
      ? this.#accessTokenProof(token, claims, jti, trace)
      : this.#deviceProof(token, claims, jti, signer.record, trace)
  }

  /** Without a key for its algorithm a token costs as much as one with a wrong signature, so that names stay unknown. */
  async #workInVain({ text, header: { alg } }: UnverifiedToken): Promise<void> {
    const decoy = typeof alg === 'string' ? this.#decoys.get(alg) : undefined
    if (decoy !== undefined) await jwtVerify(text, decoy, { algorithms: [String(alg)] }).catch(() => {})
  }

  /** null: nobody whom we know signed this. */
  async #signerOf({ issuer, subject, header }: UnverifiedToken): Promise<Signer | null> {
    const { issuerKeys, registry } = this.#options
    if (issuer === issuerKeys.ownIssuer) {
      if (!ACCESS_TOKEN_TYPES.includes(header.typ)) return null // RFC 9068 4
      const issuerKey = await issuerKeys.keyFor(issuer, header)
      return issuerKey && { issuerKey, record: null }
    }
    if (issuer !== subject || ACCESS_TOKEN_TYPES.includes(header.typ)) return null
    const record = registry.jwtKey(issuer, typeof header.kid === 'string' ? header.kid : undefined)
    return record === undefined ? null : { issuerKey: this.#deviceKey(record), record }
  }

  #deviceKey(record: JwtKeyCredential): IssuerKey {
    const known = this.#deviceKeys.get(record.id)
    if (known !== undefined) return known
    const key: KeyObject = createPublicKey({ key: { ...record.jwk }, format: 'jwk' })
    const made = { key, algorithms: [record.algorithm], audience: this.#options.audience }
    this.#deviceKeys.set(record.id, made)
    return made
  }

  /** Signature, algorithm, issuer and audience; remembered under the token's hash as long as the key is the same. */
  async #claims(token: UnverifiedToken, { issuerKey }: Signer): Promise<JWTPayload> {
    const { clock, limits } = this.#options
    const hash = createHash('sha256').update(token.text).digest('base64')
    const known = this.#verified.get(hash)
    if (known !== undefined && known.key === issuerKey.key && known.forgetAt > clock.now()) return known.claims
    const { payload } = await jwtVerify(token.text, issuerKey.key, {
      algorithms: [...issuerKey.algorithms],
      issuer: token.issuer,
      subject: token.subject,
      audience: issuerKey.audience,
      requiredClaims: ['exp'],
      clockTolerance: limits.clockSkew,
      currentDate: new Date(clock.now()),
    }).catch(error => {
      throw asTokenFailure(error)
    })
    const forgetAt = Math.min(endOf(payload), clock.now() + limits.tokenCacheTime)
    this.#verified.set(hash, { key: issuerKey.key, claims: payload, forgetAt })
    return payload
  }

  /** `exp` was required by #claims. It is taken as it is, because sessions end by it; `iat` may come from another clock. */
  #checkTime({ exp = 0, iat }: JWTPayload, selfSigned: boolean): void {
    const { clock, limits } = this.#options
    const now = clock.now() / 1_000
    if (exp <= now) throw new Failure('token-expired')
    if (iat !== undefined && iat - limits.clockSkew > now)
      throw new Failure('token-expired', 'The JWT says that it was issued in the future; check the clocks')
    if (selfSigned && exp - now > limits.selfSignedLifetime + limits.clockSkew)
      throw new Failure('token-invalid', `A device may sign a JWT for at most ${limits.selfSignedLifetime} s`)
  }

  #deviceProof(
    token: UnverifiedToken,
    claims: JWTPayload,
    jti: string | null,
    record: JwtKeyCredential,
    trace: Trace,
  ): Proof {
    trace.credential = record.id
    this.#checkUsable(record)
    return {
      owner: record.owner,
      credential: { id: record.id, kind: 'jwt-key' },
      credentialEpoch: record.epoch,
      ownerEpoch: null,
      expiresAt: earlier(endOf(claims), record.expiresAt),
      scopes: null,
      issuer: token.issuer,
      jti,
    }
  }

  /** An access token ends with the credential it was given for, and with the epoch of its client. */
  #accessTokenProof(token: UnverifiedToken, claims: JWTPayload, jti: string | null, trace: Trace): Proof {
    const origin = originOf(claims)
    if (origin === null || claims.client_id !== token.subject || typeof claims.scope !== 'string' || jti === null)
      throw new Failure('token-invalid', 'The access token lacks claims of RFC 9068 2.2')
    trace.credential = origin.credential
    const record = this.#options.registry.credential(origin.credential)
    if (record === undefined || record.owner !== token.subject) throw new Failure('credential-revoked')
    this.#checkUsable(record)
    return {
      owner: token.subject,
      credential: { id: record.id, kind: 'jwt-key' },
      credentialEpoch: origin.credentialEpoch,
      ownerEpoch: origin.ownerEpoch,
      expiresAt: earlier(endOf(claims), record.expiresAt),
      scopes: claims.scope.split(' ').filter(scope => scope !== ''),
      issuer: token.issuer,
      jti,
    }
  }

  #checkUsable(record: CredentialRecord): void {
    const why = whyUnusable(record, this.#options.clock.now())
    if (why !== null) throw new Failure(why, `The JWT of ${record.owner} hangs on credential ${record.id}: ${why}`)
  }
}

/** One key for each algorithm that the registry takes. */
function decoyKeys(): ReadonlyMap<string, KeyObject> {
  const modulus = randomBytes(256)
  modulus.writeUInt8(0x80 | modulus.readUInt8(0), 0)
  modulus.writeUInt8(1 | modulus.readUInt8(255), 255)
  return new Map([
    ['ES256', generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey],
    ['EdDSA', generateKeyPairSync('ed25519').publicKey],
    // To make a real RSA key takes long, and it does not have to be one.
    ['RS256', createPublicKey({ key: { kty: 'RSA', n: modulus.toString('base64url'), e: 'AQAB' }, format: 'jwk' })],
  ])
}

/** RFC 8705 3.1; any other confirmation (RFC 7800) asks for a proof that we cannot check. */
function checkConfirmation({ cnf }: JWTPayload, certificate: Buffer | null): void {
  if (cnf === undefined) return
  const members = typeof cnf === 'object' && cnf !== null ? Object.entries(cnf) : []
  const [member] = members
  if (members.length !== 1 || member?.[0] !== 'x5t#S256')
    throw new Failure('token-invalid', 'The JWT is bound to something other than a certificate (cnf)')
  const thumbprint = certificate && createHash('sha256').update(certificate).digest('base64url')
  if (thumbprint !== member[1])
    throw new Failure('token-invalid', 'The JWT is bound to another certificate than the connection shows (cnf)')
}

function originOf(claims: JWTPayload): AccessTokenOrigin | null {
  const origin = claims[ORIGIN_CLAIM]
  if (typeof origin !== 'object' || origin === null) return null
  const { credential, credentialEpoch, ownerEpoch } = origin as Record<keyof AccessTokenOrigin, unknown>
  if (typeof credential !== 'string' || typeof credentialEpoch !== 'number' || typeof ownerEpoch !== 'number')
    return null
  return { credential, credentialEpoch, ownerEpoch }
}

const endOf = ({ exp = 0 }: JWTPayload) => exp * 1_000
const earlier = (one: number, other: number | null) => (other === null ? one : Math.min(one, other))

/** RFC 7519 4.1: which claim was wrong decides; everything else is one failure. */
function asTokenFailure(error: unknown): Failure {
  if (error instanceof errors.JWTExpired) return new Failure('token-expired', undefined, { cause: error })
  if (error instanceof errors.JWTClaimValidationFailed) {
    const { claim, reason } = error
    if (claim === 'aud') return new Failure('token-audience', undefined, { cause: error })
    if (claim === 'nbf' && reason === 'check_failed') return new Failure('token-expired', undefined, { cause: error })
    return new Failure('token-invalid', `The claim ${claim} of the JWT is ${reason}`, { cause: error })
  }
  return new Failure('token-invalid', undefined, { cause: error })
}
