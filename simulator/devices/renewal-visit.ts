// New secrets travel encrypted: a device on a plain link asks for its own on a visit over mqtts.
import type { BrokerAddress } from './home-device.ts'
import type { RenewalLink } from './identity.ts'
import type { Login } from './link.ts'
import { openLink } from './open-link.ts'
import { SessionRenewal } from './renewing.ts'

export interface VisitParts {
  readonly device: string
  readonly broker: BrokerAddress
  readonly login: Login
  readonly signal: AbortSignal
}

/** A connection for one question; it leaves no session behind. */
export async function openVisit({ device, broker, login, signal }: VisitParts): Promise<RenewalLink> {
  const renewal = new SessionRenewal()
  const link = await openLink({
    protocol: 'mqtts',
    broker,
    clientId: device,
    login,
    sessionExpiry: 0,
    signal,
    listener: { message: message => void renewal.heard(message), denied() {}, closed() {} },
  })
  return { link, renewal, leave: () => link.end() }
}
