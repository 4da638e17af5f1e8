// The home that the demo brings to life: who lives in which room, over which protocol, with which credential.
import type { Notation } from './message.ts'

export type Protocol = 'mqtt' | 'mqtts' | 'ws' | 'wss' | 'coap' | 'coaps' | 'coap+tcp' | 'coaps+tcp'
export type CredentialName = 'x509' | 'psk' | 'secret' | 'jwt' | 'oscore'

export interface DevicePlan {
  /** As in devices/rooms. */
  readonly id: string
  readonly protocol: Protocol
  readonly credential: CredentialName
  /** Who makes its JWTs: the device with a key of its own, or the token endpoint for a secret. Only with `jwt`. */
  readonly tokens?: 'signed' | 'fetched'
  /** How it writes what it measures; JSON when absent. */
  readonly notation?: Notation
  /** What it speaks instead, with the same credential, on a machine that has no DTLS. Only with `coaps`. */
  readonly otherwise?: 'mqtts' | 'coap'
}

export interface RoomPlan {
  readonly name: string
  /** Degrees Celsius. */
  readonly setpoint: number
  /** Square metres of floor: its heat capacity and losses follow. */
  readonly area: number
  /** Square metres of window towards the sun. */
  readonly window: number
  readonly thermostat: DevicePlan
  readonly airConditioner: DevicePlan
}

export interface HomePlan {
  readonly rooms: readonly RoomPlan[]
  /** Speaks for battery sensors, which have no connection of their own. */
  readonly gateway: DevicePlan & { readonly sensors: readonly { readonly id: string; readonly room: string }[] }
  /** A client of the token endpoint that reads. */
  readonly energy: DevicePlan
}

export const HOME: HomePlan = {
  rooms: [
    {
      name: 'kitchen',
      setpoint: 24,
      area: 14,
      window: 2,
      thermostat: { id: 'thermostat-kitchen', protocol: 'mqtts', credential: 'x509' },
      airConditioner: { id: 'ac-kitchen', protocol: 'mqtts', credential: 'x509' },
    },
    {
      name: 'living-room',
      setpoint: 23.5,
      area: 28,
      window: 5,
      thermostat: {
        id: 'thermostat-living-room',
        protocol: 'coaps',
        credential: 'psk',
        notation: 'senml+json',
        otherwise: 'mqtts',
      },
      airConditioner: { id: 'ac-living-room', protocol: 'mqtts', credential: 'secret' },
    },
    {
      name: 'bedroom',
      setpoint: 22,
      area: 16,
      window: 2,
      thermostat: { id: 'thermostat-bedroom', protocol: 'wss', credential: 'secret' },
      airConditioner: {
        id: 'ac-bedroom',
        protocol: 'coaps',
        credential: 'x509',
        notation: 'senml+json',
        otherwise: 'mqtts',
      },
    },
    {
      name: 'study',
      setpoint: 23,
      area: 12,
      window: 1.5,
      thermostat: { id: 'thermostat-study', protocol: 'mqtts', credential: 'jwt', tokens: 'signed' },
      airConditioner: { id: 'ac-study', protocol: 'mqtts', credential: 'psk' },
    },
    {
      name: 'nursery',
      setpoint: 22.5,
      area: 13,
      window: 1.5,
      thermostat: {
        id: 'thermostat-nursery',
        protocol: 'coaps',
        credential: 'jwt',
        tokens: 'fetched',
        notation: 'senml+cbor',
        otherwise: 'coap',
      },
      airConditioner: { id: 'ac-nursery', protocol: 'coap', credential: 'oscore', notation: 'senml+cbor' },
    },
  ],
  gateway: {
    id: 'gateway-hall',
    protocol: 'mqtts',
    credential: 'x509',
    sensors: [
      { id: 'sensor-kitchen', room: 'kitchen' },
      { id: 'sensor-living-room', room: 'living-room' },
      { id: 'sensor-bedroom', room: 'bedroom' },
    ],
  },
  energy: { id: 'energy', protocol: 'mqtts', credential: 'jwt', tokens: 'fetched' },
}

/** All devices of a plan, room by room; the energy service is none. */
export const devicesOf = ({ rooms, gateway }: HomePlan): DevicePlan[] => [
  ...rooms.flatMap(({ thermostat, airConditioner }) => [thermostat, airConditioner]),
  gateway,
]

/** The same home on a machine that has no DTLS. */
export function withoutDtls(plan: HomePlan): HomePlan {
  const rooms = plan.rooms.map(room => ({
    ...room,
    thermostat: undone(room.thermostat),
    airConditioner: undone(room.airConditioner),
  }))
  return { ...plan, rooms }
}

function undone({ otherwise, ...plan }: DevicePlan): DevicePlan {
  return otherwise === undefined ? plan : { ...plan, protocol: otherwise }
}
