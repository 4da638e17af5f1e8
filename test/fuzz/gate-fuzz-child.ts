// The fuzz of the gate in a process of its own, where the engine tells which blocks of code have run. Arguments: packets, seed.
// Prints its report as one line of JSON; whatever is not caught ends it with another code than 0.
import { setImmediate as turn } from 'node:timers/promises'
import { BlockCoverage, type FileCoverage } from './block-coverage.ts'

/** Packets between two looks at the code that has run. */
const BATCH = 512
const LANES = 16

export interface GateFuzzReport {
  readonly packets: number
  readonly seeds: readonly number[]
  readonly sentBefore: number
  readonly sentAfter: number
  readonly connections: number
  /** Sequences that reached something new. */
  readonly corpus: number
  readonly outcomes: Readonly<Record<string, number>>
  readonly reasons: Readonly<Record<string, number>>
  readonly wrong: readonly string[]
  readonly coverage: readonly FileCoverage[]
  /** Messages that the bystander had to get, and got in order. */
  readonly bystander: { readonly sent: number; readonly heard: number }
  /** Bytes of the heap and outside of it after a collection, at each tenth of the way. */
  readonly memory: readonly number[]
  /** What is left when everybody has gone. */
  readonly left: Readonly<Record<string, number>>
  readonly seconds: number
}

async function main(packets: number, seed: number): Promise<GateFuzzReport> {
  const began = Date.now()
  const coverage = new BlockCoverage(['mqtt', 'bus'])
  await coverage.start()
  // loaded now, so that all of it is looked at
  const { FuzzBroker } = await import('./fuzz-broker.ts')
  const { Corpus, Lane } = await import('./gate-campaign.ts')
  const { Bystander } = await import('./bystander.ts')
  const { generator } = await import('../fixtures/fuzz.ts')

  const broker = await FuzzBroker.open()
  const bystander = await Bystander.open(broker)
  const found = {
    sentBefore: 0,
    sentAfter: 0,
    connections: 0,
    outcomes: new Map(),
    reasons: new Map(),
    wrong: [] as string[],
  }
  const corpus = new Corpus()
  const dice = generator(seed)
  const seeds = Array.from({ length: LANES }, (_, i) => seed + 1 + i)
  const lanes = await Promise.all(
    seeds.map(async (own, i) => new Lane(broker, await broker.identity(`fuzz-${i}`, 'sensor'), own, corpus, found)),
  )
  const memory: number[] = []
  const sent = () => found.sentBefore + found.sentAfter
  while (sent() < packets && found.wrong.length === 0) {
    await Promise.all([...lanes.map(lane => lane.run(BATCH / LANES)), bystander.round()])
    const fresh = await coverage.take()
    for (const lane of lanes) for (const tried of fresh > 0 ? lane.tried : lane.news) corpus.add(dice, tried)
    found.wrong.push(...bystander.findings.splice(0), ...broker.errors)
    if (sent() >= (packets * (memory.length + 1)) / 10) memory.push(used())
  }
  await Promise.all(lanes.map(lane => lane.close()))
  await bystander.close()
  const left = await whatIsLeft(broker)
  await broker.close()
  await coverage.take()
  return {
    ...{ packets: sent(), seeds: [seed, ...seeds], memory, left },
    ...{ sentBefore: found.sentBefore, sentAfter: found.sentAfter, connections: found.connections },
    corpus: corpus.size,
    outcomes: Object.fromEntries([...found.outcomes].sort()),
    reasons: Object.fromEntries([...found.reasons].sort()),
    wrong: found.wrong,
    coverage: coverage.report(),
    bystander: { sent: bystander.sent, heard: bystander.heard },
    seconds: Math.round((Date.now() - began) / 1000),
  }
}

/** Bytes. */
function used(): number {
  globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

const GAUGES = [
  'latchkey_live_sessions',
  'latchkey_sessions',
  'latchkey_queued_messages',
  'latchkey_queued_bytes_in_memory',
]
/** Milliseconds until the last session must have expired. */
const EXPIRED = 20_000

/** The gauges as soon as all are zero, or when they should long have been. */
async function whatIsLeft(broker: { gauges: { value(name: string): number } }): Promise<Record<string, number>> {
  const end = Date.now() + EXPIRED
  for (;;) {
    const values = Object.fromEntries(GAUGES.map(name => [name, broker.gauges.value(name)]))
    if (Object.values(values).every(value => value === 0) || Date.now() > end) return values
    await turn()
  }
}

const [, , packets = '', seed = ''] = process.argv
process.stdout.write(`${JSON.stringify(await main(Number(packets), Number(seed)))}\n`)
