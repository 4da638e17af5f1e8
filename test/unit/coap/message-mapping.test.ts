import { describe, expect, test } from 'vitest'
import { contentFormatOfMessage, propertiesOf } from '../../../src/coap/message-mapping.ts'
import type { MessageProperties } from '../../../src/model/message.ts'

const TEXT = { contentType: 'text/plain;charset=utf-8', payloadFormatIndicator: true }

describe('content format to content type', () => {
  test.each([
    ['nothing is said', null, null, 'x', undefined],
    ['text is marked as UTF-8', 0, null, 'grün', TEXT],
    ['JSON', 50, null, '{}', { contentType: 'application/json' }],
    ['a number without a name', 65_000, null, 'x', { userProperties: [['coap-ct', '65000']] }],
    ['with a lifetime', 60, 30, 'x', { contentType: 'application/cbor', messageExpiryInterval: 30 }],
    ['a lifetime alone', null, 30, 'x', { messageExpiryInterval: 30 }],
  ] as const)('%s', (_, number, expiry, payload, properties) => {
    expect(propertiesOf(number, expiry, Buffer.from(payload))).toEqual(properties)
  })

  test('text that is not UTF-8 is not said to be', () => {
    expect(propertiesOf(0, null, Buffer.from([0xff]))).toEqual({ contentType: 'text/plain;charset=utf-8' })
  })
})

describe('content type to content format', () => {
  const rows: [MessageProperties | undefined, number | null][] = [
    [undefined, null],
    [{}, null],
    [{ contentType: 'application/json' }, 50],
    [{ contentType: 'Text/Plain; charset=UTF-8' }, 0],
    [{ contentType: 'application/x-mine' }, null],
    [{ payloadFormatIndicator: true }, 0],
    [{ contentType: 'application/x-mine', payloadFormatIndicator: true }, null],
    [{ userProperties: [['coap-ct', '65000']] }, 65_000],
    [{ contentType: 'application/json', userProperties: [['coap-ct', '65000']] }, 50],
    [{ userProperties: [['coap-ct', '65536']] }, null],
    [{ userProperties: [['coap-ct', '-1']] }, null],
    [{ userProperties: [['coap-ct', '1e3']] }, null],
    [{ userProperties: [['other', '1']] }, null],
  ]
  test.each(rows)('%j is %s', (properties, number) => {
    expect(contentFormatOfMessage(properties)).toBe(number)
  })
})
