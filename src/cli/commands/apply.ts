import type { ApplyPlan, PlanStep } from '../../client/client.ts'
import { type Call, type CommandRow, DRY_RUN, type Outcome } from '../command.ts'
import { readYaml } from '../input-files.ts'
import { cellOf, counted, NOTHING } from '../present.ts'
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
  if (isDone(plan)) return { json: plan, text: 'nothing to do: all is as described' }
  if (call.options.flag('dry-run')) {
    const text = [...planLines(plan, terminal.paintOut), summaryOf(plan, 'would be')].join('\n')
    return { json: plan, text, next: [`latchkey apply ${words.join(' ')}`] }
  }
  // The plan stands there before anything changes.
  if (!json) for (const line of planLines(plan, terminal.paintOut)) terminal.out(line)
  const applied = await client.apply(files)
  return { json: applied, text: summaryOf(applied, 'are'), next: ['latchkey device list', 'latchkey policy versions'] }
}

const changing = (steps: readonly PlanStep[]): PlanStep[] => steps.filter(({ action }) => action !== 'unchanged')

const isDone = ({ steps, policy }: ApplyPlan): boolean => changing(steps).length === 0 && policy?.changed !== true

function summaryOf({ steps, policy }: ApplyPlan, verb: 'are' | 'would be'): string {
  const manifests = steps.filter(({ kind }) => kind !== 'policy')
  const changed = changing(manifests)
  const created = changed.filter(({ action }) => action === 'create').length
  const [updated, unchanged] = [changed.length - created, manifests.length - changed.length]
  const counts = `${counted(manifests.length, 'manifest')}: ${created} created, ${updated} updated, ${unchanged} unchanged`
  if (!policy?.changed) return counts
  return `${counts}; the policy ${verb === 'are' ? 'is' : verb} version ${policy.version}`
}

function planLines({ steps, policy }: ApplyPlan, paint: Paint): string[] {
  const lines = changing(steps).flatMap(({ action, kind, id, fields }) => [
    `${action === 'create' ? paint('green', '+') : paint('yellow', '~')} ${kind} ${cellOf(id)}`,
    ...fields.flatMap(({ name, before, after }) => {
      if (action !== 'create') return [`    ${name}: ${cellOf(before)} -> ${cellOf(after)}`]
      return cellOf(after) === NOTHING ? [] : [`    ${name}: ${cellOf(after)}`]
    }),
  ])
  return policy ? [...lines, ...outcomeLines(policy, paint)] : lines
}
