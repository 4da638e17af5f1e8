import type { AttemptLimits } from './attempt-limiter.ts'

export interface AuthenticationLimits extends AttemptLimits {
  /** Bytes of a JWT. */
  readonly tokenBytes: number
  /** Bytes of a SCRAM message. */
  readonly scramBytes: number
  /** Seconds that the clocks of token issuers may differ from ours. */
  readonly clockSkew: number
  /** Seconds: the longest life of a token that a device signs for itself. */
  readonly selfSignedLifetime: number
  /** Milliseconds that a verified token is remembered, so that its signature is not checked again. */
  readonly tokenCacheTime: number
  /** Tokens remembered. */
  readonly tokenCacheEntries: number
  /** Public keys of devices kept ready; certificates whose signature is known to be good. */
  readonly keyCacheEntries: number
  /** Authorities between a device certificate and its root, the root included. */
  readonly chainLength: number
  /** Bytes of an MQTT client identifier. */
  readonly clientIdBytes: number
}

export const AUTHENTICATION_LIMITS: AuthenticationLimits = {
  tokenBytes: 8_192,
  scramBytes: 1_024,
  clockSkew: 30,
  selfSignedLifetime: 86_400,
  tokenCacheTime: 60_000,
  tokenCacheEntries: 10_000,
  keyCacheEntries: 10_000,
  chainLength: 5,
  clientIdBytes: 256,
  addressBurst: 100,
  addressPerMinute: 60,
  claimBurst: 10,
  claimPerMinute: 6,
  rememberedAddresses: 10_000,
  rememberedClaims: 20_000,
  knownGood: 20_000,
}
