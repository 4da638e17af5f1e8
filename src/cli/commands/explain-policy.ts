import type { ExplainInput, Explanation } from '../../client/client.ts'
import { ACTIONS } from '../../model/decision.ts'
import { printable } from '../../model/printable.ts'
import type { Call, OptionRow, Outcome } from '../command.ts'
import { Misuse } from '../misuse.ts'
import { table } from '../present.ts'
import type { Paint } from '../terminal.ts'
import { ownerOf } from './issue-credential.ts'

const QOS = ['0', '1', '2'] as const

export const EXPLAIN_OPTIONS: readonly OptionRow[] = [
  { flags: '--device <id>', text: 'who asks: a device' },
  { flags: '--client <id>', text: 'who asks: a client' },
  { flags: '--action <action>', text: ACTIONS.join(', ') },
  { flags: '--topic <topic>', text: 'topic, filter, device type, or an area like devices:write' },
  { flags: '--qos <0|1|2>', text: 'quality of service' },
  { flags: '--retain', text: 'a retained message' },
  { flags: '--credential <kind>', text: 'as if it came with this kind of credential' },
  { flags: '--transport <listener>', text: 'as if it came through this listener' },
  { flags: '--address <ip>', text: 'as if it came from this address' },
  { flags: '--scope <scope>', text: 'as if its token had these scopes', repeat: true },
  { flags: '--denial <id>', text: 'instead of all these: a decision of the audit trail' },
]

export async function explain(call: Call): Promise<Outcome> {
  const { options, terminal } = call
  const denial = options.count('denial')
  const { policies } = await call.client()
  const asked = denial === undefined ? question(call) : null
  const explanation = asked ? await policies.explain(asked) : await policies.explainDenial(denial ?? 0)
  return {
    json: explanation,
    text: explanationText(explanation, assumption(explanation, asked), terminal.paintOut),
    next: explanation.permit
      ? []
      : ['change the policy, then `latchkey policy put <files>` or `latchkey apply <folder>`'],
  }
}

function question({ options }: Call): ExplainInput {
  if (ownerOf(options) === undefined) throw new Misuse('name who asks: --device <id> or --client <id>')
  const action = options.choice('action', ACTIONS)
  if (action === undefined) throw new Misuse(`--action is needed: ${ACTIONS.join(', ')}`)
  const qos = options.choice('qos', QOS)
  return {
    device: options.text('device'),
    client: options.text('client'),
    action,
    topic: options.needed('topic', 'the topic, filter, device type or area it is about'),
    // As tests in a policy assume them: a message always has both. A subscription tries every QoS.
    qos: qos === undefined ? (action === 'publish' ? 0 : undefined) : qos === '0' ? 0 : qos === '1' ? 1 : 2,
    retain: options.flag('retain') || (action === 'publish' ? false : undefined),
    credential: options.text('credential'),
    transport: options.text('transport'),
    address: options.text('address'),
    scopes: options.list('scope'),
  }
}

/** The circumstances that the answer rests on: rules with `when` may answer otherwise in others. */
function assumption({ context, denial }: Explanation, asked: ExplainInput | null): string {
  const { credential, transport, address } = context
  const parts = [`${credential ?? 'no credential'} over ${transport} from ${address}`]
  if (asked?.qos !== undefined) parts.push(`QoS ${asked.qos}`)
  if (asked?.retain !== undefined) parts.push(asked.retain ? 'retained' : 'not retained')
  const differs = denial !== null && !denial.agrees ? '; it was answered otherwise then' : ''
  return `assumed: ${parts.map(part => printable(part)).join(', ')}${differs}`
}

function explanationText(found: Explanation, assumed: string, paint: Paint): string {
  const considered = table(
    found.considered,
    [
      { title: 'effect', value: each => each.effect },
      { title: 'rule', value: each => each.rule.id },
      { title: 'role', value: each => each.rule.role },
      {
        title: 'outcome',
        value: each => (each.condition === null ? each.outcome : `${each.outcome}: ${each.condition}`),
      },
      { title: 'patterns', value: each => each.patterns },
      { title: 'place', value: each => `${each.rule.file}:${each.rule.line}` },
    ],
    paint,
    'no rule of its roles is about this',
  )
  const unknown =
    found.unknownRoles.length === 0 ? [] : [`roles that no policy defines: ${found.unknownRoles.join(', ')}`]
  return [
    paint(found.permit ? 'green' : 'red', printable(found.summary, 2000)),
    `roles: ${found.roles.map(role => printable(role)).join(', ') || '-'}`,
    ...unknown,
    assumed,
    considered,
  ].join('\n')
}
