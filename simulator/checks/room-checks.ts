// What each room must have shown.
import { BAND, type HomeChecker, REQUIRED_SHARE } from '../home-checker.ts'
import type { HomePlan } from '../home-plan.ts'
import type { Check } from '../report.ts'

/** Seconds of the run during which its air conditioner was deaf. */
export interface FaultyRoom {
  readonly room: string
  readonly from: number
  readonly to: number
}

/** Seconds that an alert may take to us. */
const ON_THE_WAY = 1

/** `at`: seconds of the run. */
export function roomChecks(checker: HomeChecker, { rooms }: HomePlan, at: number): Check[] {
  return rooms.flatMap(({ name, setpoint }) => {
    const share = checker.shareOf(name, at) ?? 0
    const { celsius, readings } = checker.now(name)
    const { given, confirmed } = checker.commands(name)
    return [
      {
        name: `room-in-band:${name}`,
        ok: share >= REQUIRED_SHARE,
        expected: `within ${BAND} K of ${setpoint} °C for at least ${REQUIRED_SHARE * 100} % of the time after the first quarter`,
        observed: `${(share * 100).toFixed(1)} %`,
        evidence: `${readings} readings received on home/${name}/temperature, the last one ${celsius ?? 'none'}`,
      },
      {
        name: `ac-obeys:${name}`,
        ok: given > 0 && confirmed > 0,
        expected: 'the thermostat commands the air conditioner, which confirms by the id of the command',
        observed: `${given} commands, ${confirmed} confirmations`,
        evidence: `messages received on home/${name}/ac/set and home/${name}/ac/state`,
      },
    ]
  })
}

/** An alert while its air conditioner was deaf, and later the all-clear. */
export function deafnessChecks(checker: HomeChecker, faults: readonly FaultyRoom[]): Check[] {
  return faults.map(({ room, from, to }) => {
    const alerts = checker.alerts(room)
    const raised = alerts.findIndex(
      ({ what, at }) => what === 'ac-not-confirmed' && at >= from && at <= to + ON_THE_WAY,
    )
    const cleared = alerts.findIndex(({ what }, i) => what === 'cleared' && i > raised)
    return {
      name: `deaf-ac-noticed:${room}`,
      ok: raised >= 0 && cleared > raised,
      expected: `from ${from.toFixed(1)} to ${to.toFixed(1)} s it hears nothing: the thermostat raises an alert, and clears it later`,
      observed:
        alerts.length === 0 ? 'no alert' : alerts.map(({ what, at }) => `${what} at ${at.toFixed(1)} s`).join(', '),
      evidence: `messages received on home/${room}/alert`,
    }
  })
}

export function recoveryCheck(checker: HomeChecker, room: string): Check {
  const { celsius } = checker.now(room)
  return {
    name: `room-recovered:${room}`,
    ok: checker.isInBand(room),
    expected: 'within the band at the end, after its thermostat was cut off and came back',
    observed: celsius === null ? 'no reading' : `${celsius.toFixed(2)} °C`,
    evidence: `the last message received on home/${room}/temperature`,
  }
}

export function sensorsCheck(checker: HomeChecker, { gateway }: HomePlan): Check {
  const counts = gateway.sensors.map(({ id, room }) => ({ id, count: checker.sensors.get(`${room}/${id}`) ?? 0 }))
  return {
    name: 'gateway-speaks-for-its-sensors',
    ok: counts.every(({ count }) => count > 0),
    expected: `readings of ${counts.map(({ id }) => id).join(', ')} through ${gateway.id}`,
    observed: counts.map(({ id, count }) => `${id} ${count}`).join(', '),
    evidence: 'messages received on home/<room>/sensor/<sensor>',
  }
}
