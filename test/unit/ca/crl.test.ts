import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto'
import { AsnConvert } from '@peculiar/asn1-schema'
import { AuthorityKeyIdentifier, CertificateList, CRLNumber, CRLReason } from '@peculiar/asn1-x509'
import { describe, expect, it } from 'vitest'
import { encodeEntry, reasonCode, writeCrl } from '../../../src/ca/crl.ts'
import * as der from '../../../src/ca/der.ts'
import { distinguishedName } from '../../../src/ca/signer.ts'

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const keyIdentifier = Buffer.from('00112233445566778899aabbccddeeff00112233', 'hex')
const thisUpdate = Date.UTC(2026, 2, 4, 5, 6, 7)
const write = (entries: Buffer[], number = 7, at = thisUpdate) =>
  writeCrl(
    {
      issuerName: distinguishedName('CA'),
      keyIdentifier,
      number,
      thisUpdate: at,
      nextUpdate: at + 86_400_000,
      entries,
    },
    privateKey,
  )
const bytes = (value: ArrayBuffer | undefined) => Buffer.from(value ?? new ArrayBuffer(0))
const parse = (list: Buffer) => AsnConvert.parse(list, CertificateList)

describe('a certificate revocation list', () => {
  it('reads as it was meant, by another implementation', () => {
    const { tbsCertList: list } = parse(
      write([
        encodeEntry({ serial: 'ff01', revokedAt: thisUpdate - 1000, reason: 'key compromise' }),
        encodeEntry({ serial: '7f', revokedAt: thisUpdate, reason: 'lost in the garden' }),
      ]),
    )
    expect(list.version).toBe(1)
    expect(list.thisUpdate.getTime()).toEqual(new Date(thisUpdate))
    expect(list.nextUpdate?.getTime()).toEqual(new Date(thisUpdate + 86_400_000))
    const [first, second] = list.revokedCertificates ?? []
    expect(bytes(first?.userCertificate).toString('hex')).toBe('00ff01')
    expect(first?.revocationDate.getTime()).toEqual(new Date(thisUpdate - 1000))
    const reason = first?.crlEntryExtensions?.[0]
    expect(AsnConvert.parse(bytes(reason?.extnValue.buffer), CRLReason).reason).toBe(1)
    expect(second?.crlEntryExtensions).toBeUndefined()
    const [identifier, number] = list.crlExtensions ?? []
    const { keyIdentifier: id } = AsnConvert.parse(bytes(identifier?.extnValue.buffer), AuthorityKeyIdentifier)
    expect(bytes(id?.buffer)).toEqual(keyIdentifier)
    expect(AsnConvert.parse(bytes(number?.extnValue.buffer), CRLNumber).value).toBe(7)
  })

  it('is signed by its key, and only as it is', () => {
    const list = write([encodeEntry({ serial: '01', revokedAt: thisUpdate, reason: null })])
    const { signature, tbsCertListRaw } = parse(list) as CertificateList & { tbsCertListRaw?: ArrayBuffer }
    const start = list.indexOf(der.unsignedInteger('01')) - 4
    const signed = tbsCertListRaw
      ? Buffer.from(tbsCertListRaw)
      : list.subarray(start, start + 4 + list.readUInt16BE(start + 2))
    const key = createPublicKey(privateKey)
    expect(verify('sha256', signed, key, Buffer.from(signature))).toBe(true)
    const altered = Buffer.from(signed)
    altered[40] = (altered[40] ?? 0) ^ 1
    expect(verify('sha256', altered, key, Buffer.from(signature))).toBe(false)
  })

  it('leaves the list of entries out when nothing is revoked (RFC 5280 5.1.2.6)', () => {
    expect(parse(write([])).tbsCertList.revokedCertificates).toBeUndefined()
  })

  it('writes times from 2050 on as GeneralizedTime', () => {
    const at = Date.UTC(2050, 0, 1)
    expect(parse(write([], 1, at)).tbsCertList.thisUpdate.generalTime).toEqual(new Date(at))
    expect(parse(write([], 1, at - 86_400_000)).tbsCertList.thisUpdate.utcTime).toEqual(new Date(at - 86_400_000))
  })

  it('knows the reasons of RFC 5280 5.3.1 by name and no others', () => {
    expect(
      ['keyCompromise', 'Key compromise', 'superseded', 'owner removed', 'privilege-withdrawn'].map(reasonCode),
    ).toEqual([1, 1, 4, 5, 9])
    expect([null, '', 'unspecified', 'stolen', 'constructor'].map(reasonCode)).toEqual([null, null, null, null, null])
  })
})
