// How fast a revocation takes effect: from the moment the operator's request leaves to the moment the device's socket is
// closed, over real TLS on loopback, by kind of credential. The clock is one: both ends are measured in this process,
// the broker runs in it too, so these are upper bounds.
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connectAsync, type IClientOptions } from 'mqtt'
import { createLatchkey } from '../../src/broker.ts'
import { callJson } from '../fixtures/https-json.ts'

const ROUNDS = 40
const KINDS = ['x509', 'psk', 'secret', 'jwt'] as const
type Kind = (typeof KINDS)[number]

interface Row {
  readonly kind: Kind
  readonly rounds: number
  /** Milliseconds. */
  readonly closed: { median: number; p95: number; max: number }
  readonly answered: { median: number; p95: number; max: number }
}

export async function revocation(args: readonly string[]): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-bench-'))
  const latchkey = await createLatchkey({
    data: join(folder, 'data'),
    listeners: {
      mqtt: false,
      ws: false,
      wss: false,
      mqtts: { host: '127.0.0.1', port: 0 },
      https: { port: 0 },
      coaps: false,
      'coaps+tcp': false,
    },
    log: { level: 'silent' },
  })
  try {
    const rows: Row[] = []
    const operator = JSON.parse(await readFile(join(folder, 'data/operator.json'), 'utf8')) as {
      url: string
      token: string
      ca: string
    }
    const call = async (method: string, path: string, body?: unknown) => {
      const reply = await callJson(`${operator.url}${path}`, { method, ca: operator.ca, token: operator.token, body })
      if (reply.status >= 400) throw new Error(`${method} ${path}: ${reply.status} ${JSON.stringify(reply.body)}`)
      return reply.body
    }
    const port = latchkey.listeners.mqtts?.port ?? 0
    // Kinds are interleaved, so that a busy moment of the machine hits all of them.
    const samples = new Map<Kind, { closed: number[]; answered: number[] }>(
      KINDS.map(kind => [kind, { closed: [], answered: [] }]),
    )
    for (let round = 0; round < ROUNDS; round++) {
      for (const kind of KINDS) {
        const id = `${kind}-${round}`
        await call('POST', '/v1/devices', { id, type: 'bench' })
        const { options, credential } = await equip(kind, id, call, operator)
        const client = await connectAsync(`mqtts://localhost:${port}`, {
          clientId: id,
          protocolVersion: 5,
          reconnectPeriod: 0,
          ca: operator.ca,
          ...options,
        })
        client.on('error', () => {})
        let closedAt = 0
        const closed = new Promise<void>(resolve =>
          client.stream.once('close', () => {
            closedAt = performance.now()
            resolve()
          }),
        )
        const asked = performance.now()
        const answer = call('POST', `/v1/credentials/${credential}/revoke`, { reason: 'bench' }).then(() =>
          performance.now(),
        )
        const [answeredAt] = await Promise.all([answer, closed])
        samples.get(kind)?.closed.push(closedAt - asked)
        samples.get(kind)?.answered.push(answeredAt - asked)
      }
    }
    for (const [kind, { closed, answered }] of samples)
      rows.push({ kind, rounds: closed.length, closed: summary(closed), answered: summary(answered) })
    print(rows, args.includes('--json'))
  } finally {
    await latchkey.close()
    await rm(folder, { recursive: true, force: true })
  }
}

// biome-ignore lint/suspicious/noExplicitAny: whatever the API answers
type Call = (method: string, path: string, body?: unknown) => Promise<any>

async function equip(
  kind: Kind,
  id: string,
  call: Call,
  operator: { url: string; ca: string },
): Promise<{ options: IClientOptions; credential: string }> {
  if (kind === 'x509') {
    const issued = await call('POST', '/v1/credentials', { owner: id, kind: 'x509' })
    return {
      credential: issued.credential.id,
      options: { cert: issued.certificate + issued.chain, key: issued.privateKey },
    }
  }
  if (kind === 'psk') {
    const issued = await call('POST', '/v1/credentials', { owner: id, kind: 'psk' })
    const psk = Buffer.from(issued.psk.key, 'hex')
    const options = {
      pskCallback: () => ({ psk, identity: issued.psk.identity }),
      ciphers: 'TLS_AES_128_GCM_SHA256',
      checkServerIdentity: () => undefined,
    }
    return { credential: issued.credential.id, options: options as IClientOptions }
  }
  const audience = kind === 'jwt' ? 'token' : 'mqtt'
  const issued = await call('POST', '/v1/credentials', { owner: id, kind: 'secret', audience })
  if (kind === 'secret') return { credential: issued.credential.id, options: { username: id, password: issued.secret } }
  // The token falls with the secret it was bought with.
  const form = `grant_type=client_credentials&client_id=${id}&client_secret=${encodeURIComponent(issued.secret)}`
  const reply = await callJson(`${operator.url}/oauth2/token`, { method: 'POST', ca: operator.ca, body: form })
  return { credential: issued.credential.id, options: { username: id, password: reply.body.access_token } }
}

function summary(values: readonly number[]): { median: number; p95: number; max: number } {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (share: number) =>
    Number((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(2))
  return { median: at(0.5), p95: at(0.95), max: at(1) }
}

function print(rows: readonly Row[], json: boolean): void {
  if (json) {
    process.stdout.write(`${JSON.stringify({ bench: 'revocation', unit: 'ms', rows })}\n`)
    return
  }
  process.stdout.write('Milliseconds from the request to revoke, over loopback TLS (median / p95 / max)\n\n')
  process.stdout.write(`${'credential'.padEnd(12)}${'socket closed'.padEnd(26)}API answered\n`)
  const cell = ({ median, p95, max }: Row['closed']) => `${median} / ${p95} / ${max}`.padEnd(26)
  for (const row of rows) process.stdout.write(`${row.kind.padEnd(12)}${cell(row.closed)}${cell(row.answered)}\n`)
}
