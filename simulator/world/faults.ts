// What goes wrong by itself, and when.

import { randomStream } from './random.ts'

/** An air conditioner that hears no commands. `from` and `to` are fractions of the run. */
export interface Fault {
  readonly kind: 'ac-deaf'
  readonly room: string
  readonly from: number
  readonly to: number
}

/**
 * One deaf air conditioner late in the run, and for about half of the seeds another one early. The windows lie apart from the
 * middle of the run, where the demo has its own outages, and are short enough for a share of 0.9 in the band to be possible
 * in the longest runs, long enough for the alert in an hour.
 */
export function faultSchedule(seed: number, rooms: readonly string[]): readonly Fault[] {
  const stream = randomStream(seed, 'faults')
  const late = Math.floor(stream.uniform() * rooms.length)
  const early = (late + 1 + Math.floor(stream.uniform() * (rooms.length - 1))) % rooms.length
  const windows = [
    deaf(rooms[early], stream.between(0.31, 0.34), stream.between(0.044, 0.05)),
    deaf(rooms[late], stream.between(0.78, 0.88), stream.between(0.044, 0.05)),
  ]
  const both = stream.uniform() < 0.5 && early !== late
  return windows.slice(both ? 0 : 1).filter(fault => fault !== undefined)
}

function deaf(room: string | undefined, from: number, length: number): Fault | undefined {
  return room === undefined ? undefined : { kind: 'ac-deaf', room, from, to: from + length }
}
