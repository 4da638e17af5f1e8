import { expect, test } from 'vitest'
import type { Fate } from '../../../src/coap/resource.ts'
import { type Confirmable, Retransmission } from '../../../src/coap/retransmission.ts'
import { TimerWheel } from '../../../src/coap/timer-wheel.ts'
import { HandTime } from '../../fixtures/hand-time.ts'

/** Milliseconds: what the wheel may be late by, ticks of all attempts together. */
const LATE = 600

function lineAtHand({ outgoingQueue = 100, maxRetransmit = 4, jitter = 0 } = {}) {
  const time = new HandTime()
  const start = time.now()
  const wheel = new TimerWheel(time, time)
  const sent: { id: number; text: string; at: number }[] = []
  const fates: string[] = []
  const counted: string[] = []
  let id = 0
  let mayRepeat = true
  const retransmission = new Retransmission(
    {
      limits: { ackTimeout: 2000, maxRetransmit, outgoingQueue },
      wheel,
      dice: { between: (low, high) => low + (high - low) * jitter },
      counters: { retransmission: () => counted.push('retransmission'), dropped: reason => counted.push(reason) },
    },
    {
      nextMessageId: () => ++id,
      send: bytes => {
        const [sentId = '', text = ''] = bytes.toString().split(' ')
        sent.push({ id: Number(sentId), text, at: time.now() - start })
      },
      mayRepeat: () => mayRepeat,
    },
  )
  const message = (text: string, of: Partial<Confirmable> = {}): Confirmable => ({
    token: 'token',
    state: false,
    mayLeave: () => true,
    datagram: messageId => Buffer.from(`${messageId} ${text}`),
    settle: (fate: Fate) => fates.push(`${text} ${fate}`),
    ...of,
  })
  const state = (text: string, token = 'token') => message(text, { state: true, token })
  return {
    time,
    wheel,
    sent,
    fates,
    counted,
    retransmission,
    message,
    state,
    texts: () => sent.map(({ text }) => text),
    forbidRepeats: () => {
      mayRepeat = false
    },
  }
}

test('what is acknowledged is sent once', () => {
  const { time, wheel, sent, fates, retransmission, message } = lineAtHand()
  retransmission.notify(message('a'))
  time.advance(1000)
  retransmission.acknowledged(1)
  time.advance(1_000_000)
  expect(sent).toEqual([{ id: 1, text: 'a', at: 0 }])
  expect(fates).toEqual(['a acknowledged'])
  expect([wheel.size, retransmission.size]).toEqual([0, 0])
})

test.each([
  [0, [2000, 6000, 14_000, 30_000], 62_000],
  [1, [3000, 9000, 21_000, 45_000], 93_000],
])('RFC 7252 4.2: the same bytes again at doubling intervals, then given up (random part %d)', (jitter, times, end) => {
  const { time, sent, fates, counted, retransmission, message } = lineAtHand({ jitter })
  retransmission.notify(message('a'))
  time.advance(end - 1)
  expect(fates).toEqual([])
  expect(sent.map(({ id, text }) => `${id} ${text}`)).toEqual(Array(5).fill('1 a'))
  for (const [i, expected] of times.entries()) {
    const late = (sent[i + 1]?.at ?? 0) - expected
    expect(late).toBeGreaterThanOrEqual(0)
    expect(late).toBeLessThan(LATE)
  }
  time.advance(LATE)
  expect(fates).toEqual(['a timeout'])
  expect(counted).toEqual([...Array(4).fill('retransmission'), 'timeout'])
  time.advance(1_000_000)
  expect(sent).toHaveLength(5)
})

test('NSTART 1: the next leaves when the one before it has landed, whatever became of that', () => {
  const { time, texts, fates, retransmission, message } = lineAtHand()
  for (const text of ['a', 'b', 'c', 'd']) retransmission.notify(message(text))
  expect(texts()).toEqual(['a'])
  retransmission.acknowledged(1)
  expect(texts()).toEqual(['a', 'b'])
  expect(retransmission.reset(2)).toBe(true)
  expect(texts()).toEqual(['a', 'b', 'c'])
  time.advance(62_000 + LATE)
  expect(texts()).toEqual(['a', 'b', 'c', 'c', 'c', 'c', 'c', 'd'])
  expect(fates).toEqual(['a acknowledged', 'b reset', 'c timeout'])
})

test('an acknowledgement or reset of something else changes nothing', () => {
  const { fates, retransmission, message } = lineAtHand()
  retransmission.acknowledged(1)
  retransmission.notify(message('a'))
  retransmission.acknowledged(2)
  expect(retransmission.reset(77)).toBe(false)
  expect([fates, retransmission.size]).toEqual([[], 1])
})

test('responses overtake notifications', () => {
  const { texts, retransmission, message } = lineAtHand()
  for (const text of ['a', 'b']) retransmission.notify(message(text))
  retransmission.respond(message('response'))
  retransmission.acknowledged(1)
  retransmission.acknowledged(2)
  expect(texts()).toEqual(['a', 'response', 'b'])
})

test('a full queue drops its oldest, and says so', () => {
  const { texts, fates, counted, retransmission, message } = lineAtHand({ outgoingQueue: 2 })
  for (const text of ['a', 'b', 'c', 'd', 'e']) retransmission.notify(message(text))
  expect(fates).toEqual(['b dropped', 'c dropped'])
  expect(counted).toEqual(['queue', 'queue'])
  for (const id of [1, 2, 3]) retransmission.acknowledged(id)
  expect(texts()).toEqual(['a', 'd', 'e'])
})

test('RFC 7641 4.5.2: a newer state replaces the one that waits, in its place', () => {
  const { texts, fates, retransmission, state } = lineAtHand()
  retransmission.notify(state('kitchen 1', 'kitchen'))
  retransmission.notify(state('attic 1', 'attic'))
  retransmission.notify(state('hall 1', 'hall'))
  retransmission.notify(state('attic 2', 'attic'))
  expect(fates).toEqual(['attic 1 replaced'])
  for (const id of [1, 2, 3]) retransmission.acknowledged(id)
  expect(texts()).toEqual(['kitchen', 'attic', 'hall'])
  expect(fates.slice(1)).toEqual(['kitchen 1 acknowledged', 'attic 2 acknowledged', 'hall 1 acknowledged'])
})

test('RFC 7641 4.5.2: what is repeated is the newest state under a new id; attempts and timeout go on', () => {
  const { time, sent, fates, retransmission, state } = lineAtHand()
  retransmission.notify(state('old'))
  time.advance(1000)
  retransmission.notify(state('new'))
  expect(sent).toHaveLength(1)
  time.advance(62_000 + LATE)
  expect(sent.map(({ id, text }) => `${id} ${text}`)).toEqual(['1 old', '2 new', '2 new', '2 new', '2 new'])
  expect(fates).toEqual(['old replaced', 'new timeout'])
})

test('a reset to the replaced one means its observation all the same, a late acknowledgement nothing', () => {
  const { time, fates, retransmission, state } = lineAtHand()
  retransmission.notify(state('old'))
  retransmission.notify(state('new'))
  time.advance(3000)
  retransmission.acknowledged(1)
  expect(fates).toEqual(['old replaced'])
  expect(retransmission.reset(1)).toBe(true)
  expect(fates).toEqual(['old replaced', 'new reset'])
})

test('events with the same token replace nothing', () => {
  const { texts, retransmission, message } = lineAtHand()
  for (const text of ['a', 'b', 'c']) retransmission.notify(message(text))
  for (const id of [1, 2, 3]) retransmission.acknowledged(id)
  expect(texts()).toEqual(['a', 'b', 'c'])
})

test('what is withdrawn leaves no more, is not repeated, and does not hold up the others', () => {
  const { time, texts, fates, retransmission, message } = lineAtHand()
  retransmission.notify(message('a', { token: 'gone' }))
  retransmission.notify(message('b', { token: 'gone' }))
  retransmission.notify(message('c', { token: 'stays' }))
  retransmission.respond(message('d', { token: 'gone' }))
  retransmission.withdraw('gone')
  expect(texts()).toEqual(['a', 'c'])
  retransmission.acknowledged(1)
  expect(retransmission.size).toBe(1)
  time.advance(100_000)
  expect(texts()).toEqual(['a', ...Array(5).fill('c')])
  expect(fates).toEqual(['c timeout'])
})

test('who may not leave is dropped before it is sent, and before it is sent again', () => {
  const { time, texts, fates, retransmission, message } = lineAtHand()
  let permitted = true
  retransmission.notify(message('a', { mayLeave: () => permitted }))
  retransmission.notify(message('b', { mayLeave: () => permitted }))
  retransmission.notify(message('c'))
  permitted = false
  time.advance(3000)
  expect(texts()).toEqual(['a', 'c'])
  expect(fates).toEqual(['a dropped', 'b dropped'])
})

test('to an address that is not proved nothing is repeated beyond what it may be sent', () => {
  const { time, texts, fates, retransmission, message, forbidRepeats } = lineAtHand()
  forbidRepeats()
  retransmission.respond(message('a'))
  time.advance(100_000)
  expect(texts()).toEqual(['a'])
  expect(fates).toEqual(['a timeout'])
})

test('who settles a message may send the next at once', () => {
  const { texts, retransmission, message } = lineAtHand()
  const again = message('again')
  retransmission.notify(message('a', { settle: () => retransmission.notify(again) }))
  retransmission.notify(message('b'))
  retransmission.acknowledged(1)
  retransmission.acknowledged(2)
  expect(texts()).toHaveLength(3)
  expect(new Set(texts())).toEqual(new Set(['a', 'b', 'again']))
})

test('when the peer is gone nothing is left of it', () => {
  const { time, wheel, texts, fates, retransmission, message } = lineAtHand()
  for (const text of ['a', 'b']) retransmission.notify(message(text))
  retransmission.close()
  retransmission.notify(message('c'))
  retransmission.acknowledged(1)
  time.advance(100_000)
  expect([texts(), fates, wheel.size, retransmission.size]).toEqual([['a'], [], 0, 0])
})
