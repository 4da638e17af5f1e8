// One line per audit event, for people.
import type { AuditRecord } from '../../client/client.ts'
import { printable } from '../../model/printable.ts'
import { cellOf } from '../present.ts'
import type { Paint } from '../terminal.ts'

type Event = AuditRecord['event']

export function eventLine(event: Event, paint: Paint): string {
  const word = (name: string) => cellOf(event[name])
  switch (event.type) {
    case 'authentication': {
      const who = event.principal === null ? 'somebody' : word('principal')
      const from = `from ${word('address')} by ${word('transport')}`
      if (event.result === 'accepted')
        return `${paint('green', 'accepted')} ${who} ${from} with ${word('credentialKind')}`
      return `${paint('red', 'refused')} ${who} ${from}: ${word('failure')}`
    }
    case 'session-start':
      return `connected ${word('principal')} as ${word('clientId')} by ${word('transport')} from ${word('address')}`
    case 'session-end':
      return `disconnected ${word('principal')} as ${word('clientId')}${event.failure === null ? '' : `: ${word('failure')}`}`
    case 'decision': {
      const verb = event.permit === true ? paint('green', 'permitted') : paint('red', 'denied')
      const by = event.rule === null ? word('reason') : `rule ${word('rule')} (${word('file')}:${word('line')})`
      return `${verb} ${word('principal')} ${word('action')} ${word('target')} x${word('count')}: ${by}`
    }
    case 'change':
      return `${word('what')} ${word('target')} by ${actor(event)} ${rest(event.detail)}`.trimEnd()
    case 'administration':
      return `${word('what')} ${word('target')} by ${actor(event)}: ${word('result')}`
    default:
      return `${printable(event.type)} ${rest(Object.fromEntries(Object.entries(event).filter(([name]) => name !== 'type')))}`
  }
}

function actor({ actor: by }: Event): string {
  return typeof by === 'object' && by !== null && 'id' in by ? cellOf(by.id) : '-'
}

const rest = (detail: unknown): string => {
  const text = cellOf(detail)
  return text === '-' ? '' : `(${text})`
}
