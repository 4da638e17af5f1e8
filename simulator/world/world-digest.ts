// A fingerprint of everything that the seed decides.

import { createHash } from 'node:crypto'
import type { Fault } from './faults.ts'
import { Occupants } from './occupants.ts'
import type { RoomShape } from './room.ts'
import { Thermometer, WIRED } from './thermometer.ts'
import { Sky } from './weather.ts'

/** Simulated seconds: a day, looked at every ten minutes. */
const HORIZON = 86_400
const EVERY = 600
const READINGS = 64

/** Hex SHA-256. Numbers are rounded, so that the last bit of a sine does not make two machines disagree. */
export function worldDigest(seed: number, rooms: readonly RoomShape[], faults: readonly Fault[]): string {
  const hash = createHash('sha256')
  const note = (what: string, ...numbers: number[]) =>
    hash.update(`${what} ${numbers.map(number => number.toFixed(4)).join(' ')}\n`)
  const sky = new Sky(seed)
  for (let at = 0; at < HORIZON; at += EVERY) {
    const { outdoor, sun, clouds } = sky.at(at)
    note('weather', at, outdoor, sun, clouds)
  }
  for (const room of rooms) {
    note(`room ${room.name}`, room.setpoint, room.area, room.window)
    const occupants = new Occupants(seed, room)
    for (let at = 0; at < HORIZON; at += EVERY) note('occupants', at, occupants.heat(at))
    const thermometer = new Thermometer(seed, `thermostat of ${room.name}`, WIRED)
    note('bias', thermometer.bias)
    for (let reading = 0; reading < READINGS; reading += 1) note('noise', thermometer.read(0))
  }
  for (const { kind, room, from, to } of faults) note(`fault ${kind} ${room}`, from, to)
  return hash.digest('hex')
}
