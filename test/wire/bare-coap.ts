// The npm `coap` server as it comes, in a process of its own: what an attack does to it shows that the attack is real.
import { type ChildProcess, spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

/** Answers every path, `/slow` after a moment; observers of `/observed` get a notification a second. A line per handler run. */
const PROGRAM = `
import { createSocket } from 'node:dgram'
import coap from 'coap'
const observers = new Set()
const server = coap.createServer((request, response) => {
  console.log('run ' + request.method + ' ' + request.url)
  if (request.headers.Observe === 0) {
    observers.add(response)
    response.on('finish', () => observers.delete(response))
    response.write('x'.repeat(512))
  } else if (request.url.startsWith('/slow')) setTimeout(() => response.end('ok'), 200)
  else setImmediate(() => response.end('ok'))
})
setInterval(() => {
  for (const response of observers) response.write('x'.repeat(512))
}, 100)
server.on('error', () => {})
const socket = createSocket('udp4')
socket.bind(0, '127.0.0.1', () => server.listen(socket, () => console.log('port ' + socket.address().port)))
`

export interface BareCoap {
  readonly port: number
  /** It is running no more. */
  hasDied(): boolean
  /** How often its handler has run. */
  runs(): number
  /** Resident memory in bytes; 0 when it is dead. */
  memory(): Promise<number>
  stop(): Promise<void>
}

export async function startBareCoap(): Promise<BareCoap> {
  const cwd = fileURLToPath(new URL('../..', import.meta.url))
  const child: ChildProcess = spawn(process.execPath, ['--input-type=module', '--eval', PROGRAM], {
    cwd,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  let dead = false
  let output = ''
  let runs = 0
  const ended = new Promise<void>(resolve =>
    child.once('close', () => {
      dead = true
      resolve()
    }),
  )
  const port = await new Promise<number>((resolve, reject) => {
    child.stdout?.on('data', data => {
      output += data
      const lines = output.split('\n')
      output = lines.pop() ?? ''
      for (const line of lines) {
        if (line.startsWith('run ')) runs++
        else if (line.startsWith('port ')) resolve(Number(line.slice(5)))
      }
    })
    ended.then(() => reject(new Error('the npm coap server did not start')))
  })
  return {
    port,
    hasDied: () => dead,
    runs: () => runs,
    async memory() {
      const status = await readFile(`/proc/${child.pid}/status`, 'utf8').catch(() => '')
      return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024
    },
    async stop() {
      child.kill('SIGKILL')
      await ended
    },
  }
}
