// The broker starts, learns who lives in the house, and somebody listens.

import type { Run } from '../run.ts'
import { INTRUDER, LISTENER, RUN_MANIFESTS } from '../run-manifests.ts'
import { WireListener } from '../wire-listener.ts'

export async function openHouse(run: Run): Promise<void> {
  const { broker, options, checker, timetable } = run
  const { keyLifetime: lifetime } = timetable
  await broker.start()
  const operator = broker.operator()
  const { steps, policy } = await operator.apply([...options.manifests, ...RUN_MANIFESTS])
  run.tell(`the broker serves; ${steps.length} manifests applied, the policy is version ${policy?.version ?? '?'}`)
  const { secret = '' } = await operator.credentials.issue({ owner: LISTENER, kind: 'secret', lifetime })
  run.begin()
  run.listener = await WireListener.open(
    broker.address,
    { clientId: LISTENER, username: LISTENER, password: secret },
    message => {
      const at = run.elapsed
      if (at <= options.seconds) checker.hear({ ...message, at })
    },
  )
  run.tell(`${LISTENER} listens to home/#, to judge by what is on the wire; ${INTRUDER} is up to no good`)
}
