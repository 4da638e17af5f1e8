// What the broker refused lately, as its audit trail tells.
import type { AuditRecord, LatchkeyClient } from '../src/client/client.ts'
import type { DenialView } from './demo-state.ts'

/** Records of each kind that are looked through. */
const NEWEST = 50

/** Newest first: what the policy denied, and who was not let in. */
export async function denialsOf(operator: LatchkeyClient): Promise<(DenialView & { readonly id: number })[]> {
  const ask = (type: string) => operator.audit.list({ type, reverse: true, limit: NEWEST })
  const [decisions, authentications] = await Promise.all([ask('decision'), ask('authentication')])
  return [
    ...decisions.items.filter(({ event }) => event.permit === false).map(deniedView),
    ...authentications.items.filter(({ event }) => event.result === 'refused').map(refusedView),
  ].sort((one, other) => other.id - one.id)
}

const deniedView = ({ id, event }: AuditRecord) => ({
  id,
  principal: textOf(event.principal),
  action: textOf(event.action),
  target: textOf(event.target),
  because: event.rule === null ? 'no rule permits it' : `rule ${textOf(event.rule)}${placeOf(event)}`,
})

const refusedView = ({ id, event }: AuditRecord) => ({
  id,
  principal: textOf(event.clientId ?? event.principal ?? 'somebody'),
  action: 'connect',
  target: textOf(event.transport),
  because: textOf(event.failure),
})

const placeOf = ({ file, line }: AuditRecord['event']): string =>
  typeof file === 'string' ? ` (${file}:${String(line)})` : ''

const textOf = (value: unknown): string => (typeof value === 'string' ? value : String(value ?? ''))
