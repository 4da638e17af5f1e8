import { expect, test } from 'vitest'
import { eventLine } from '../../../src/cli/commands/audit-lines.ts'

const paint = (_: string, text: string) => text
const seen = { transport: 'mqtts', address: '192.0.2.7', clientId: 't1', principal: 't1', credential: 'c1' }
const decided = {
  principal: 't1',
  action: 'publish',
  target: 'home/lock',
  file: 'p.yaml',
  line: 7,
  count: 3,
  minute: 1,
}
const actor = { kind: 'operator', id: 'anna' }

test.each([
  [
    { type: 'authentication', result: 'accepted', failure: null, credentialKind: 'x509', ...seen },
    'accepted t1 from 192.0.2.7 by mqtts with x509',
  ],
  [
    {
      type: 'authentication',
      result: 'refused',
      failure: 'bad-secret',
      credentialKind: null,
      ...seen,
      principal: null,
    },
    'refused somebody from 192.0.2.7 by mqtts: bad-secret',
  ],
  [{ type: 'session-start', failure: null, session: 's', ...seen }, 'connected t1 as t1 by mqtts from 192.0.2.7'],
  [{ type: 'session-end', failure: null, session: 's', ...seen }, 'disconnected t1 as t1'],
  [{ type: 'session-end', failure: 'superseded', session: 's', ...seen }, 'disconnected t1 as t1: superseded'],
  [
    { type: 'decision', permit: false, rule: 'no-lock', reason: 'rule', ...decided },
    'denied t1 publish home/lock x3: rule no-lock (p.yaml:7)',
  ],
  [
    { type: 'decision', permit: false, rule: null, reason: 'no-rule', ...decided },
    'denied t1 publish home/lock x3: no-rule',
  ],
  [
    { type: 'change', what: 'device.created', target: 't1', actor, detail: { type: 'kettle' } },
    'device.created t1 by anna (type=kettle)',
  ],
  [{ type: 'change', what: 'device.removed', target: 't1', actor, detail: {} }, 'device.removed t1 by anna'],
  [
    { type: 'administration', what: 'GET', target: 'x', actor, result: 'policy-denied' },
    'GET x by anna: policy-denied',
  ],
  [{ type: 'omitted', of: 'authentication', minute: 1, count: 9 }, 'omitted (of=authentication minute=1 count=9)'],
  [
    { type: 'decision', permit: false, rule: null, reason: 'no-rule', ...decided, target: '\u001b[2J' },
    'denied t1 publish \\u001b[2J x3: no-rule',
  ],
])('%j', (event, line) => {
  expect(eventLine(event, paint)).toBe(line)
})
