// What a measurement was made on.
import { existsSync, readFileSync } from 'node:fs'
import { availableParallelism, cpus, release } from 'node:os'
import { delimiter, join } from 'node:path'

export interface Machine {
  readonly cores: number
  readonly cpu: string
  readonly memory: string
  readonly linux: string
  readonly node: string
  /** Over the last 1, 5 and 15 minutes. */
  readonly load: readonly string[]
}

export function machine(): Machine {
  return {
    cores: availableParallelism(),
    cpu: cpus()[0]?.model ?? 'unknown',
    memory: /^MemTotal:\s+(\d+ kB)$/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1] ?? 'unknown',
    linux: release(),
    node: process.versions.node,
    load: readFileSync('/proc/loadavg', 'utf8').split(' ').slice(0, 3),
  }
}

/** The path of a program of the PATH, or null. Daemons live in sbin, which not everybody has there. */
export function programOnPath(name: string): string | null {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']
  return folders.map(folder => join(folder, name)).find(existsSync) ?? null
}
