// A device's first credential for a one-time token. Private keys are made here and stay here.
import { generateKeyPairSync } from 'node:crypto'
import type { LatchkeyClient } from '../../src/client/client.ts'
import type { DevicePlan } from '../home-plan.ts'
import { makeCertificateRequest } from './certificate-request.ts'
import type { KeptCredential } from './credential-folder.ts'

/** Kinds of credential that devices enrol for: JWTs are signed with a `jwt-key` or fetched for a `token-secret`. */
export type Way = 'x509' | 'psk' | 'secret' | 'jwt-key' | 'token-secret' | 'oscore'

export function wayOf({ credential, tokens }: Pick<DevicePlan, 'credential' | 'tokens'>): Way {
  switch (credential) {
    case 'jwt':
      return tokens === 'fetched' ? 'token-secret' : 'jwt-key'
    default:
      return credential
  }
}

export interface EnrolmentParts {
  readonly api: LatchkeyClient
  readonly device: string
  /** One-time token. */
  readonly token: string
}

/** Throws ApiError when the broker refuses or cannot be reached. */
export async function enrol(way: Way, parts: EnrolmentParts): Promise<KeptCredential> {
  const { api, device, token } = parts
  switch (way) {
    case 'x509': {
      const { privateKey, request } = await makeCertificateRequest(device)
      const { credential, certificate, chain } = await api.enrolments.redeem({ token, device, csr: request })
      return { kind: 'x509', certificate, chain, privateKey, ...lifeOf(credential) }
    }
    case 'psk': {
      const { credential, psk } = await api.enrolments.redeem({ token, device, kind: 'psk' })
      return { kind: 'psk', ...psk, ...lifeOf(credential) }
    }
    case 'oscore': {
      const { credential, oscore } = await api.enrolments.redeem({ token, device, kind: 'oscore' })
      return { kind: 'oscore', ...oscore, ...lifeOf(credential) }
    }
    case 'secret':
    case 'token-secret': {
      const audience = way === 'secret' ? 'mqtt' : 'token'
      const { credential, secret } = await api.enrolments.redeem({ token, device, kind: 'secret', audience })
      return { kind: 'secret', audience, secret, ...lifeOf(credential) }
    }
    case 'jwt-key': {
      const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      const jwk = { ...publicKey.export({ format: 'jwk' }) }
      const { credential } = await api.enrolments.redeem({ token, device, kind: 'jwt-key', jwk })
      if (credential.kind !== 'jwt-key') throw new TypeError(`the broker registered a ${credential.kind} for a key`)
      const pem = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
      return { kind: 'jwt-key', kid: credential.kid, privateKey: pem, ...lifeOf(credential) }
    }
  }
}

/** From now: a certificate says it began earlier, for the sake of clocks that are behind. */
export function lifeOf({ expiresAt }: { readonly expiresAt: string | null }): {
  obtainedAt: number
  expiresAt: number | null
} {
  return { obtainedAt: Date.now(), expiresAt: expiresAt === null ? null : Date.parse(expiresAt) }
}
