// A link by the protocol that the plan says.
import type { Protocol } from '../home-plan.ts'
import { openCoapLink } from './coap-login.ts'
import type { BrokerAddress } from './home-device.ts'
import type { Endpoint, Link, LinkListener, Login } from './link.ts'
import { openMqttLink } from './mqtt-link.ts'

export interface OpenLinkParts {
  readonly protocol: Protocol
  readonly broker: BrokerAddress
  readonly clientId: string
  readonly login: Login
  /** Seconds; MQTT only. */
  readonly sessionExpiry: number
  readonly listener: LinkListener
  readonly signal: AbortSignal
}

/** Throws `LoginRefused`, or whatever kept the link from being opened. */
export async function openLink({ protocol, broker, login, ...more }: OpenLinkParts): Promise<Link> {
  const endpoint = endpointOf(protocol, broker)
  switch (protocol) {
    case 'mqtt':
    case 'mqtts':
    case 'ws':
    case 'wss':
      return openMqttLink({ ...more, protocol, endpoint, login, ca: broker.ca })
    case 'coap':
    case 'coaps':
      return openCoapLink({ ...more, protocol, endpoint, login, ca: broker.ca })
    default:
      throw new Error(`no device here speaks ${protocol}; plan another protocol`)
  }
}

function endpointOf(protocol: Protocol, { listeners }: BrokerAddress): Endpoint {
  const endpoint = listeners[protocol]
  if (endpoint === undefined) throw new Error(`the broker does not listen for ${protocol}`)
  return endpoint
}
