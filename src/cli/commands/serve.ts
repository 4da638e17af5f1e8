import type { Listeners } from '../../broker.ts'
import type { Call, CommandRow } from '../command.ts'
import { CONFIG, configurationOf } from '../configuration.ts'
import { keepHeapModest } from '../modest-heap.ts'
import { signalled } from '../signalled.ts'
import { UNSAFE, unsafeOptions } from '../unsafe-options.ts'

export const serve: CommandRow = {
  name: 'serve',
  summary: 'Run the broker until it is told to stop (SIGINT, SIGTERM)',
  reach: 'data',
  options: [
    CONFIG,
    { flags: '--accept-clock', text: 'the clock is right now and was ahead before: forget the highest time seen' },
    ...UNSAFE,
  ],
  examples: [
    ['latchkey serve', 'on the usual ports, with ./data; makes it when it is not there'],
    ['latchkey serve --config latchkey.yaml --data /var/lib/latchkey', 'as configured'],
    ['latchkey serve --json', 'one line on stdout when ready: {"ready":true,"listeners":{...}}'],
  ],
  async run(call) {
    keepHeapModest()
    const configuration = await configurationOf(call.options, call.terminal)
    // Listened for before anything is open: a signal during the start stops it as soon as it has started.
    const stop = signalled()
    const { createLatchkey } = await import('../../broker.ts') // late: other commands start without its weight
    const latchkey = await createLatchkey(configuration, {
      acceptClock: call.options.flag('accept-clock'),
      ...unsafeOptions(call.options),
    })
    if (call.json) call.terminal.out(JSON.stringify({ ready: true, listeners: latchkey.listeners }))
    else call.terminal.out(welcome(latchkey.listeners, configuration.data, call))
    await stop
    await latchkey.close()
    return { json: undefined, text: '' }
  },
}

function welcome(listeners: Listeners, data: string, { terminal }: Call): string {
  const paint = terminal.paintOut
  const lines = Object.entries(listeners).map(([name, { host, port }]) => `  ${name.padEnd(6)} ${host}:${port}`)
  const where = data === './data' ? '' : ` --data ${data}`
  const width = Math.max(...NEXT.map(([command]) => command.length))
  return [
    paint('bold', 'Latchkey serves. Everything is denied until a policy permits it.'),
    ...lines,
    '',
    'Next, in another terminal:',
    ...NEXT.map(([command, does]) => `  npx latchkey ${`${command}${where}`.padEnd(width + where.length)}   ${does}`),
    'Ctrl-C stops it.',
  ].join('\n')
}

const NEXT = [
  ['apply devices/', 'a small example home: types, devices, policy'],
  ['device list', 'what may connect'],
  ['enrolment create --type thermostat --attribute room=attic', 'let a new device in by itself'],
  ['audit follow', 'who comes, and who is refused'],
] as const
