// The examples of RFC 8428. Numbers with an exponent are written as JavaScript writes them; all else is byte by byte.
import { describe, expect, test } from 'vitest'
import { readSenmlCbor, writeSenmlCbor } from '../../src/coap-wire/senml-cbor.ts'
import { readSenmlJson, writeSenmlJson } from '../../src/coap-wire/senml-json.ts'
import { resolvePack } from '../../src/coap-wire/senml-pack.ts'

/** Seconds since the epoch: where an example says "now", this. */
const NOW = 1_500_000_000

interface Vector {
  readonly source: string
  readonly json: string
  /** As the RFC resolves it (5.1.4), or as it follows from 4.6. */
  readonly resolved: readonly object[]
}

const device = 'urn:dev:ow:10e2073a01080063'
const current = (time: number, value: number) => ({
  name: 'urn:dev:ow:10e2073a0108006:current',
  unit: 'A',
  time,
  value,
  version: 5,
})
const mobile = (time: number, unit: string, value: number) => ({ name: device, unit, time, value })
const light = (name: string, time: number, value: number) => ({ name, unit: '/', time, value })

const VOLTAGE_AND_CURRENT = `[
  {"bn":"urn:dev:ow:10e2073a0108006:","bt":1.276020076001e+09,"bu":"A","bver":5,"n":"voltage","u":"V","v":120.1},
  {"n":"current","t":-5,"v":1.2},
  {"n":"current","t":-4,"v":1.3},
  {"n":"current","t":-3,"v":1.4},
  {"n":"current","t":-2,"v":1.5},
  {"n":"current","t":-1,"v":1.6},
  {"n":"current","v":1.7}
]`

const VECTORS: readonly Vector[] = [
  {
    source: 'RFC 8428 5.1.1',
    json: `[ {"n":"urn:dev:ow:10e2073a01080063","u":"Cel","v":23.1} ]`,
    resolved: [{ name: device, unit: 'Cel', time: NOW, value: 23.1 }],
  },
  {
    source: 'RFC 8428 5.1.2, voltage and current now',
    json: `[
      {"bn":"urn:dev:ow:10e2073a01080063:","n":"voltage","u":"V","v":120.1},
      {"n":"current","u":"A","v":1.2}
    ]`,
    resolved: [
      { name: `${device}:voltage`, unit: 'V', time: NOW, value: 120.1 },
      { name: `${device}:current`, unit: 'A', time: NOW, value: 1.2 },
    ],
  },
  {
    source: 'RFC 8428 5.1.2, current at each second',
    json: VOLTAGE_AND_CURRENT,
    resolved: [
      current(1276020071.001, 1.2),
      current(1276020072.001, 1.3),
      current(1276020073.001, 1.4),
      current(1276020074.001, 1.5),
      current(1276020075.001, 1.6),
      { ...current(1276020076.001, 120.1), name: 'urn:dev:ow:10e2073a0108006:voltage', unit: 'V' },
      current(1276020076.001, 1.7),
    ],
  },
  {
    source: 'RFC 8428 5.1.3, resolved in 5.1.4',
    json: `[
      {"bn":"urn:dev:ow:10e2073a01080063","bt":1.320067464e+09,"bu":"%RH","v":20},
      {"u":"lon","v":24.30621},
      {"u":"lat","v":60.07965},
      {"t":60,"v":20.3},
      {"u":"lon","t":60,"v":24.30622},
      {"u":"lat","t":60,"v":60.07965},
      {"t":120,"v":20.7},
      {"u":"lon","t":120,"v":24.30623},
      {"u":"lat","t":120,"v":60.07966},
      {"u":"%EL","t":150,"v":98},
      {"t":180,"v":21.2},
      {"u":"lon","t":180,"v":24.30628},
      {"u":"lat","t":180,"v":60.07967}
    ]`,
    resolved: [
      mobile(1320067464, '%RH', 20),
      mobile(1320067464, 'lon', 24.30621),
      mobile(1320067464, 'lat', 60.07965),
      mobile(1320067524, '%RH', 20.3),
      mobile(1320067524, 'lon', 24.30622),
      mobile(1320067524, 'lat', 60.07965),
      mobile(1320067584, '%RH', 20.7),
      mobile(1320067584, 'lon', 24.30623),
      mobile(1320067584, 'lat', 60.07966),
      mobile(1320067614, '%EL', 98),
      mobile(1320067644, '%RH', 21.2),
      mobile(1320067644, 'lon', 24.30628),
      mobile(1320067644, 'lat', 60.07967),
    ],
  },
  {
    source: 'RFC 8428 5.1.5',
    json: `[
      {"bn":"urn:dev:ow:10e2073a01080063:","n":"temp","u":"Cel","v":23.1},
      {"n":"label","vs":"Machine Room"},
      {"n":"open","vb":false},
      {"n":"nfc-reader","vd":"aGkgCg"}
    ]`,
    resolved: [
      { name: `${device}:temp`, unit: 'Cel', time: NOW, value: 23.1 },
      { name: `${device}:label`, time: NOW, value: 'Machine Room' },
      { name: `${device}:open`, time: NOW, value: false },
      { name: `${device}:nfc-reader`, time: NOW, value: Buffer.from('hi \n') },
    ],
  },
  {
    source: 'RFC 8428 5.1.6',
    json: `[
      {"bn":"2001:db8::2/","bt":1.320078429e+09,"n":"temperature","u":"Cel","v":25.2},
      {"n":"humidity","u":"%RH","v":30},
      {"bn":"2001:db8::1/","n":"temperature","u":"Cel","v":12.3},
      {"n":"humidity","u":"%RH","v":67}
    ]`,
    resolved: [
      { name: '2001:db8::2/temperature', unit: 'Cel', time: 1320078429, value: 25.2 },
      { name: '2001:db8::2/humidity', unit: '%RH', time: 1320078429, value: 30 },
      { name: '2001:db8::1/temperature', unit: 'Cel', time: 1320078429, value: 12.3 },
      { name: '2001:db8::1/humidity', unit: '%RH', time: 1320078429, value: 67 },
    ],
  },
  {
    source: 'RFC 8428 5.1.7, a thermostat',
    json: `[
      {"bn":"urn:dev:ow:10e2073a01080063:"},
      {"n":"temp","u":"Cel","v":23.1},
      {"n":"heat","u":"/","v":1},
      {"n":"fan","u":"/","v":0}
    ]`,
    resolved: [
      { name: `${device}:temp`, unit: 'Cel', time: NOW, value: 23.1 },
      light(`${device}:heat`, NOW, 1),
      light(`${device}:fan`, NOW, 0),
    ],
  },
  {
    source: 'RFC 8428 5.1.7, two lights on',
    json: `[ {"bt":1.320078429e+09,"bu":"/","n":"2001:db8::3","v":1}, {"n":"2001:db8::4","v":1} ]`,
    resolved: [light('2001:db8::3', 1320078429, 1), light('2001:db8::4', 1320078429, 1)],
  },
  {
    source: 'RFC 8428 5.1.7, two lights off',
    json: `[
      {"bt":1.320078429e+09,"bu":"/","n":"2001:db8::3","v":0.5},
      {"n":"2001:db8::4","v":0.5},
      {"n":"2001:db8::3","t":0.1,"v":0},
      {"n":"2001:db8::4","t":0.1,"v":0}
    ]`,
    resolved: [
      light('2001:db8::3', 1320078429, 0.5),
      light('2001:db8::4', 1320078429, 0.5),
      light('2001:db8::3', 1320078429.1, 0),
      light('2001:db8::4', 1320078429.1, 0),
    ],
  },
]

describe.each(VECTORS)('$source', ({ json, resolved }) => {
  const records = readSenmlJson(Buffer.from(json))

  test('is written as it was read', () => {
    expect(writeSenmlJson(records).toString()).toBe(JSON.stringify(JSON.parse(json)))
  })

  test('says the same in CBOR', () => {
    expect(readSenmlCbor(writeSenmlCbor(records))).toEqual(records)
  })

  test('resolves', () => {
    expect(resolvePack(records, NOW)).toEqual(resolved)
  })
})

/** RFC 8428 6: the third example of 5.1.2, octet by octet. */
const CBOR = [
  '87 a7 21 78 1b 75 72 6e 3a 64 65 76 3a 6f 77 3a',
  '31 30 65 32 30 37 33 61 30 31 30 38 30 30 36 3a',
  '22 fb 41 d3 03 a1 5b 00 10 62 23 61 41 20 05 00',
  '67 76 6f 6c 74 61 67 65 01 61 56 02 fb 40 5e 06',
  '66 66 66 66 66 a3 00 67 63 75 72 72 65 6e 74 06',
  '24 02 fb 3f f3 33 33 33 33 33 33 a3 00 67 63 75',
  '72 72 65 6e 74 06 23 02 fb 3f f4 cc cc cc cc cc',
  'cd a3 00 67 63 75 72 72 65 6e 74 06 22 02 fb 3f',
  'f6 66 66 66 66 66 66 a3 00 67 63 75 72 72 65 6e',
  '74 06 21 02 f9 3e 00 a3 00 67 63 75 72 72 65 6e',
  '74 06 20 02 fb 3f f9 99 99 99 99 99 9a a3 00 67',
  '63 75 72 72 65 6e 74 06 00 02 fb 3f fb 33 33 33',
  '33 33 33',
].join('')

describe('RFC 8428 6', () => {
  const bytes = Buffer.from(CBOR.replaceAll(' ', ''), 'hex')
  const records = readSenmlCbor(bytes)

  test('is read as the same pack in JSON, but for the time that the one writes and the other leaves out', () => {
    const [last, ...before] = readSenmlJson(Buffer.from(VOLTAGE_AND_CURRENT)).reverse()
    expect(records).toEqual([...before.reverse(), { ...last, time: 0 }])
  })

  test('is written octet by octet', () => {
    expect(writeSenmlCbor(records)).toEqual(bytes)
  })
})
