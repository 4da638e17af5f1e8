// Judges the home by what is received over the wire and the plan's set points; asks neither controllers nor the world.
import { isNumber, type Message, readMessage, type WireMessage } from './message.ts'
import type { RoomReport } from './report.ts'

/** Kelvin on either side of the set point. */
export const BAND = 0.7
/** Part of the judged time that a room must be within the band. */
export const REQUIRED_SHARE = 0.9
/** Seconds a reading counts when no other follows; from then on nobody knows, and that counts as out of band. */
export const READING_COUNTS = 5
/** Command ids kept per room; the oldest are forgotten. */
const KEPT_COMMANDS = 10_000

export interface Received extends WireMessage {
  /** It was stored, and is no news. */
  readonly retained: boolean
  /** Seconds of wall time from the beginning of the run. */
  readonly at: number
}

export interface HeardAlert {
  readonly what: string
  readonly id: number
  readonly at: number
}

/** What was received of one room. */
interface RoomRecord {
  readonly setpoint: number
  readonly commands: Set<number>
  readonly alerts: HeardAlert[]
  start: number | null
  last: { readonly celsius: number; readonly at: number } | null
  settledAt: number | null
  secondsInBand: number
  mode: string | null
  watts: number | null
  cycles: number
  confirmed: number
  kWh: number
  readings: number
  meterings: number
}

export interface RoomNow {
  readonly celsius: number | null
  readonly mode: string | null
  readonly watts: number | null
  /** The last alert was not cleared. */
  readonly alert: boolean
  /** Temperatures received. */
  readonly readings: number
}

export class HomeChecker {
  readonly #rooms: ReadonlyMap<string, RoomRecord>
  readonly #judgedFrom: number
  readonly #sensors = new Map<string, number>()
  #received = 0

  /** `judgedFrom`: seconds from the beginning of the run. */
  constructor(rooms: readonly { readonly name: string; readonly setpoint: number }[], judgedFrom: number) {
    this.#judgedFrom = judgedFrom
    this.#rooms = new Map(rooms.map(({ name, setpoint }) => [name, emptyRoom(setpoint)]))
  }

  /** Messages so far. */
  get received(): number {
    return this.#received
  }

  /** What does not fit is passed over: anybody might have sent it. */
  hear(received: Received): void {
    const { topic, retained, at } = received
    this.#received += 1
    const [home, name = '', what, detail, more] = topic.split('/')
    const room = this.#rooms.get(name)
    const message = readMessage(received)
    if (home !== 'home' || room === undefined || message === null || more !== undefined) return
    if (detail === undefined) {
      if (what === 'temperature' && !retained) this.#measured(room, message.celsius, at)
      if (what === 'alert' && !retained) alerted(room, message, at)
    } else if (what === 'ac') {
      if (detail === 'set' && isNumber(message.id)) commanded(room, message.id)
      if (detail === 'state') stated(room, message)
      if (detail === 'power') powered(room, message)
    } else if (what === 'sensor' && isNumber(message.celsius) && this.#sensors.size < KEPT_COMMANDS) {
      this.#sensors.set(`${name}/${detail}`, (this.#sensors.get(`${name}/${detail}`) ?? 0) + 1)
    }
  }

  #measured(room: RoomRecord, celsius: unknown, at: number): void {
    if (!isNumber(celsius)) return
    room.secondsInBand += this.#inBandUntil(room, at)
    room.last = { celsius, at }
    room.readings += 1
    room.start ??= celsius
    if (inBand(room, celsius)) room.settledAt ??= at
  }

  /** Seconds in band from the last reading to `at`, as far as they are judged. */
  #inBandUntil(room: RoomRecord, at: number): number {
    const { last } = room
    if (last === null || !inBand(room, last.celsius)) return 0
    const from = Math.max(last.at, this.#judgedFrom)
    return Math.max(0, Math.min(at, last.at + READING_COUNTS) - from)
  }

  /** 0 to 1 from the first quarter to `at`; null before there is anything to judge. */
  shareOf(name: string, at: number): number | null {
    const room = this.#rooms.get(name)
    const judged = at - this.#judgedFrom
    if (room === undefined || judged <= 0) return null
    return Math.min(1, (room.secondsInBand + this.#inBandUntil(room, at)) / judged)
  }

  now(name: string): RoomNow {
    const room = this.#rooms.get(name)
    const alert = room?.alerts.at(-1)
    return {
      celsius: room?.last?.celsius ?? null,
      mode: room?.mode ?? null,
      watts: room?.watts ?? null,
      alert: alert !== undefined && alert.what !== 'cleared',
      readings: room?.readings ?? 0,
    }
  }

  isInBand(name: string): boolean {
    const room = this.#rooms.get(name)
    return room?.last != null && inBand(room, room.last.celsius)
  }

  /** Whether a command with this id was received for the room's air conditioner. */
  heardCommand(name: string, id: number): boolean {
    return this.#rooms.get(name)?.commands.has(id) ?? false
  }

  /** Messages in which devices of this type report by themselves: temperatures of a thermostat, else readings of the meter. */
  heardOf(name: string, type: string): number {
    const room = this.#rooms.get(name)
    return (type === 'thermostat' ? room?.readings : room?.meterings) ?? 0
  }

  commands(name: string): { readonly given: number; readonly confirmed: number } {
    const room = this.#rooms.get(name)
    return { given: room?.commands.size ?? 0, confirmed: room?.confirmed ?? 0 }
  }

  alerts(name: string): readonly HeardAlert[] {
    return this.#rooms.get(name)?.alerts ?? []
  }

  /** Messages by `<room>/<sensor>`. */
  get sensors(): ReadonlyMap<string, number> {
    return this.#sensors
  }

  /** `at`: the end of the judged time. */
  report(at: number): RoomReport[] {
    return [...this.#rooms].map(([name, room]) => ({
      name,
      setpoint: room.setpoint,
      start: room.start,
      final: room.last?.celsius ?? null,
      settledAt: room.settledAt === null ? null : rounded(room.settledAt, 2),
      inBandShare: rounded(this.shareOf(name, at) ?? 0, 4),
      acCycles: room.cycles,
      energyKWh: rounded(room.kWh, 4),
    }))
  }
}

const emptyRoom = (setpoint: number): RoomRecord => ({
  setpoint,
  commands: new Set(),
  alerts: [],
  start: null,
  last: null,
  settledAt: null,
  secondsInBand: 0,
  mode: null,
  watts: null,
  cycles: 0,
  confirmed: 0,
  kWh: 0,
  readings: 0,
  meterings: 0,
})

const inBand = ({ setpoint }: RoomRecord, celsius: number): boolean => Math.abs(celsius - setpoint) <= BAND

function commanded({ commands }: RoomRecord, id: number): void {
  commands.add(id)
  const [oldest] = commands
  if (commands.size > KEPT_COMMANDS && oldest !== undefined) commands.delete(oldest)
}

function stated(room: RoomRecord, { mode, id }: Message): void {
  if (mode !== 'cool' && mode !== 'off') return
  if (mode === 'cool' && room.mode !== 'cool') room.cycles += 1
  room.mode = mode
  if (isNumber(id) && room.commands.has(id)) room.confirmed += 1
}

function powered(room: RoomRecord, { watts, kWh }: Message): void {
  room.meterings += 1
  if (isNumber(watts)) room.watts = watts
  if (isNumber(kWh)) room.kWh = kWh
}

function alerted({ alerts }: RoomRecord, { what, id }: Message, at: number): void {
  if (typeof what === 'string' && isNumber(id) && alerts.length < KEPT_COMMANDS) alerts.push({ what, id, at })
}

const rounded = (value: number, digits: number): number => Number(value.toFixed(digits))
