// The broker is killed in the middle of everything and started again: what it acknowledged, it must still know.
import { AbsentReader } from '../absent-reader.ts'
import { eventually } from '../bounded.ts'
import { queuedCheck, retainedCheck } from '../checks/restart-checks.ts'
import type { Acknowledged } from '../devices/home-device.ts'
import type { WireMessage } from '../message.ts'
import type { Run } from '../run.ts'
import { LISTENER } from '../run-manifests.ts'
import { TurnedAway, Visitor } from '../visitor.ts'

/** Seconds that the reader is away at least before the kill, also in a run that is late. */
const ABSENT = 2
/** Milliseconds until everybody is connected again. */
const BACK_WITHIN = 15_000
/** Milliseconds in which what is retained and queued arrives. */
const ARRIVES_WITHIN = 5_000

export async function restart(run: Run): Promise<void> {
  const { broker, home, timetable } = run
  const { secret = '' } = await broker
    .operator()
    .credentials.issue({ owner: LISTENER, kind: 'secret', lifetime: timetable.keyLifetime })
  const reader = new AbsentReader(broker.address, {
    clientId: `${LISTENER}/reader`,
    username: LISTENER,
    password: secret,
  })
  try {
    await reader.leave()
    run.tell('a reader with a persistent session goes away')
    await run.until(Math.max(timetable.killAt, run.elapsed + ABSENT))

    await broker.kill()
    const killedAt = performance.now()
    run.tell('the broker is killed (SIGKILL)')
    // Nobody is told anything any more: what is acknowledged by now is what must have survived.
    const acknowledged = run.home.inhabitants.flatMap(one => [...one.acknowledged])
    await broker.start()
    const downFor = performance.now() - killedAt
    run.tell(`it serves again after ${(downFor / 1000).toFixed(1)} s`)

    const [found] = await Promise.all([retained(run, secret, acknowledged), reader.comeBack()])
    run.add(retainedCheck(acknowledged, found))
    const missed = missedBy(reader, acknowledged, killedAt)
    await eventually(() => queuedCheck(missed, reader.received).ok, ARRIVES_WITHIN, run.sleep)
    run.add(queuedCheck(missed, reader.received))

    await eventually(() => home.away.length === 0, BACK_WITHIN, run.sleep)
    const { away } = home
    run.add({
      name: 'broker-restarts',
      ok: away.length === 0,
      expected: 'killed with SIGKILL and started again on the same data, it has everybody back',
      observed: away.length === 0 ? `all ${home.inhabitants.length} connected again` : `still away: ${away.join(', ')}`,
      evidence: `the ready line of its second start after ${Math.round(downFor)} ms, and a login each`,
    })
  } finally {
    await reader.close()
  }
}

/** Of the topics that the reader subscribed to. Those of which the acknowledgement came after the kill do not count. */
const missedBy = ({ leftAt }: AbsentReader, acknowledged: readonly Acknowledged[], killedAt: number): Acknowledged[] =>
  acknowledged.filter(
    ({ topic, at }) =>
      leftAt !== null && at > leftAt && at <= killedAt && /^home\/[^/]+\/(temperature|alert|ac\/[^/]+)$/.test(topic),
  )

/** What a newcomer is given, until nothing is missing or time is up. */
async function retained(run: Run, password: string, acknowledged: readonly Acknowledged[]): Promise<WireMessage[]> {
  const found: WireMessage[] = []
  const visitor = await Visitor.enter(run.broker.address, {
    clientId: `${LISTENER}/newcomer`,
    username: LISTENER,
    password,
    onMessage: message => {
      if (message.retained) found.push(message)
    },
  })
  if (visitor instanceof TurnedAway) throw new Error(`the newcomer was answered with ${visitor.evidence}`)
  try {
    await visitor.subscribe('home/#')
    await eventually(() => retainedCheck(acknowledged, found).ok, ARRIVES_WITHIN, run.sleep)
    return found
  } finally {
    await visitor.leave()
  }
}
