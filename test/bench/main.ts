// `npm run bench -- NAME [options]`: measurements, side by side where there is a peer. Results go to stdout.
import { coap } from './coap.ts'
import { mqtt } from './mqtt.ts'
import { revocation } from './revocation.ts'

const BENCHES: ReadonlyMap<string, { run: (args: readonly string[]) => Promise<void>; about: string }> = new Map([
  [
    'revocation',
    { run: revocation, about: 'milliseconds from the request to revoke to the closed socket, by kind of credential' },
  ],
  [
    'coap',
    { run: coap, about: 'CPU per CoAP request and notification, memory; beside npm coap, libcoap and a bare echo' },
  ],
  ['mqtt', { run: mqtt, about: 'CPU per delivered MQTT message and per connect, latency, memory; beside Mosquitto' }],
])

const [name = '', ...args] = process.argv.slice(2)
const bench = BENCHES.get(name)
if (bench) await bench.run(args)
else {
  process.stderr.write('Usage: npm run bench -- NAME [--json]\n\n')
  for (const [known, { about }] of BENCHES) process.stderr.write(`  ${known.padEnd(12)} ${about}\n`)
  process.exitCode = 2
}
