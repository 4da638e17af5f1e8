// The intruder has its tries; so have the gateway and the energy service with what is not theirs.
import { generateKeyPairSync } from 'node:crypto'
import { ApiError, LatchkeyClient } from '../../src/client/client.ts'
import { within } from '../bounded.ts'
import { type Attempt, COMMANDS, type IntruderParts, type Outcome } from '../intruder/attempt.ts'
import { attemptsOf } from '../intruder/attempts.ts'
import type { Run } from '../run.ts'
import { INTRUDER } from '../run-manifests.ts'
import { hex, TurnedAway, Visitor } from '../visitor.ts'

/** Milliseconds for one attempt. */
const ATTEMPT = 12_000

export async function intrude(run: Run): Promise<void> {
  const parts = await bringIntruder(run)
  run.intruder = parts
  const attempts = [...attemptsOf(parts), await gatewayAttempt(run), await energyAttempt(run)]
  // One after the other: they share a client id, and each connection would end the one before.
  for (const attempt of attempts) await tryOut(run, attempt)
  run.tell(`the intruder made ${attempts.length} attempts`)
}

/** An attempt of which nobody knows how it ended has failed as a check. */
export async function tryOut(run: Run, attempt: Attempt): Promise<void> {
  const outcome = await within(attempt.name, ATTEMPT, run.signal, attempt.make()).catch(
    (error: unknown): Outcome => ({
      ok: false,
      observed: `it came to no end: ${error instanceof Error ? error.message : String(error)}`,
      evidence: 'none',
    }),
  )
  run.attempts.push({ attempt, outcome })
  if (!outcome.ok) run.tell(`${attempt.name}: ${outcome.observed} (${outcome.evidence})`)
}

/** Its own credentials are real ones. */
async function bringIntruder({ broker, options, timetable }: Run): Promise<IntruderParts> {
  const { keyLifetime: lifetime } = timetable
  const operator = broker.operator()
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const jwk = { ...pair.publicKey.export({ format: 'jwk' }) }
  const { secret = '' } = await operator.credentials.issue({ owner: INTRUDER, kind: 'secret', lifetime })
  const { credential } = await operator.credentials.issue({ owner: INTRUDER, kind: 'jwt-key', jwk, lifetime })
  const privateKey = pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const kid = credential.kind === 'jwt-key' ? credential.kid : ''
  const [room] = options.plan.rooms
  if (!room) throw new RangeError('the plan has no room')
  return {
    address: broker.address,
    own: { id: INTRUDER, secret, key: { device: INTRUDER, kid, privateKey } },
    victim: { room: room.name, thermostat: room.thermostat.id, airConditioner: room.airConditioner.id },
  }
}

/** The gateway, on a second connection of its own, for a device that is not behind it. */
async function gatewayAttempt({ broker, options, timetable }: Run): Promise<Attempt> {
  const { keyLifetime: lifetime } = timetable
  const { gateway, rooms } = options.plan
  const { secret = '' } = await broker.operator().credentials.issue({ owner: gateway.id, kind: 'secret', lifetime })
  const [room] = rooms
  const topic = `home/${room?.name}/sensor/${room?.airConditioner.id}`
  return {
    name: 'gateway-speaks-for-nobody-else',
    expected: `PUBACK 0x87 for ${topic}`,
    async make() {
      const entry = { clientId: `${gateway.id}/2`, username: gateway.id, password: secret }
      const visitor = await Visitor.enter(broker.address, entry)
      if (visitor instanceof TurnedAway) throw new Error(`the gateway was answered with ${visitor.evidence}`)
      try {
        const code = await visitor.publish(topic, '{"celsius":20}')
        const ok = code >= 0x80
        const observed = ok ? 'refused' : 'the broker took it'
        return { ok, observed, evidence: `PUBACK ${hex(code)} for ${topic}` }
      } finally {
        await visitor.leave()
      }
    },
  }
}

/** The energy service, with a token of its own, over HTTP: its MQTT connection stays. */
async function energyAttempt({ broker, options, timetable }: Run): Promise<Attempt> {
  const { keyLifetime: lifetime } = timetable
  const { id } = options.plan.energy
  const [room] = options.plan.rooms
  const name = room?.name ?? ''
  const topic = `home/${name}/ac/set`
  const operator = broker.operator()
  const { secret = '' } = await operator.credentials.issue({ owner: id, kind: 'secret', audience: 'token', lifetime })
  return {
    name: 'energy-can-not-command',
    expected: `403 for POST /v1/messages on ${topic} with its access token`,
    async make() {
      const { access_token: token } = await operator.tokens.request({ clientId: id, clientSecret: secret })
      const { httpsUrl: url, ca } = broker.address
      const itself = new LatchkeyClient({ url, ca, token, timeout: 5_000 })
      try {
        await itself.messages.publish({ topic, payload: JSON.stringify({ mode: 'off', id: COMMANDS.energy }), qos: 1 })
      } catch (error) {
        if (!(error instanceof ApiError) || error.status !== 403) throw error
        return { ok: true, observed: 'refused', evidence: `403 ${error.code} for POST /v1/messages on ${topic}` }
      }
      return {
        ok: false,
        observed: 'the broker took the command',
        evidence: `204 for POST /v1/messages on ${topic}`,
        command: { room: name, id: COMMANDS.energy },
      }
    },
  }
}
