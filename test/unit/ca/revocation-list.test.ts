import { AsnConvert } from '@peculiar/asn1-schema'
import { CertificateList, CRLNumber } from '@peculiar/asn1-x509'
import { describe, expect, it } from 'vitest'
import { DAY, openHouse, operator, withDevice } from './house.ts'
import { requestPem } from './requests.ts'

interface Read {
  readonly der: Buffer
  readonly serials: string[]
  readonly number: number
  readonly nextUpdate: number
}

function read(der: Buffer | undefined): Read {
  if (!der) throw new Error('there is no such list')
  const { tbsCertList: list } = AsnConvert.parse(der, CertificateList)
  const number = list.crlExtensions?.find(({ extnID }) => extnID === '2.5.29.20')
  return {
    der,
    serials: (list.revokedCertificates ?? []).map(({ userCertificate }) =>
      BigInt(`0x${Buffer.from(userCertificate).toString('hex')}`).toString(16),
    ),
    number: number ? AsnConvert.parse(Buffer.from(number.extnValue.buffer), CRLNumber).value : -1,
    nextUpdate: list.nextUpdate?.getTime().getTime() ?? 0,
  }
}

const serialOf = (hex: string) => BigInt(`0x${hex}`).toString(16)

async function houseWith(count: number) {
  const house = await openHouse()
  await withDevice(house, 't1')
  const credentials = []
  for (let i = 0; i < count; i++) {
    credentials.push((await house.ca.issue({ owner: 't1', csr: requestPem() }, operator)).credential)
  }
  const list = async () => read(await house.ca.crl(house.ca.id))
  const revoke = (id: string | undefined, reason = 'key compromise') =>
    house.registry.revokeCredential(id ?? '', { reason }, operator)
  return { house, credentials, list, revoke }
}

describe('the revocation list', () => {
  it('holds what was revoked as soon as the revocation resolves, and nothing else', async () => {
    const { house, credentials, list, revoke } = await houseWith(3)
    expect((await list()).serials).toEqual([])
    await revoke(credentials[1]?.id)
    expect((await list()).serials).toEqual([serialOf(credentials[1]?.serial ?? '')])
    await house.registry.removeDevice('t1', operator)
    expect((await list()).serials.sort()).toEqual(credentials.map(({ serial }) => serialOf(serial)).sort())
  })

  it('is the same until something changes or half its life is over; its number only rises, over restarts too', async () => {
    const { house, credentials, list, revoke } = await houseWith(1)
    const first = await list()
    house.clock.time += DAY / 2 - 1000
    expect((await list()).der).toEqual(first.der)
    house.clock.time += 1000
    const second = await list()
    expect(second.nextUpdate).toBe(house.clock.now() + DAY)
    await revoke(credentials[0]?.id)
    const third = await list()
    await house.store.close()
    const again = await openHouse({ directory: house.directory, clock: house.clock })
    const fourth = read(await again.ca.crl(again.ca.id))
    expect(fourth.serials).toEqual(third.serials)
    expect([first.number, second.number, third.number, fourth.number]).toEqual([1, 2, 3, 4])
  })

  it('is signed once for many who ask at once', async () => {
    const { house } = await houseWith(0)
    const lists = await Promise.all(Array.from({ length: 20 }, () => house.ca.crl(house.ca.id)))
    expect(new Set(lists.map(list => read(list).number))).toEqual(new Set([1]))
  })

  it('keeps a certificate until a list was issued after its end (RFC 5280 3.3)', async () => {
    const { house, credentials, list, revoke } = await houseWith(1)
    await revoke(credentials[0]?.id)
    house.clock.time = (credentials[0]?.expiresAt ?? 0) + 1000
    expect((await list()).serials).toHaveLength(1)
    house.clock.time += DAY
    expect((await list()).serials).toEqual([])
  })

  it('of the root is empty; another authority has none', async () => {
    const { house, credentials, revoke } = await houseWith(1)
    await revoke(credentials[0]?.id)
    expect(read(await house.ca.crl(`${house.ca.id}-root`)).serials).toEqual([])
    expect(await house.ca.crl('other')).toBeUndefined()
    expect(await house.ca.crl('constructor')).toBeUndefined()
  })

  it('comes as text under the label that OpenSSL reads', async () => {
    const { house } = await houseWith(0)
    expect(await house.ca.crlPem(house.ca.id)).toMatch(/^-----BEGIN X509 CRL-----\n[\s\S]+\n-----END X509 CRL-----\n$/)
  })
})
