import type { Configuration } from '../config.ts'
import type { OptionRow } from './command.ts'
import type { Options } from './options.ts'
import type { Terminal } from './terminal.ts'

export const CONFIG: OptionRow = {
  flags: '--config <file>',
  text: 'configuration, YAML (LATCHKEY_CONFIG; none is needed)',
}

/** File, then --data or LATCHKEY_DATA over it. Throws `invalid-configuration` with the place. */
export async function configurationOf(
  options: Options,
  { environment }: Pick<Terminal, 'environment'>,
): Promise<Configuration> {
  // Late: it knows the bounds of every room, and most commands need none of them.
  const { parseConfiguration, readConfigurationFile } = await import('../config.ts')
  const file = options.text('config') ?? environment.LATCHKEY_CONFIG
  const configuration = file === undefined ? parseConfiguration() : await readConfigurationFile(file)
  const data = options.text('data') ?? environment.LATCHKEY_DATA
  return data === undefined ? configuration : { ...configuration, data }
}
