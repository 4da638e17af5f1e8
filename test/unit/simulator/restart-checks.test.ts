import { describe, expect, test } from 'vitest'
import { queuedCheck, retainedCheck, sequenceOf } from '../../../simulator/checks/restart-checks.ts'

const acknowledged = (topic: string, ...seqs: number[]) => seqs.map(seq => ({ topic, seq, at: 0 }))
const heard = (topic: string, ...seqs: number[]) =>
  seqs.map(seq => ({ topic, payload: Buffer.from(JSON.stringify({ seq })) }))
const TEMPERATURE = 'home/kitchen/temperature'

describe('retained values', () => {
  test.each<[string, number[], number[], boolean]>([
    ['the same', [1, 2, 3], [3], true],
    ['a newer one', [1, 2, 3], [5], true],
    ['an older one', [1, 2, 3], [2], false],
    ['none', [1, 2, 3], [], false],
    ['none was promised', [], [3], false],
  ])('%s', (_, before, found, ok) => {
    expect(retainedCheck(acknowledged(TEMPERATURE, ...before), heard(TEMPERATURE, ...found)).ok).toBe(ok)
  })

  test('what is never stored is not looked for', () => {
    const before = [...acknowledged(TEMPERATURE, 1), ...acknowledged('home/kitchen/ac/power', 9)]
    expect(retainedCheck(before, heard(TEMPERATURE, 1)).ok).toBe(true)
  })

  test('one topic of two is not enough, and is named', () => {
    const before = [...acknowledged(TEMPERATURE, 1), ...acknowledged('home/kitchen/ac/state', 4)]
    const check = retainedCheck(before, [...heard(TEMPERATURE, 1), ...heard('home/kitchen/ac/state', 3)])
    expect(check).toMatchObject({ ok: false, observed: 'older or missing: home/kitchen/ac/state (3 < 4)' })
  })
})

describe('queued messages', () => {
  test.each<[string, number[], number[], boolean]>([
    ['all, in order', [4, 5, 6], [4, 5, 6], true],
    ['more around them', [4, 5], [3, 4, 5, 6], true],
    ['repeated ones', [4, 5, 6], [4, 5, 4, 5, 6], true],
    ['one missing', [4, 5, 6], [4, 6], false],
    ['the last one missing', [4, 5, 6], [4, 5], false],
    ['out of order', [4, 5, 6], [5, 4, 6], false],
    ['nothing', [4], [], false],
    ['nothing was sent', [], [4], false],
  ])('%s', (_, missed, received, ok) => {
    expect(queuedCheck(acknowledged(TEMPERATURE, ...missed), heard(TEMPERATURE, ...received)).ok).toBe(ok)
  })

  test('topics are looked at one by one', () => {
    const missed = [...acknowledged('home/a/temperature', 1, 2), ...acknowledged('home/b/temperature', 7)]
    const received = [
      ...heard('home/b/temperature', 7),
      ...heard('home/a/temperature', 1),
      ...heard('home/a/temperature', 2),
    ]
    expect(queuedCheck(missed, received)).toMatchObject({ ok: true, observed: '3 messages on 2 topics, none missing' })
    expect(queuedCheck(missed, received.slice(1)).observed).toBe('home/b/temperature lacks 7')
  })
})

test.each([
  ['{"seq":3}', 3],
  ['{"id":4,"mode":"off"}', 4],
  ['{"seq":"3"}', null],
  ['[]', null],
  ['x', null],
])('the sequence of %s is %j', (payload, sequence) => {
  expect(sequenceOf({ topic: TEMPERATURE, payload: Buffer.from(payload) })).toBe(sequence)
})
