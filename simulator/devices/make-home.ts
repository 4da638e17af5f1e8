// The inhabitants of a home by its plan.
import { join } from 'node:path'
import type { DevicePlan, HomePlan } from '../home-plan.ts'
import { AirConditioner, AirConditionerBehaviour } from './air-conditioner.ts'
import { CredentialFolder } from './credential-folder.ts'
import { Device } from './device.ts'
import { EnergyReader } from './energy-service.ts'
import { GatewayBehaviour } from './gateway.ts'
import type { AirConditionerDevice, BrokerAddress, EnergyService, HomeDevice, Surroundings } from './home-device.ts'
import { Identity } from './identity.ts'
import { ThermostatBehaviour } from './thermostat.ts'

export interface HomeParts {
  readonly plan: HomePlan
  readonly world: Surroundings
  /** Read afresh at each connect. */
  readonly broker: BrokerAddress
  /** What each inhabitant keeps lies in `<folder>/devices/<id>/`. */
  readonly folder: string
  /** Simulated seconds in a second of wall time. */
  readonly speed: number
  /** Seconds that a JWT is used at most. */
  readonly lifetime: number
}

/** Thermostats and air conditioners room by room, then the gateway. */
export function makeHome(parts: HomeParts): HomeDevice[] {
  const { plan, world, speed } = parts
  const inRooms = plan.rooms.flatMap(({ name, setpoint, thermostat, airConditioner }): HomeDevice[] => [
    new Device({
      ...stationParts(thermostat, parts),
      type: 'thermostat',
      behaviour: new ThermostatBehaviour({ room: name, setpoint, world, speed }),
    }),
    new AirConditioner(stationParts(airConditioner, parts), new AirConditionerBehaviour({ room: name, world, speed })),
  ])
  const gateway = new Device({
    ...stationParts(plan.gateway, parts),
    type: 'gateway',
    behaviour: new GatewayBehaviour({ sensors: plan.gateway.sensors, world }),
  })
  return [...inRooms, gateway]
}

export function makeEnergyService(parts: Omit<HomeParts, 'world' | 'speed'>): EnergyService {
  return new EnergyReader(stationParts(parts.plan.energy, parts))
}

export const isAirConditioner = (device: HomeDevice): device is AirConditionerDevice => device instanceof AirConditioner

function stationParts(plan: DevicePlan, { broker, folder, lifetime }: Omit<HomeParts, 'plan' | 'world' | 'speed'>) {
  const kept = new CredentialFolder(join(folder, 'devices', plan.id))
  return { plan, broker, identity: new Identity({ plan, broker, folder: kept, lifetime }) }
}
