// Attempts over mqtts: to get in, to publish, to subscribe.
import { signToken } from '../devices/signed-token.ts'
import { type Entry, hex, TurnedAway, Visitor, type VisitorMessage } from '../visitor.ts'
import { type IntruderParts, listened, type Outcome } from './attempt.ts'

const DENIED = 0x80

export const ownEntry = ({ own }: IntruderParts): Entry => ({
  clientId: own.id,
  username: own.id,
  password: own.secret,
})

export async function withVisitor(
  { address }: IntruderParts,
  entry: Entry,
  act: (visitor: Visitor) => Promise<Outcome>,
): Promise<Outcome> {
  const visitor = await Visitor.enter(address, entry)
  if (visitor instanceof TurnedAway) throw new Error(`its own key was answered with ${visitor.evidence}`)
  try {
    return await act(visitor)
  } finally {
    await visitor.leave()
  }
}

export async function ownTopic(visitor: Visitor, topic: string): Promise<Outcome> {
  const code = await visitor.publish(topic, '{"on":true}')
  const works = code < DENIED
  return {
    ok: works,
    observed: works ? 'it works' : 'it was refused',
    evidence: `PUBACK ${hex(code)} for ${topic}`,
  }
}

export function publishOutcome(code: number, topic: string): Outcome {
  const ok = code >= DENIED
  return {
    ok,
    observed: ok ? 'refused' : 'the broker took the command',
    evidence: `PUBACK ${hex(code)} for ${topic}`,
  }
}

export async function entering({ address }: IntruderParts, entry: Entry): Promise<Outcome> {
  const visitor = await Visitor.enter(address, entry)
  const name = entry.username === undefined ? entry.clientId : `${entry.clientId} (username ${entry.username})`
  if (visitor instanceof TurnedAway) {
    return { ok: true, observed: 'turned away', evidence: `${visitor.evidence} for ${name}` }
  }
  await visitor.leave()
  return { ok: false, observed: `it was let in as ${name}`, evidence: `CONNACK 0x00 for ${name}` }
}

export async function subscribing(parts: IntruderParts, filters: readonly string[]): Promise<Outcome> {
  let first: VisitorMessage | null = null
  let wake = () => {}
  const onMessage = (message: VisitorMessage) => {
    first ??= message
    wake()
  }
  return withVisitor(parts, { ...ownEntry(parts), onMessage }, async visitor => {
    const codes: string[] = []
    let granted = false
    for (const filter of filters) {
      const code = await visitor.subscribe(filter)
      granted ||= code < DENIED
      codes.push(`SUBACK ${hex(code)} for ${filter}`)
    }
    // Only where it was let in there is something to wait for.
    if (granted && first === null)
      await listened(woken => {
        wake = woken
      })
    const observed = heardText(granted, first)
    return { ok: !granted && first === null, observed, evidence: codes.join(', ') }
  })
}

const heardText = (granted: boolean, message: VisitorMessage | null): string =>
  message === null
    ? granted
      ? 'the broker granted it'
      : 'refused'
    : `it received ${message.topic}: ${JSON.stringify(message.payload.toString('latin1').slice(0, 80))}`

export async function expiredToken(parts: IntruderParts): Promise<Outcome> {
  const { own, address } = parts
  const show = (password: string): Entry => ({ clientId: own.id, username: own.id, password })
  const fresh = await Visitor.enter(address, show(signToken(own.key, Date.now(), 60)))
  if (fresh instanceof TurnedAway) throw new Error(`a fresh token was answered with ${fresh.evidence}`)
  await fresh.leave()
  const outcome = await entering(parts, show(signToken(own.key, Date.now() - 600_000, 60)))
  return {
    ...outcome,
    evidence: `CONNACK 0x00 for a fresh token, ${outcome.evidence} with one that ended 9 minutes ago`,
  }
}
