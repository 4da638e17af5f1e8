import { expect, test } from 'vitest'
import { type Check, failedChecks, makeReport } from '../../../simulator/report.ts'

const check = (name: string, ok: boolean): Check => ({ name, ok, expected: 'x', observed: 'x', evidence: 'x' })
const content = { seed: 1, speed: 60, worldDigest: 'd', listeners: {}, rooms: [], devices: [] }

test.each([
  [[true, true], true],
  [[true, false], false],
  [[], false],
])('checks %j: ok is %s', (oks, ok) => {
  expect(makeReport({ ...content, checks: oks.map((each, i) => check(`c${i}`, each)) })).toMatchObject({
    version: 1,
    ok,
  })
})

test('failed checks are named', () => {
  const checks = [check('a', true), check('b', false)]
  expect(failedChecks({ checks }).map(({ name }) => name)).toEqual(['b'])
})
