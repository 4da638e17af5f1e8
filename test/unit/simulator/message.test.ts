// How messages of the home are written and read: JSON, and SenML for measurements.
import { describe, expect, test } from 'vitest'
import { type Message, type Notation, readMessage, writeMessage } from '../../../simulator/message.ts'
import { mimeOf } from '../../../src/coap-wire/content-formats.ts'
import { readSenmlJson } from '../../../src/coap-wire/senml-json.ts'

const NOW = 1_800_000_000_000
const TOPIC = 'home/kitchen/temperature'
const POWER = 'home/kitchen/ac/power'

function sent(topic: string, body: Message, notation: Notation) {
  const { payload, contentFormat } = writeMessage({ topic, body, notation }, NOW)
  return { topic, payload, contentType: mimeOf(contentFormat) }
}
const senml = (text: string) => ({ topic: TOPIC, payload: Buffer.from(text), contentType: 'application/senml+json' })

test.each<[string, Message, Notation, string]>([
  [TOPIC, { celsius: 23.14, seq: 7 }, 'json', 'application/json'],
  [TOPIC, { celsius: 23.14, seq: 7 }, 'senml+json', 'application/senml+json'],
  [TOPIC, { celsius: -3, seq: 1 }, 'senml+cbor', 'application/senml+cbor'],
  [POWER, { watts: 812, kWh: 0.5, seq: 9 }, 'senml+json', 'application/senml+json'],
  [POWER, { watts: 0, kWh: 0, seq: 1 }, 'senml+cbor', 'application/senml+cbor'],
  ['home/kitchen/ac/state', { mode: 'cool', id: 3, seq: 2 }, 'senml+cbor', 'application/json'],
  ['home/kitchen/alert', { what: 'cleared', id: 3, seq: 2 }, 'senml+json', 'application/json'],
  [TOPIC, { celsius: Number.NaN, seq: 1 }, 'json', 'application/json'],
])('on %s %j as %s is %s, and is read as it was said', (topic, body, notation, contentType) => {
  const message = sent(topic, body, notation)
  expect(message.contentType).toBe(contentType)
  expect({ ...readMessage(message) }).toEqual(JSON.parse(JSON.stringify(body)))
})

test('a SenML measurement names its topic, says when it was made, and counts energy in joules', () => {
  expect(readSenmlJson(sent(POWER, { watts: 812, kWh: 0.25, seq: 9 }, 'senml+json').payload)).toEqual([
    { baseName: POWER, baseTime: 1_800_000_000, unit: 'W', value: 812 },
    { name: '/energy', unit: 'J', value: 900_000 },
    { name: '/seq', unit: 'count', value: 9 },
  ])
})

describe('what comes from the wire', () => {
  test.each(['', 'x', '[1]', '7', 'null', '"text"'])('%j is no message', text => {
    expect(readMessage({ topic: TOPIC, payload: Buffer.from(text) })).toBeNull()
  })

  test.each(['[]', '{"celsius":20}', '[{"n":"x","v":1,"must_":1}]', '[{"v":20}]', 'x'])('%s is no SenML', text => {
    expect(readMessage(senml(text))).toBeNull()
  })

  test.each([
    ['of another topic', '[{"n":"home/attic/temperature","u":"Cel","v":20}]'],
    ['in another unit', `[{"n":"${TOPIC}","u":"K","v":293}]`],
    ['that is no number', `[{"n":"${TOPIC}","u":"Cel","vs":"warm"}]`],
  ])('a reading %s is passed over', (_, text) => {
    expect({ ...readMessage(senml(text)) }).toEqual({})
  })

  test('the content type decides, in any spelling; without one it is JSON', () => {
    const { payload } = sent(TOPIC, { celsius: 20 }, 'senml+json')
    expect(readMessage({ topic: TOPIC, payload, contentType: 'Application/SenML+JSON' })).toMatchObject({ celsius: 20 })
    expect(readMessage({ topic: TOPIC, payload, contentType: 'application/json' })).toBeNull()
    expect(readMessage({ topic: TOPIC, payload: Buffer.from('{"celsius":20}'), contentType: null })).toMatchObject({
      celsius: 20,
    })
  })
})
