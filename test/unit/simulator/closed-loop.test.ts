import { expect, test } from 'vitest'
import { NOTICED_WITHIN } from '../../../simulator/control/orders.ts'
import { HOME } from '../../../simulator/home-plan.ts'
import { World } from '../../../simulator/world/world.ts'
import { closedLoop, type LoopOptions, type RoomResult, SHORTEST } from './closed-loop.ts'

const SEEDS = Array.from({ length: 20 }, (_, index) => index + 1)
const runs = (options: Omit<LoopOptions, 'seed'>) =>
  SEEDS.map(seed => ({ seed, rooms: closedLoop({ seed, ...options }) }))
const said = (seed: number, room: RoomResult) => `seed ${seed}, ${room.name}, began ${room.start.toFixed(2)} K too warm`

const LENGTHS: Omit<LoopOptions, 'seed'>[] = [10, 60, 120].flatMap(speed => [20, 60, 600].map(run => ({ speed, run })))
/** What a broker and its clients keep for later comes in a burst. */
const KEPT: Omit<LoopOptions, 'seed'> = { speed: 60, run: 60, kept: true }
const AWARE: Omit<LoopOptions, 'seed'> = { speed: 60, run: 60, aware: true }

test.each([...LENGTHS, KEPT, AWARE])(
  'with late messages, outages and deaf units rooms keep to their set points: %o',
  options => {
    for (const { seed, rooms } of runs(options)) {
      expect(rooms).toHaveLength(HOME.rooms.length)
      for (const room of rooms) {
        expect(room.trueShare, `true temperature, ${said(seed, room)}`).toBeGreaterThanOrEqual(0.9)
        expect(room.measuredShare, `as measured, ${said(seed, room)}`).toBeGreaterThanOrEqual(0.9)
        expect(room.shortestOn, `compressor on, ${said(seed, room)}`).toBeGreaterThanOrEqual(SHORTEST.on)
        expect(room.shortestOff, `compressor off, ${said(seed, room)}`).toBeGreaterThanOrEqual(SHORTEST.off)
      }
    }
  },
)

test('in an hour every air conditioner starts and stops, and some room begins almost 3 K too warm', () => {
  const all = runs({ speed: 60, run: 60 }).flatMap(({ rooms }) => rooms)
  for (const room of all) expect(room.cycles, room.name).toBeGreaterThanOrEqual(1)
  expect(Math.max(...all.map(({ start }) => start))).toBeGreaterThan(2.8)
})

test('a deaf air conditioner is noticed while it is deaf, and no alert outlives the trouble', () => {
  for (const { seed, rooms } of runs({ speed: 60, run: 60 })) {
    for (const fault of new World({ seed, rooms: HOME.rooms }).faults) {
      const room = rooms.find(({ name }) => name === fault.room)
      const [from, to] = [fault.from * 3600, fault.to * 3600]
      expect(to - from).toBeGreaterThan(NOTICED_WITHIN)
      const raised = room?.alerts.filter(({ what, at }) => what === 'ac-not-confirmed' && at > from && at <= to)
      expect(raised, `seed ${seed}, ${fault.room}`).toHaveLength(1)
    }
    for (const { name, alerts } of rooms) {
      const kinds = alerts.map(({ what }) => what)
      expect(kinds, `seed ${seed}, ${name}`).toEqual(
        kinds.map((_, index) => (index % 2 ? 'cleared' : 'ac-not-confirmed')),
      )
      expect(kinds.at(-1) ?? 'cleared').toBe('cleared')
    }
  }
})

test('thermostats that know when they have no link are alarmed by deaf units alone', () => {
  for (const { seed, rooms } of runs(AWARE)) {
    const deaf = new World({ seed, rooms: HOME.rooms }).faults.map(({ room }) => room)
    const alarmed = rooms.filter(({ alerts }) => alerts.length > 0).map(({ name }) => name)
    expect(alarmed.sort(), `seed ${seed}`).toEqual(deaf.sort())
  }
})

test.each([10, 60])('without trouble nobody is alarmed: speed %i', speed => {
  for (const { seed, rooms } of runs({ speed, run: 60, trouble: false })) {
    for (const room of rooms) expect(room.alerts, said(seed, room)).toEqual([])
  }
})

test('the loop can fail: with nobody to command, rooms leave the band', () => {
  const world = new World({ seed: 1, rooms: HOME.rooms })
  world.advance(3600)
  for (const { name, setpoint } of HOME.rooms) expect(world.truth(name) - setpoint, name).toBeGreaterThan(0.7)
})
