import type { ApplyPlan, PlanStep } from '../../client/client.ts'
import { type Call, type CommandRow, DRY_RUN, type Outcome } from '../command.ts'
import { readYaml } from '../input-files.ts'
import { cellOf, counted } from '../present.ts'
import type { Paint } from '../terminal.ts'
import { outcomeLines } from './policy-lines.ts'

export const apply: CommandRow = {
  name: 'apply <paths...>',
  summary: 'Make devices, types, clients and policies as these files describe them; all or nothing',
  reach: 'operator',
  options: [DRY_RUN],
  examples: [
    ['latchkey apply devices/ --dry-run', 'shows the plan only'],
    ['latchkey apply devices/', 'shows the plan and applies it; a second time there is nothing to do'],
  ],
  run,
}

async function run(call: Call): Promise<Outcome> {
  const { terminal, words, json } = call
  const files = await readYaml(words)
  const client = await call.client()
  const plan = await client.apply(files, { dryRun: true })
  const dryRun = call.options.flag('dry-run')
  if (dryRun || isDone(plan)) {
    const result = isDone(plan) ? 'nothing to do: all is as described' : summaryOf(plan, 'would be')
    return { json: plan, text: [...planLines(plan, terminal.paintOut), result].join('\n') }
  }
  // The plan stands there before anything changes.
  if (!json) for (const line of planLines(plan, terminal.paintOut)) terminal.out(line)
  const applied = await client.apply(files)
  return { json: applied, text: summaryOf(applied, 'are'), next: ['latchkey device list', 'latchkey policy versions'] }
}

const changing = ({ steps }: ApplyPlan): PlanStep[] => steps.filter(({ action }) => action !== 'unchanged')

const isDone = (plan: ApplyPlan): boolean => changing(plan).length === 0 && plan.policy?.changed !== true

function summaryOf(plan: ApplyPlan, verb: string): string {
  const steps = changing(plan)
  const created = steps.filter(({ action }) => action === 'create').length
  const parts = [
    `${created} created`,
    `${steps.length - created} updated`,
    `${plan.steps.length - steps.length} unchanged`,
  ]
  const policy = plan.policy?.changed
    ? `; the policy ${verb === 'are' ? 'is' : verb} version ${plan.policy.version}`
    : ''
  return `${counted(plan.steps.length, 'manifest')}: ${parts.join(', ')}${policy}`
}

function planLines(plan: ApplyPlan, paint: Paint): string[] {
  const steps = changing(plan).flatMap(({ action, kind, id, fields }) => [
    `${action === 'create' ? paint('green', '+') : paint('yellow', '~')} ${kind} ${cellOf(id)}`,
    ...fields.map(({ name, before, after }) =>
      action === 'create' ? `    ${name}: ${cellOf(after)}` : `    ${name}: ${cellOf(before)} -> ${cellOf(after)}`,
    ),
  ])
  if (!plan.policy) return steps
  const change = plan.policy.changed ? [`${paint('yellow', '~')} policy version ${plan.policy.version}`] : []
  return [...steps, ...change, ...outcomeLines(plan.policy, paint)]
}
