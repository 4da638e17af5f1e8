import { describe, expect, test } from 'vitest'
import { Message } from '../../../src/bus/message.ts'
import { etagOf, Notices } from '../../../src/coap/representation.ts'
import { OPTION, optionOf, uintOf } from '../../../src/coap-wire/options.ts'
import { decodeTopicMessage } from '../../../src/coap-wire/topic-message.ts'

const NOW = Date.UTC(2026, 0, 5, 12)

const message = (payload: string, more: object = {}) =>
  new Message({
    topic: 'home/kitchen/temperature',
    payload: Buffer.from(payload),
    qos: 0,
    retain: false,
    expiresAt: null,
    publisher: null,
    ...more,
  })

const numberOf = (notice: { options: readonly { number: number; value: Buffer }[] }, number: number) => {
  const value = optionOf(notice, number)
  return value === null ? null : uintOf(value)
}

describe('notices', () => {
  test('are the same object for all observers of a message', () => {
    const notices = new Notices()
    const one = message('21.5', { properties: { contentType: 'application/json' }, expiresAt: NOW + 30_500 })
    const first = notices.of(one, 'value', NOW, 0, 1024)
    expect(notices.of(one, 'value', NOW, 0, 1024)).toBe(first)
    expect([numberOf(first, OPTION.ContentFormat), numberOf(first, OPTION.MaxAge)]).toEqual([50, 31])
    expect(first.payload.toString()).toBe('21.5')
    expect(notices.of(one, 'value', NOW + 1000, 0, 1024)).not.toBe(first)
  })

  test('with wildcards hold topic, content format and payload', () => {
    const one = message('21.5', { properties: { contentType: 'application/json' } })
    const notice = new Notices().of(one, 'topic-message', NOW, 0, 1024)
    expect(decodeTopicMessage(notice.payload)).toEqual({
      topic: 'home/kitchen/temperature',
      contentFormat: 50,
      payload: Buffer.from('21.5'),
    })
    expect([numberOf(notice, OPTION.ContentFormat), numberOf(notice, OPTION.MaxAge)]).toEqual([60, null])
  })

  test('an observer who has had a later number gets one of its own', () => {
    const notices = new Notices()
    const [old, fresh] = [message('old'), message('fresh')]
    const common = notices.of(old, 'value', NOW, 0, 1024)
    const before = notices.of(fresh, 'value', NOW, 0, 1024).sequence
    const late = notices.of(old, 'value', NOW, before, 1024)
    expect(late.sequence).toBeGreaterThan(before)
    expect(late.payload).toBe(common.payload)
    expect(notices.of(message('next'), 'value', NOW, 0, 1024).sequence).toBeGreaterThan(late.sequence)
  })

  test('numbers fit into 24 bits and go on with the clock, also after a restart', () => {
    const notice = new Notices().of(message('x'), 'value', NOW, 0, 1024)
    const later = new Notices().of(message('x'), 'value', NOW + 1, 0, 1024)
    expect(numberOf(notice, OPTION.Observe)).toBe(NOW % 2 ** 24)
    expect(((numberOf(later, OPTION.Observe) ?? 0) - (numberOf(notice, OPTION.Observe) ?? 0)) & 0xffffff).toBe(1)
  })
})

test('an ETag is another one for another payload or content format', () => {
  const json = { properties: { contentType: 'application/json' } }
  const tags = [message('a'), message('b'), message('a', json)].map(each => etagOf(each).toString('hex'))
  expect(new Set(tags).size).toBe(3)
  expect(tags[0]).toHaveLength(16)
  expect(etagOf(message('a')).toString('hex')).toBe(tags[0])
})
