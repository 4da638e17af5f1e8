// Who a device is and how it shows it: its credential on disk, the login made of it, and the next one in time.
import { LatchkeyClient } from '../../src/client/client.ts'
import { OscoreContext } from '../../src/coap-wire/oscore-client.ts'
import type { DevicePlan } from '../home-plan.ts'
import type { CredentialFolder, KeptCredential } from './credential-folder.ts'
import { enrol, wayOf } from './enrolling.ts'
import type { BrokerAddress } from './home-device.ts'
import { KeptSequence } from './kept-sequence.ts'
import type { Link, Login } from './link.ts'
import { type Lease, shorter } from './patience.ts'
import { renewCertificate, type SessionRenewal } from './renewing.ts'
import { signToken } from './signed-token.ts'

export interface IdentityParts {
  readonly plan: DevicePlan
  readonly folder: CredentialFolder
  readonly broker: BrokerAddress
  /** Seconds that a token made by the device lives, and at most the time that any token is used. */
  readonly lifetime: number
}

/** A login and how long it is good. */
export interface TimedLogin {
  readonly login: Login
  readonly lease: Lease
}

/** The link on which a renewal in session can be asked for, and what hears the answer. */
export interface RenewalLink {
  readonly link: Link
  readonly renewal: SessionRenewal
  /** When the answer is there. */
  leave(): Promise<void>
}

/** What tokens are made with, or fetched for. */
type TokenSource = Extract<KeptCredential, { kind: 'jwt-key' | 'secret' }>

/** Milliseconds for a call of the HTTP API. */
const TIMEOUT = 5_000

export class Identity {
  readonly #parts: IdentityParts
  #kept: KeptCredential | null = null
  /** The JWT in use. */
  #token: TimedLogin | null = null
  /** The OSCORE context in use, and what it was made of: it goes on from link to link. */
  #context: { readonly of: KeptCredential; readonly context: OscoreContext } | null = null
  #sequence: KeptSequence | null = null

  constructor(parts: IdentityParts) {
    this.#parts = parts
  }

  /** Reads the disk. Whether there is a credential. */
  async load(): Promise<boolean> {
    this.#kept ??= await this.#parts.folder.read()
    return this.#kept !== null
  }

  /** Throws ApiError. */
  async enrol(token: string): Promise<void> {
    const { plan } = this.#parts
    await this.keep(await enrol(wayOf(plan), { api: this.#api(), device: plan.id, token }))
  }

  async keep(credential: KeptCredential): Promise<void> {
    await this.#parts.folder.keep(credential)
    this.#kept = credential
    this.#token = null
  }

  /** What to log in with now. Throws ApiError when a token cannot be had. */
  async login(): Promise<TimedLogin> {
    const kept = this.#present()
    const lease = { from: kept.obtainedAt, until: kept.expiresAt }
    switch (kept.kind) {
      case 'x509': {
        const { chain, privateKey } = kept
        return { login: { by: 'certificate', certificate: kept.certificate + chain, privateKey }, lease }
      }
      case 'psk':
        return { login: { by: 'psk', identity: kept.identity, key: Buffer.from(kept.key, 'hex') }, lease }
      case 'secret':
        if (kept.audience === 'mqtt') return { login: { by: 'password', password: kept.secret }, lease }
        return this.#tokenInUse(kept)
      case 'jwt-key':
        return this.#tokenInUse(kept)
      case 'oscore':
        return { login: { by: 'oscore', context: await this.#contextOf(kept) }, lease }
    }
  }

  /**
   * Exchanges what ends for what follows, so that the next `login` shows the new one; the present one goes on being good.
   * `session` is asked for only when the renewal goes over the device's own link.
   */
  async renew(session: () => Promise<RenewalLink>): Promise<void> {
    const { plan, broker } = this.#parts
    const kept = this.#present()
    if (kept.kind === 'x509') return this.keep(await renewCertificate(plan.id, kept, broker))
    if (kept.kind === 'psk' || kept.kind === 'oscore' || (kept.kind === 'secret' && kept.audience === 'mqtt')) {
      const { link, renewal, leave } = await session()
      try {
        return await this.keep(await renewal.renew(link, kept))
      } finally {
        await leave()
      }
    }
    // Until there is another one, the present one is good.
    this.#token = await this.#newToken(kept)
  }

  /** The broker did not take the login: a token that was in use is not shown again. */
  forgetToken(): void {
    this.#token = null
  }

  #present(): KeptCredential {
    if (this.#kept === null) throw new Error(`${this.#parts.plan.id} has no credential; it must enrol first`)
    return this.#kept
  }

  /** The one there is, while it is good for another while: not every reconnect needs a new one. */
  async #tokenInUse(kept: TokenSource): Promise<TimedLogin> {
    const { lease } = this.#token ?? {}
    const usable = lease && lease.until !== null && Date.now() < lease.from + (lease.until - lease.from) * 0.9
    if (!usable || this.#token === null) this.#token = await this.#newToken(kept)
    return this.#token
  }

  #newToken(kept: TokenSource): TimedLogin | Promise<TimedLogin> {
    return kept.kind === 'jwt-key' ? this.#signToken(kept) : this.#fetchToken(kept.secret)
  }

  #signToken({ kid, privateKey, expiresAt }: Extract<KeptCredential, { kind: 'jwt-key' }>): TimedLogin {
    const { plan, lifetime } = this.#parts
    const now = Date.now()
    const password = signToken({ device: plan.id, kid, privateKey }, now, lifetime)
    return {
      login: { by: 'password', password },
      lease: shorter({ from: now, until: now + lifetime * 1000 }, expiresAt),
    }
  }

  async #contextOf(kept: Extract<KeptCredential, { kind: 'oscore' }>): Promise<OscoreContext> {
    this.#sequence ??= await KeptSequence.open(this.#parts.folder.sequence)
    const sequence = this.#sequence
    if (this.#context?.of === kept) return this.#context.context
    const hex = (text: string) => Buffer.from(text, 'hex')
    const parameters = {
      masterSecret: hex(kept.masterSecret),
      masterSalt: hex(kept.masterSalt),
      senderId: hex(kept.senderId),
      recipientId: hex(kept.recipientId),
      idContext: kept.idContext === null ? null : hex(kept.idContext),
    }
    const context = new OscoreContext(parameters, sequence)
    this.#context = { of: kept, context }
    return context
  }

  async #fetchToken(clientSecret: string): Promise<TimedLogin> {
    const { plan, lifetime } = this.#parts
    const from = Date.now()
    const answer = await this.#api().tokens.request({ clientId: plan.id, clientSecret })
    return {
      login: { by: 'password', password: answer.access_token },
      lease: { from, until: from + Math.min(answer.expires_in, lifetime) * 1000 },
    }
  }

  #api(): LatchkeyClient {
    const { httpsUrl, ca } = this.#parts.broker
    return new LatchkeyClient({ url: httpsUrl, ca, timeout: TIMEOUT })
  }
}
