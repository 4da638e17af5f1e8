import { stat } from 'node:fs/promises'
import { LatchkeyClient } from '../../client/client.ts'
import { whyNoDtls } from '../../coaps-listener.ts'
import type { Configuration } from '../../config.ts'
import type { Call, CommandRow, Outcome } from '../command.ts'
import { CONFIG, configurationOf } from '../configuration.ts'
import {
  certificate,
  clock,
  closedToOthers,
  dtlsAddon,
  type Expiry,
  type Finding,
  fail,
  listenersOf,
  newestFile,
  nodeVersion,
  ok,
  port,
  servedCertificate,
  type Verdict,
  warn,
} from '../health.ts'
import { counted } from '../present.ts'
import { placedMessage, type Refusal, refusalOf } from '../refusal.ts'
import { readOperatorFile } from '../server.ts'
import type { Paint } from '../terminal.ts'

type Running = Awaited<ReturnType<typeof readOperatorFile>>

export const doctor: CommandRow = {
  name: 'doctor',
  summary: 'Look for what is wrong on this machine, and say how to mend it',
  reach: 'data',
  options: [CONFIG],
  examples: [
    ['latchkey doctor', 'clock, ports, certificates, store, audit trail, permissions, Node'],
    ['latchkey doctor --config latchkey.yaml --json', 'with the ports and paths of a configuration, for a script'],
  ],
  run,
}

async function run(call: Call): Promise<Outcome> {
  const configuration = await configurationOf(call.options, call.terminal)
  const { data } = configuration
  const running = await readOperatorFile(data).catch(() => null)
  const findings = [
    nodeVersion(process.versions.node),
    ...((await isThere(data))
      ? [
          await closedToOthers('data', data, '700'),
          await vaultKey(configuration, call),
          ...(running ? await examineRunning(running, configuration) : await examineStopped(configuration)),
        ]
      : [fail('data', `${data} is not there`, `\`latchkey serve --data ${data}\` makes it; or name another --data`)]),
    ...dtlsOf(configuration),
    ...(await Promise.all(
      listenersOf(configuration).map(({ name, host, port: number }) =>
        port(name, host, number, running && { root: running.ca ?? '' }),
      ),
    )),
  ]
  const worst = findings.some(each => each.verdict === 'fail')
  const warnings = findings.filter(each => each.verdict === 'warn').length
  const summary = worst ? 'something needs mending' : warnings > 0 ? counted(warnings, 'warning') : 'all is well'
  return {
    json: { ok: !worst, running: running !== null, findings },
    text: [...findings.flatMap(each => lines(each, call.terminal.paintOut)), summary].join('\n'),
    exitCode: worst ? 1 : 0,
  }
}

/** Nothing where nobody wants it. */
function dtlsOf({ listeners: { coaps } }: Configuration): Finding[] {
  return coaps === false ? [] : [dtlsAddon(whyNoDtls(), coaps !== undefined)]
}

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  )

async function vaultKey({ vault, data }: Configuration, { terminal }: Call): Promise<Finding> {
  if (terminal.environment.LATCHKEY_VAULT_KEY) return ok('vault key', 'comes from LATCHKEY_VAULT_KEY')
  const { defaultKeyFile } = await import('../../offline.ts')
  return closedToOthers('vault key', vault.keyFile ?? defaultKeyFile(data), '600')
}

/** Through the API: a running broker has the store, and walks its own trail. */
async function examineRunning(running: Running, { data }: Configuration): Promise<Finding[]> {
  const client = new LatchkeyClient(running)
  const now = Date.now()
  try {
    const ready = await client.ready()
    const { authorities } = await client.ca.get()
    const trail = await client.audit.verify()
    const url = new URL(running.url)
    const served = await servedCertificate(url.hostname, Number(url.port || 443), running.ca ?? '')
    return [
      ready ? ok('broker', `process ${running.pid} is ready`) : warn('broker', 'it is not ready', 'its log says why'),
      clock(now, await newestFile(data), 0),
      ok('store', 'open in the running broker'),
      trailFinding(trail.ok, trail.records, trail.reason),
      ...authorities.map(each => certificate(expiryOf(each.subject, each.notBefore, each.notAfter), now)),
      ...(served ? [certificate(served, now)] : []),
    ]
  } catch (error) {
    const mend = 'look into its log; restart it if it does not answer'
    return [fail('broker', `process ${running.pid}: ${placedMessage(refusalOf(error))}`, mend)]
  }
}

async function examineStopped({ data, vault }: Configuration): Promise<Finding[]> {
  const now = Date.now()
  const newest = await newestFile(data)
  const broker = ok('broker', 'none runs on this data directory')
  try {
    const { openOffline } = await import('../../offline.ts')
    const offline = await openOffline(data, vault.keyFile)
    try {
      const trail = await offline.verifyAudit()
      const authorities = await offline.authorities()
      return [
        broker,
        clock(now, newest, offline.highestTimeSeen),
        ok('store', 'opens'),
        trailFinding(trail.ok, trail.records, trail.reason),
        ...authorities.map(each => certificate(expiryOf(each.subject, each.validFrom, each.validTo), now)),
      ]
    } finally {
      await offline.close()
    }
  } catch (error) {
    const refusal = refusalOf(error)
    return [broker, clock(now, newest, 0), fail('store', placedMessage(refusal), mendStore(refusal))]
  }
}

/** `not-found`: the sentence says it; the catalogue's advice is about devices and the like. */
const mendStore = ({ code, advice }: Refusal): string =>
  code === 'not-found' ? 'or name another with --data' : (advice ?? 'restore a backup, or choose another --data')

const trailFinding = (whole: boolean, records: number, reason: string | null): Finding =>
  whole
    ? ok('audit trail', `${counted(records, 'record')}, the chain is whole`)
    : fail(
        'audit trail',
        `the chain is broken: ${reason}`,
        'compare the data directory with a backup: somebody wrote into it',
      )

const expiryOf = (subject: string, from: string, to: string): Expiry => ({
  name: subject.replaceAll('\n', ', '),
  notBefore: Date.parse(from),
  notAfter: Date.parse(to),
})

function lines({ check, verdict, found, mend }: Finding, paint: Paint): string[] {
  const mark: Readonly<Record<Verdict, string>> = {
    ok: paint('green', 'ok  '),
    warn: paint('yellow', 'warn'),
    fail: paint('red', 'FAIL'),
  }
  return [`${mark[verdict]}  ${check.padEnd(13)} ${found}`, ...(mend === null ? [] : [`${' '.repeat(20)}-> ${mend}`])]
}
