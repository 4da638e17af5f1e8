import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import * as der from '../../../src/ca/der.ts'

describe('DER', () => {
  it('writes lengths in the shortest form', () => {
    expect(
      [0, 127, 128, 255, 256, 65_535, 65_536].map(n =>
        der
          .element(4, Buffer.alloc(n))
          .subarray(0, -n || undefined)
          .toString('hex'),
      ),
    ).toEqual(['0400', '047f', '048180', '0481ff', '04820100', '0482ffff', '0483010000'])
  })

  it('writes object identifiers and integers as the standard shows', () => {
    expect(der.objectIdentifier('1.2.840.113549.1.1.11').toString('hex')).toBe('06092a864886f70d01010b')
    expect(der.objectIdentifier('2.5.29.20').toString('hex')).toBe('0603551d14')
    expect(['0', '7f', '80', '0001', '00ff'].map(hex => der.unsignedInteger(hex).toString('hex'))).toEqual([
      '020100',
      '02017f',
      '02020080',
      '020101',
      '020200ff',
    ])
  })

  it('splits what is whole and canonical, and nothing else', () => {
    const read = (hex: string) => der.readElements(Buffer.from(hex, 'hex'))?.map(({ tag }) => tag) ?? null
    expect(read('')).toEqual([])
    expect(read('0500')).toEqual([5])
    expect(read('30030201020500')).toEqual([0x30, 5])
    const refused = {
      'cut off': '0502ff',
      'without a length': '30',
      'inside too long': '3003020200',
      'inside too short': '300402010200',
      'of indefinite length': '30800000',
      'of a length in the long form without need': '308103020102',
      'of a length with a leading zero': `04820080${'00'.repeat(128)}`,
      'of a tag above 30': '1f8101 00'.replace(' ', ''),
      'of a length beyond all': '0484ffffffff',
    }
    for (const [what, hex] of Object.entries(refused)) expect(read(hex), what).toBeNull()
  })

  it('reads back any length that it writes', () => {
    for (const length of [0, 1, 127, 128, 255, 256, 65_535, 65_536]) {
      const [element] = der.readElements(der.octetString(Buffer.alloc(length, 7))) ?? []
      expect(element?.contents.length).toBe(length)
    }
  })

  it('writes any serial as the positive integer that it is', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }), serial => {
        const [element] = der.readElements(der.unsignedInteger(serial.toString(16))) ?? []
        const contents = element?.contents ?? Buffer.alloc(0)
        expect(BigInt(`0x${contents.toString('hex')}`)).toBe(serial)
        expect((contents[0] ?? 0x80) < 0x80).toBe(true)
      }),
      { numRuns: 200 },
    )
  })
})
