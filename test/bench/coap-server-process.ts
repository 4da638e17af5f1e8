// A server under measurement, whoever made it: where it listens, and how it ends.
import { type ChildProcess, spawn } from 'node:child_process'

export interface Server {
  readonly port: number
  /** Of CoAP over DTLS; 0 when it has none. */
  readonly securePort: number
  readonly pid: number
  /** What each of `count` clients puts into its Uri-Query. */
  queries(count: number): Promise<readonly (readonly string[])[]>
  /** Collects garbage, where it was started to do so when asked. */
  collect(): Promise<void>
  stop(): Promise<void>
}

/** Milliseconds for a server to end when asked. */
const PATIENCE = 10_000

/** A program that writes its port to stdout as soon as it listens. With `channel`, its parent can send to it. */
export async function startProgram(command: string, args: readonly string[], channel = false): Promise<Server> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit', ...(channel ? (['ipc'] as const) : [])] })
  const port = await new Promise<number>((resolve, reject) => {
    child.stdout?.once('data', line => resolve(Number(line)))
    child.once('error', reject)
    child.once('exit', code => reject(new Error(`${args[0]} ended with ${code} before it listened`)))
  })
  return serverOf(child, port)
}

export function serverOf(child: ChildProcess, port: number): Server {
  return {
    port,
    securePort: port,
    pid: child.pid ?? 0,
    queries: async count => Array.from({ length: count }, () => []),
    collect: () =>
      new Promise(resolve => {
        child.once('message', () => resolve())
        child.send('collect')
      }),
    stop: () => stopProcess(child),
  }
}

export async function stopProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise(resolve => child.once('exit', resolve))
  child.kill('SIGTERM')
  const last = setTimeout(() => child.kill('SIGKILL'), PATIENCE)
  await ended
  clearTimeout(last)
}
