// The door with the real rooms behind it, a clock that a test may move, and authorities that sign whatever it asks for.
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { exportJWK, type JWK, SignJWT } from 'jose'
import { Authenticator, type AuthenticatorParts } from '../../src/auth/authenticator.ts'
import type { Evidence } from '../../src/model/evidence.ts'
import { Failure, type FailureCode } from '../../src/model/failure.ts'
import type { Principal } from '../../src/model/principal.ts'
import { openRooms, type Rooms } from '../fixtures/rooms.ts'
import { TestAuthority, type TestCertificate } from './test-authority.ts'

export const OPERATOR = { kind: 'operator', id: 'ops' } as const
export const AUDIENCE = 'latchkey'

export interface Door {
  readonly rooms: Rooms
  readonly authenticator: Authenticator
  /** Trusted. */
  readonly authority: TestAuthority
  /** Milliseconds by which the broker's clock is ahead of this machine's. */
  ahead(milliseconds: number): void
  now(): number
  /** A device of the type `thermostat`. */
  device(id: string, more?: object): Promise<void>
  /** A certificate of the trusted authority, registered. */
  certificate(id: string, options?: Parameters<TestAuthority['device']>[1]): Promise<TestCertificate & { id: string }>
  register(id: string, certificate: TestCertificate): Promise<string>
  secret(owner: string, audience?: 'mqtt' | 'api' | 'token', lifetime?: number): Promise<{ id: string; secret: string }>
  jwtKey(owner: string, kid?: string): Promise<{ id: string; kid: string; privateKey: KeyObject; publicJwk: JWK }>
  accessToken(client: string, secret: string, form?: Record<string, string>): Promise<string>
  authenticate(evidence: Partial<Evidence>): Promise<Principal>
  /** The code that this evidence is refused with; throws when it is not. */
  refusal(evidence: Partial<Evidence>): Promise<FailureCode>
  close(): Promise<void>
}

export async function openDoor(parts: Partial<AuthenticatorParts> = {}): Promise<Door> {
  let shift = 0
  const clock = { now: () => Date.now() + shift }
  const rooms = await openRooms({ clock })
  const { registry, vault, audit, metrics, tokens } = rooms
  const authority = await TestAuthority.create()
  const trust = { issuerOf: () => authority.certificate }
  const authenticator = new Authenticator({
    registry,
    vault,
    audit,
    clock,
    meter: metrics,
    issuerKeys: tokens.issuerKeys,
    trust,
    audience: AUDIENCE,
    anonymous: null,
    ...parts,
  })
  await registry.putDeviceType({ id: 'thermostat' }, OPERATOR)

  const authenticate = (evidence: Partial<Evidence>) => authenticator.authenticate({ ...NOTHING, ...evidence })
  const register = async (id: string, { certificate }: TestCertificate) => {
    const part = registry.prepareCertificate(
      id,
      {
        fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
        serial: certificate.serialNumber.toLowerCase(),
        issuer: 'test',
        subject: certificate.subject,
        notBefore: Date.parse(certificate.validFrom),
        expiresAt: Date.parse(certificate.validTo),
      },
      OPERATOR,
    )
    await registry.commitAll([part])
    return part.credential.id
  }
  return {
    rooms,
    authenticator,
    authority,
    ahead(milliseconds) {
      shift = milliseconds
    },
    now: () => clock.now(),
    async device(id, more = {}) {
      await registry.createDevice({ id, type: 'thermostat', attributes: { room: 'kitchen' }, ...more }, OPERATOR)
    },
    async certificate(id, options) {
      const made = await authority.device(id, options)
      return { ...made, id: await register(id, made) }
    },
    register,
    async secret(owner, audience = 'mqtt', lifetime) {
      const { credential, secret } = await registry.issueSecret(owner, { audience, lifetime }, OPERATOR)
      return { id: credential.id, secret }
    },
    async jwtKey(owner, kid) {
      const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      const publicJwk = await exportJWK(publicKey)
      const { credential } = await registry.addJwtKey(owner, { jwk: publicJwk, kid }, OPERATOR)
      return { id: credential.id, kid: credential.kid, privateKey, publicJwk }
    },
    async accessToken(client, secret, form = {}) {
      const all = { grant_type: 'client_credentials', client_id: client, client_secret: secret, ...form }
      const response = await tokens.token({
        authorization: null,
        form: new Map(Object.entries(all)),
        address: '192.0.2.9',
      })
      return response.access_token
    },
    authenticate,
    async refusal(evidence) {
      try {
        const principal = await authenticate(evidence)
        throw new Error(`it was not refused, but is ${principal.subject.id}`)
      } catch (error) {
        if (error instanceof Failure) return error.code
        throw error
      }
    },
    close: () => rooms.close(),
  }
}

const NOTHING: Evidence = {
  transport: 'mqtts',
  address: '192.0.2.1',
  clientId: null,
  certificates: [],
  pskIdentity: null,
  username: null,
  password: null,
}

export interface TokenOptions {
  readonly alg?: string
  readonly kid?: string
  readonly typ?: string
}

/** A token that a device signs for itself, right in every respect unless told otherwise; `undefined` removes a claim. */
export async function deviceToken(
  device: string,
  key: KeyObject | Uint8Array,
  claims: Readonly<Record<string, unknown>> = {},
  { alg = 'ES256', kid, typ }: TokenOptions = {},
): Promise<string> {
  const now = Math.floor(Date.now() / 1000)
  const payload = { iss: device, sub: device, aud: AUDIENCE, iat: now, exp: now + 600, ...claims }
  return new SignJWT(JSON.parse(JSON.stringify(payload)))
    .setProtectedHeader({ alg, ...(kid === undefined ? {} : { kid }), ...(typ === undefined ? {} : { typ }) })
    .sign(key)
}

export const asPassword = (text: string) => ({ password: Buffer.from(text) })
