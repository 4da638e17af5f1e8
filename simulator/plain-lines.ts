// The run as plain lines, for logs and pipes.
import type { DemoState, RoomView } from './demo-state.ts'
import { visible } from './live-view.ts'
import { failedChecks, type Report } from './report.ts'

/** `[  12.3 s] kitchen: ...` */
export const plainLine = (seconds: number, text: string): string =>
  `[${seconds.toFixed(1).padStart(6)} s] ${visible(text)}`

/** `kitchen 24.13 of 24 off, study 23.41 of 23 cools 540 W` */
export const roomsLine = ({ rooms }: Pick<DemoState, 'rooms'>): string => rooms.map(roomText).join(', ')

function roomText({ name, celsius, setpoint, mode, watts }: RoomView): string {
  const machine = mode === 'cool' ? ` cools ${Math.round(watts ?? 0)} W` : mode === null ? '' : ` ${mode}`
  return `${name} ${celsius === null ? '?' : celsius.toFixed(2)} of ${setpoint} °C${machine}`
}

/** What is left to say when the run is over. */
export function summaryLines(report: Report): string[] {
  const failed = failedChecks(report)
  const rooms = report.rooms.map(
    ({ name, final, setpoint, inBandShare, acCycles, energyKWh }) =>
      `  ${name.padEnd(12)} ${final === null ? '?' : final.toFixed(2)} of ${setpoint.toFixed(1)} °C, in band ${(inBandShare * 100).toFixed(1)} %, cooled ${acCycles} times, ${energyKWh.toFixed(3)} kWh`,
  )
  return [
    ...rooms.map(visible),
    failed.length === 0
      ? `All ${report.checks.length} checks passed.`
      : `${failed.length} of ${report.checks.length} checks failed:`,
    ...failed.map(({ name, expected, observed }) => visible(`  ${name}: expected ${expected}; observed ${observed}`)),
  ]
}
