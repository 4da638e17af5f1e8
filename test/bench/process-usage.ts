// What the kernel says about a process, this one or another. Linux only.
import { readdirSync, readFileSync } from 'node:fs'

/** User and system time of all its threads so far, in seconds, by the nanosecond: the sum that /proc/PID/stat rounds to 10 ms. */
export function cpuSeconds(pid: number): number {
  const folder = `/proc/${pid}/task`
  let nanoseconds = 0
  for (const thread of readdirSync(folder)) {
    // Documentation/scheduler/sched-stats.rst: the first number is the time spent on a CPU.
    nanoseconds += Number(readFileSync(`${folder}/${thread}/schedstat`, 'utf8').split(' ', 1)[0])
  }
  return nanoseconds / 1e9
}

/** Resident memory in bytes. */
export const residentBytes = (pid: number): number => statusBytes(pid, 'VmRSS')

/** The most that it was since the process was started. */
export const peakResidentBytes = (pid: number): number => statusBytes(pid, 'VmHWM')

function statusBytes(pid: number, name: string): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? Number.NaN) * 1024
}
