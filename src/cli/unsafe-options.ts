// What tests switch off or break, so that each check is seen to fail. Hidden from help, and no configuration file can say it.
import type { LatchkeyOptions } from '../broker.ts'
import type { OptionRow } from './command.ts'
import { Misuse } from './misuse.ts'
import type { Options } from './options.ts'

export const UNSAFE: readonly OptionRow[] = [
  { flags: '--unsafe-no-policy', text: 'tests only: everything is permitted', hidden: true },
  { flags: '--unsafe-no-authentication', text: 'tests only: whatever is claimed is believed', hidden: true },
  { flags: '--unsafe-kill-at-write <moment:number>', text: 'tests only: SIGKILL around this write', hidden: true },
]

export function unsafeOptions(options: Options): Pick<LatchkeyOptions, 'unsafeForTests'> {
  const [policy, authentication] = [options.flag('unsafe-no-policy'), options.flag('unsafe-no-authentication')]
  const kill = options.text('unsafe-kill-at-write')
  if (!policy && !authentication && kill === undefined) return {}
  return { unsafeForTests: { policy, authentication, ...(kill !== undefined && { killAtWrite: momentOf(kill) }) } }
}

function momentOf(text: string): { moment: 'before' | 'after'; number: number } {
  const [, moment, number] = /^(before|after):([1-9][0-9]{0,8})$/.exec(text) ?? []
  if (moment === undefined) throw new Misuse('--unsafe-kill-at-write takes before:<number> or after:<number>')
  return { moment: moment === 'before' ? 'before' : 'after', number: Number(number) }
}
