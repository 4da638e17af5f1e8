import type { Finding, Location, PolicyOutcome, TestResult } from '../../client/client.ts'
import { printable } from '../../model/printable.ts'
import type { Paint } from '../terminal.ts'

export const placeOf = ({ file, line, column }: Location): string =>
  [file, line, column].filter(part => part !== undefined).join(':')

export const findingLines = (findings: readonly Finding[], paint: Paint): string[] =>
  findings.map(({ severity, message, location }) => {
    const label = severity === 'warning' ? paint('yellow', 'warning') : 'note'
    const where = location ? `${printable(placeOf(location))}: ` : ''
    return `${where}${label}: ${printable(message, 1000)}`
  })

export const testLines = (tests: readonly TestResult[], paint: Paint): string[] =>
  tests.flatMap(({ ok, name, problem, location }) => {
    if (ok) return [`${paint('green', 'ok')}      ${printable(name)}`]
    const why = printable(problem ?? 'it came out otherwise', 1000)
    return [`${paint('red', 'FAILED')}  ${printable(name)}`, `        ${printable(placeOf(location))}: ${why}`]
  })

export const outcomeLines = ({ findings, tests }: PolicyOutcome, paint: Paint): string[] => {
  const failed = tests.filter(({ ok }) => !ok)
  const passed = tests.length - failed.length
  return [
    ...findingLines(findings, paint),
    ...testLines(failed, paint),
    ...(tests.length > 0 ? [`tests: ${passed} passed, ${failed.length} failed`] : []),
  ]
}
