import { resolve } from 'node:path'
import { LISTENER_NAMES } from '../../config.ts'
import type { CommandRow } from '../command.ts'
import { CONFIG, configurationOf } from '../configuration.ts'

export const init: CommandRow = {
  name: 'init',
  summary: 'Make a data directory: keys, certificate authority and server certificate; opens no port',
  reach: 'data',
  options: [CONFIG],
  examples: [
    ['latchkey init', 'makes ./data; `latchkey serve` does the same when it finds none'],
    ['latchkey init --data /var/lib/latchkey', 'somewhere else'],
  ],
  async run({ options, terminal }) {
    const configuration = await configurationOf(options, terminal)
    const off = Object.fromEntries(LISTENER_NAMES.map(name => [name, false as const]))
    const { createLatchkey } = await import('../../broker.ts')
    const latchkey = await createLatchkey({ ...configuration, listeners: off, log: { level: 'warn' } })
    await latchkey.close()
    const data = resolve(configuration.data)
    return {
      json: { data },
      text: `${data} is ready: the vault key lies in it as vault.key; keep a copy of that apart from backups`,
      next: [`latchkey serve --data ${configuration.data}`],
    }
  },
}
