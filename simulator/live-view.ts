// The run on a terminal: some lines that are drawn over, a few times a second.
import type { DemoState, DenialView, InhabitantView, PhaseState, RoomView } from './demo-state.ts'
import { BAND, REQUIRED_SHARE } from './home-checker.ts'
import { type Check, failedChecks } from './report.ts'

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow'
export type Paint = (style: Style, text: string) => string

const SHOWN_DENIALS = 5
const SHOWN_NEWS = 5
const SHOWN_FAILURES = 8
const NARROWEST = 40
/** Of the columns of rooms. */
const WIDTHS = [13, 13, 8, 9, 19, 19, 19] as const

const columns = (titles: readonly string[]): string => titles.map((title, i) => cell(title, WIDTHS[i] ?? 0)).join('')

/** A piece of a line: its text, and how it looks. */
type Piece = readonly [text: string, style?: Style | undefined]

/** The lines of one picture, each at most `width` characters wide. */
export function render(state: DemoState, width: number, paint: Paint): string[] {
  const lines: Piece[][] = [
    heading(state),
    progress(state, Math.max(NARROWEST, width)),
    phases(state),
    // Above the rest, so that it is seen on a small screen too.
    ...(state.checks === null ? [] : [[], ...verdict(state.checks)]),
    [],
    [[columns(['ROOM', 'MEASURED', 'WANTED', 'IN BAND', 'COOLING', 'THERMOSTAT', 'AIR CONDITIONER']), 'dim']],
    ...state.rooms.map(roomLine),
    othersLine(state.others),
    [],
    ...section('Refused', state.denials.slice(0, SHOWN_DENIALS).map(denialLine), 'nobody yet'),
    [],
    ...news(state),
  ]
  return lines.map(line => fitted(line, width, paint))
}

function heading({ elapsed, seconds, speed, seed, outdoor }: DemoState): Piece[] {
  const clock = simulatedTime(elapsed * speed)
  return [
    ['Latchkey: a home comes alive', 'bold'],
    [`   ${Math.floor(elapsed)} of ${seconds} s at ${speed}x   ${clock} later   outdoors ${outdoor.toFixed(1)} °C`],
    [`   seed ${seed}`, 'dim'],
  ]
}

/** `1:05 h` */
const simulatedTime = (seconds: number): string =>
  `${Math.floor(seconds / 3600)}:${String(Math.floor((seconds % 3600) / 60)).padStart(2, '0')} h`

function progress({ elapsed, seconds }: DemoState, width: number): Piece[] {
  const room = width - 2
  const full = Math.round(Math.min(1, elapsed / seconds) * room)
  return [
    ['━'.repeat(full), 'green'],
    ['─'.repeat(room - full), 'dim'],
  ]
}

const MARKS: Readonly<Record<PhaseState, Piece>> = {
  waiting: ['·', 'dim'],
  running: ['▸', 'yellow'],
  done: ['✓', 'green'],
  failed: ['✗', 'red'],
}

const phases = ({ phases }: DemoState): Piece[] =>
  phases.flatMap(({ name, state }): Piece[] => [MARKS[state], [` ${name}  `, state === 'waiting' ? 'dim' : undefined]])

function roomLine({ name, celsius, setpoint, inBandShare, mode, watts, alert, ...who }: RoomView): Piece[] {
  const off = celsius === null ? null : celsius - setpoint
  const share = inBandShare === null ? '' : `${Math.floor(inBandShare * 100)} %`
  const machine = mode === null ? '' : mode === 'cool' ? `cools ${Math.round(watts ?? 0)} W` : 'off'
  return [
    [cell(name, WIDTHS[0]), 'bold'],
    [
      cell(celsius === null ? '' : `${celsius.toFixed(2)} °C ${arrow(off ?? 0)}`, WIDTHS[1]),
      off === null ? undefined : Math.abs(off) <= BAND ? 'green' : 'red',
    ],
    [cell(setpoint.toFixed(1), WIDTHS[2])],
    [cell(share, WIDTHS[3]), (inBandShare ?? 1) >= REQUIRED_SHARE ? 'green' : 'yellow'],
    [cell(alert ? `DEAF? ${machine}` : machine, WIDTHS[4]), alert ? 'red' : mode === 'cool' ? 'yellow' : undefined],
    ...link(who.thermostat, WIDTHS[5]),
    ...link(who.airConditioner, WIDTHS[6]),
  ]
}

const arrow = (off: number): string => (off > BAND ? '▲' : off < -BAND ? '▼' : ' ')

const LINKS: Readonly<Record<InhabitantView['link'], Piece>> = {
  new: ['○ ', 'dim'],
  up: ['● ', 'green'],
  down: ['✗ ', 'red'],
}

const link = ({ link, protocol, credential, renewals }: InhabitantView, width: number): Piece[] => [
  LINKS[link],
  [cell(`${protocol} ${credential}${renewals === 0 ? '' : ` ↻${renewals}`}`, width - 2)],
]

const othersLine = (others: readonly InhabitantView[]): Piece[] =>
  others.flatMap((one): Piece[] => [
    LINKS[one.link],
    [`${one.id} ${one.protocol} ${one.credential}${one.renewals === 0 ? '' : ` ↻${one.renewals}`}   `],
  ])

const denialLine = ({ principal, action, target, because }: DenialView): Piece[] => [
  ['  ✗ ', 'red'],
  [`${cell(narrow(principal), 22)}${cell(action, 11)}${cell(narrow(target), 32)}`],
  [because, 'dim'],
]

const news = ({ news }: DemoState): Piece[][] =>
  section(
    'What happened',
    news.slice(-SHOWN_NEWS).map((line): Piece[] => [[`  ${line}`]]),
    'nothing yet',
  )

function verdict(checks: readonly Check[]): Piece[][] {
  const failed = failedChecks({ checks })
  if (failed.length === 0) return [[[`All ${checks.length} checks passed.`, 'green']]]
  return [
    [[`${failed.length} of ${checks.length} checks failed:`, 'red']],
    ...failed.slice(0, SHOWN_FAILURES).map(({ name, observed }): Piece[] => [[`  ✗ ${name}: `, 'red'], [observed]]),
    ...(failed.length > SHOWN_FAILURES ? [[[`  and ${failed.length - SHOWN_FAILURES} more`] as const]] : []),
  ]
}

const section = (title: string, lines: readonly Piece[][], empty: string): Piece[][] => [
  [[title, 'bold']],
  ...(lines.length === 0 ? [[[`  ${empty}`, 'dim'] as const]] : lines),
]

/** Without what may be two columns wide: a stranger chose it, and lines must not wrap. */
const narrow = (text: string): string => text.replace(/[^\u0000-\u02ff]/g, '?')

/** Cut or filled up to exactly this many characters, the last one a blank. */
function cell(text: string, width: number): string {
  const safe = visible(text)
  return safe.length >= width ? `${safe.slice(0, width - 2)}… ` : safe.padEnd(width)
}

/** A line that never wraps, whatever it is made of. */
function fitted(line: readonly Piece[], width: number, paint: Paint): string {
  let left = width
  const shown: string[] = []
  for (const [text, style] of line) {
    const safe = visible(text).slice(0, left)
    left -= safe.length
    if (safe === '') continue
    shown.push(style === undefined ? safe : paint(style, safe))
  }
  return shown.join('')
}

/** Names and topics come over the wire: what would move the cursor or turn the text around becomes a question mark. */
export const visible = (text: string): string =>
  text.replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g, '?')

/** Draws each picture over the one before. */
export class Redraw {
  readonly #write: (text: string) => void
  #drawn = 0

  constructor(write: (text: string) => void) {
    this.#write = write
  }

  /** What does not fit on the screen is cut off below, or the lines above could not be reached any more. */
  show(lines: readonly string[], rows: number): void {
    const shown = lines.slice(0, Math.max(1, rows - 1))
    const up = this.#drawn === 0 ? '' : `\u001b[${this.#drawn}A`
    // One write, and each line erases its own rest: nothing flickers.
    this.#write(`${up}${shown.map(line => `\r${line}\u001b[K\n`).join('')}\u001b[J`)
    this.#drawn = shown.length
  }

  /** A line that stays, above the picture; the next picture comes below it. */
  above(line: string): void {
    const up = this.#drawn === 0 ? '' : `\u001b[${this.#drawn}A`
    this.#write(`${up}\r${visible(line)}\u001b[K\n\u001b[J`)
    this.#drawn = 0
  }
}
