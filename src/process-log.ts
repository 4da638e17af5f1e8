import { destination, pino } from 'pino'
import { type Log, silentLog } from './model/log.ts'

/** JSON lines on stderr: stdout belongs to the ready line. */
export function openLog(level: 'debug' | 'info' | 'warn' | 'error' | 'silent'): Log {
  if (level === 'silent') return silentLog
  return pino(
    { name: 'latchkey', level, redact: { paths: ['*.password', '*.secret', '*.token', '*.key'], remove: true } },
    destination({ dest: 2, sync: true }),
  )
}
