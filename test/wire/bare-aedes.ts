// Aedes as it comes, in a process of its own: what an attack does to it shows that the attack is real.
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const PROGRAM = `
import { createServer } from 'node:net'
import { Aedes } from 'aedes'
const broker = await Aedes.createBroker()
const server = createServer(broker.handle)
server.listen(0, '127.0.0.1', () => console.log(server.address().port))
`

export interface BareAedes {
  readonly port: number
  /** It is running no more. */
  hasDied(): boolean
  stop(): Promise<void>
}

export async function startBareAedes(): Promise<BareAedes> {
  const cwd = fileURLToPath(new URL('../..', import.meta.url))
  const child: ChildProcess = spawn(process.execPath, ['--input-type=module', '--eval', PROGRAM], {
    cwd,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  let dead = false
  const ended = new Promise<void>(resolve =>
    child.once('close', () => {
      dead = true
      resolve()
    }),
  )
  const port = await new Promise<number>((resolve, reject) => {
    child.stdout?.once('data', data => resolve(Number(data)))
    ended.then(() => reject(new Error('Aedes did not start')))
  })
  return {
    port,
    hasDied: () => dead,
    async stop() {
      child.kill('SIGKILL')
      await ended
    },
  }
}
