import { expect, test } from 'vitest'
import { formatDuration, parseDuration } from '../../../src/cli/duration.ts'

test.each([
  ['90s', 90],
  ['15m', 900],
  ['1h', 3600],
  ['30d', 2_592_000],
  ['2w', 1_209_600],
  ['1h30m', 5400],
  ['36500d', 3_153_600_000],
])('%s is %i seconds', (text, seconds) => {
  expect(parseDuration(text)).toBe(seconds)
})

test.each([
  '',
  '0s',
  '1',
  'h',
  '-1h',
  '1.5h',
  '1 h',
  '1H',
  '1y',
  '36501d',
  '9999999999d',
  '99999999999s',
  'NaNs',
  '1h\n',
])('%j is none', text => {
  expect(parseDuration(text)).toBeNull()
})

test.each([
  [0, '0s'],
  [59, '59s'],
  [90, '1m 30s'],
  [3600, '1h'],
  [5400.9, '1h 30m'],
  [90_061, '1d 1h'],
  [2_592_000, '30d'],
])('%d seconds read %s', (seconds, text) => {
  expect(formatDuration(seconds)).toBe(text)
})
