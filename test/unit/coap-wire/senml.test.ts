// What is no SenML pack, or none that we may use; and what is passed over.
import { describe, expect, test } from 'vitest'
import { readSenmlCbor, writeSenmlCbor } from '../../../src/coap-wire/senml-cbor.ts'
import { readSenmlJson, writeSenmlJson } from '../../../src/coap-wire/senml-json.ts'
import { resolvePack } from '../../../src/coap-wire/senml-pack.ts'
import { SENML_LIMITS, SenmlError, type SenmlRecord } from '../../../src/coap-wire/senml-record.ts'

const json = (text: string) => readSenmlJson(Buffer.from(text))
const cbor = (hex: string) => readSenmlCbor(Buffer.from(hex.replaceAll(' ', ''), 'hex'))
const resolved = (text: string, now = 1_500_000_000) => resolvePack(json(text), now)
const many = (count: number) => `[${Array.from({ length: count }, () => '{"n":"a","v":1}').join()}]`
const deep = (depth: number) => `[{"n":"a","v":1,"x":${'['.repeat(depth - 2)}${']'.repeat(depth - 2)}}]`

describe('in JSON', () => {
  test.each([
    ['{"n":"a","v":1}', 'array'],
    ['[]', 'without records'],
    ['[1]', 'JSON object'],
    ['[[]]', 'JSON object'],
    ['[null]', 'JSON object'],
    ['[{"n":"a","v":1}', 'no JSON'],
    ['[{"n":"a","v":1}] x', 'no JSON'],
    ['\ufeff[{"n":"a","v":1}]', 'no JSON'],
    ['[{"n":"a","v":"1"}]', 'v is not'],
    ['[{"n":"a","v":1e999}]', 'v is not'],
    ['[{"n":"a","v":true}]', 'v is not'],
    ['[{"n":"a","vb":1}]', 'vb is not'],
    ['[{"n":"a","vs":1}]', 'vs is not'],
    ['[{"n":1,"v":1}]', 'n is not'],
    ['[{"n":"a","v":null}]', 'v is not'],
    ['[{"n":"a","v":1,"t":"0"}]', 't is not'],
    ['[{"n":"a","v":1E3}]', 'upper-case'],
    ['[{"n":"a","v":1,"vs":"x"}]', 'more than one value'],
    ['[{"n":"a"}]', 'neither value nor sum'],
    ['[{}]', 'no name'],
    ['[{"v":1}]', 'no name'],
    ['[{"n":"","v":1}]', 'no name'],
    ['[{"n":"a b","v":1}]', 'other characters'],
    ['[{"n":"-a","v":1}]', 'other characters'],
    ['[{"bn":":","n":"a","v":1}]', 'other characters'],
    ['[{"n":"Küche","v":1}]', 'other characters'],
    ['[{"n":"a\\n","v":1}]', 'other characters'],
    ['[{"n":"a","vd":"aGkgCg=="}]', 'vd is not'],
    ['[{"n":"a","vd":"aG+g"}]', 'vd is not'],
    ['[{"n":"a","vd":"a"}]', 'vd is not'],
    ['[{"n":"a","v":1,"bver":11}]', 'version 11'],
    ['[{"n":"a","v":1,"bver":1e15}]', 'version 1000000000000000'],
    ['[{"n":"a","v":1,"bver":0}]', 'bver is not'],
    ['[{"n":"a","v":1,"bver":5.5}]', 'bver is not'],
    ['[{"n":"a","v":1,"bver":"10"}]', 'bver is not'],
    ['[{"n":"a","v":1},{"n":"a","v":2,"bver":5}]', 'different versions'],
    ['[{"n":"a","v":1,"foo_":1}]', 'must be understood'],
    ['[{"n":"a","v":1,"_":null}]', 'must be understood'],
    ['[{"n":"a","v":1,"__proto__":{"v":2}}]', 'must be understood'],
    ['[{"bn":"a:"},{"bfoo_":1}]', 'must be understood'],
    ['[{"n":"a","bt":1e308,"t":1e308,"v":1}]', 'no number'],
    ['[{"n":"a","bv":1e308,"v":1e308}]', 'no number'],
    ['[{"n":"a","bs":1e308,"s":1e308}]', 'no number'],
  ])('%s is refused', (text, reason) => {
    expect(() => json(text)).toThrow(SenmlError)
    expect(() => json(text)).toThrow(reason)
  })

  test.each([
    ['too many records', many(SENML_LIMITS.records + 1), 'more than 1000 records'],
    ['an extension too deep', deep(SENML_LIMITS.depth + 1), 'deeper than 8'],
    ['nothing but brackets', '['.repeat(30_000), 'deeper than 8'],
    ['too much of it', `[{"n":"a","vs":"${'x'.repeat(SENML_LIMITS.bytes)}"}]`, 'more than 65536 octets'],
  ])('%s is refused', (_, text, reason) => {
    expect(() => json(text)).toThrow(SenmlError)
    expect(() => json(text)).toThrow(reason)
  })

  test('text that is no UTF-8 is refused', () => {
    const bytes = Buffer.from('[{"n":"a","vs":"?"}]')
    bytes[bytes.indexOf('?')] = 0xff
    expect(() => readSenmlJson(bytes)).toThrow(SenmlError)
  })

  test.each([
    ['[{"n":"a","v":1,"foo":{"bar":[1,"_"]}}]'],
    ['[{"n":"a","v":1,"constructor":"x"}]'],
    [deep(SENML_LIMITS.depth).replace('"x"', '"x E \\\\\\" ]"')],
  ])('%s: what is not known is passed over', text => {
    expect(json(text)).toEqual([{ name: 'a', value: 1 }])
  })

  test('the limits are met to the last record', () => {
    expect(json(many(SENML_LIMITS.records))).toHaveLength(SENML_LIMITS.records)
  })
})

describe('in CBOR', () => {
  test.each([
    ['', 'definite length'],
    ['a2 00 61 61 02 01', 'definite length'],
    ['9f a2 00 61 61 02 01 ff', 'definite length'],
    ['80', 'without records'],
    ['81 01', 'CBOR map'],
    ['81 81 01', 'CBOR map'],
    ['81 a2 00 61 61 02', 'no CBOR'],
    ['81 a2 00 61 61 02 01 00', 'no CBOR'],
    ['9b 00 00 00 00 ff ff ff ff', 'no CBOR'],
    ['81 bb 00 00 00 00 ff ff ff ff', 'no CBOR'],
    ['81 a2 00 7a ff ff ff ff 61 02 01', 'no CBOR'],
    ['81 a3 00 61 61 02 01 02 02', 'no CBOR'],
    ['81 a2 00 62 c3 28 02 01', 'no CBOR'],
    ['81 a2 61 6e 61 61 02 01', 'neither number nor extension'],
    ['81 a3 00 61 61 02 01 f6 01', 'neither number nor extension'],
    ['81 a3 00 61 61 02 01 64 66 6f 6f 5f 01', 'must be understood'],
    ['81 a2 00 61 61 02 f9 7e00', 'v is not'],
    ['81 a2 00 61 61 02 f9 7c00', 'v is not'],
    ['81 a2 00 61 61 02 f5', 'v is not'],
    ['81 a2 00 61 61 02 f7', 'v is not'],
    ['81 a2 00 61 61 02 c2 41 01', 'v is not'],
    ['81 a2 00 61 61 02 c4 81 01', 'v is not'],
    ['81 a2 00 61 61 02 c4 82 19 ffff 01', 'v is not'],
    ['81 a2 00 61 61 02 c4 82 61 31 01', 'v is not'],
    ['81 a2 00 61 61 03 41 61', 'vs is not'],
    ['81 a2 00 61 61 08 61 61', 'vd is not'],
    ['81 a3 00 61 61 02 01 20 0b', 'version 11'],
    ['81 a3 00 61 61 02 01 20 20', 'bver is not'],
    [`81 a3 00 61 61 02 01 61 78 ${'81'.repeat(10)} 01`, 'too deep'],
  ])('%s is refused', (hex, reason) => {
    expect(() => cbor(hex)).toThrow(SenmlError)
    expect(() => cbor(hex)).toThrow(reason)
  })

  test.each([
    ['81 a2 00 61 61 02 c4 82 21 19 04d2', 12.34],
    ['81 a2 00 61 61 02 c4 82 02 20', -100],
    ['81 a2 00 61 61 02 1b ffffffffffffffff', 2 ** 64],
    ['81 bf 00 61 61 02 f9 3e00 ff', 1.5],
    ['81 a4 00 61 61 02 05 63 666f6f 81 01 18 63 01', 5],
  ])('%s is %d', (hex, value) => {
    expect(cbor(hex)).toEqual([{ name: 'a', value }])
  })

  test('nothing but arrays is refused', () => {
    expect(() => cbor(`${'81'.repeat(2_000)} 00`)).toThrow(/too deep/)
  })

  test('too many octets and records are refused', () => {
    const limits = { ...SENML_LIMITS, bytes: 40, records: 2 }
    const pack = (count: number) => writeSenmlCbor(Array.from({ length: count }, () => ({ name: 'a', value: 1 })))
    expect(readSenmlCbor(pack(2), limits)).toHaveLength(2)
    expect(() => readSenmlCbor(pack(3), limits)).toThrow(/2 records/)
    expect(() => readSenmlCbor(pack(9), limits)).toThrow(/40 octets/)
  })
})

describe('resolved', () => {
  test('base fields hold until the next of their kind, and a unit of its own comes first', () => {
    const records = resolved(`[
      {"bn":"x:","bu":"A","bv":10,"bs":100,"n":"a","v":1},
      {"n":"b","u":"V","v":-1,"s":1},
      {"bn":"y:","bu":"W","bv":0,"n":"c","vs":"text","ut":60}
    ]`)
    expect(records).toEqual([
      { name: 'x:a', unit: 'A', time: 1_500_000_000, value: 11, sum: 100 },
      { name: 'x:b', unit: 'V', time: 1_500_000_000, value: 9, sum: 101 },
      { name: 'y:c', unit: 'W', time: 1_500_000_000, value: 'text', sum: 100, updateTime: 60 },
    ])
  })

  test('a sum needs no value', () => {
    expect(resolved('[{"n":"a","s":7}]')).toEqual([{ name: 'a', time: 1_500_000_000, sum: 7 }])
  })

  test('below 2**28 a time is relative to now, from there on absolute; the order is that of time', () => {
    const records = resolved(
      `[{"n":"a","t":268435456,"v":1},{"n":"a","t":268435455.5,"v":2},{"n":"a","t":-9,"v":3}]`,
      9,
    )
    expect(records.map(({ time, value }) => [time, value])).toEqual([
      [0, 3],
      [268_435_456, 1],
      [268_435_464.5, 2],
    ])
  })

  test('a version that is not the default stays with each record', () => {
    expect(resolved('[{"n":"a","v":1,"bver":10}]')[0]).not.toHaveProperty('version')
    expect(resolved('[{"n":"a","v":1,"bver":5},{"n":"b","v":1}]').map(({ version }) => version)).toEqual([5, 5])
    expect(resolved('[{"n":"a","v":1},{"n":"b","v":1,"bver":10}]')).toHaveLength(2)
  })
})

test.each<[string, SenmlRecord[]]>([
  ['no records', []],
  ['a record without a name', [{ value: 1 }]],
  ['a record without a value', [{ name: 'a' }]],
  ['a number that is none', [{ name: 'a', value: Number.NaN }]],
  ['a later version', [{ name: 'a', value: 1, baseVersion: 11 }]],
])('%s is not written', (_, records) => {
  expect(() => writeSenmlJson(records)).toThrow(SenmlError)
  expect(() => writeSenmlCbor(records)).toThrow(SenmlError)
})
