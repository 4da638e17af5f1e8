// Attack: a token that was made for one kind of credential is used to get another, which is easier to copy or lasts longer.
import { describe, expect, it } from 'vitest'
import type { EnrolmentKind } from '../../src/enrolment/authorisation.ts'
import type { CredentialRequests } from '../../src/enrolment/issue-credential.ts'
import { openHouse, operator, withDevice, withType } from '../unit/ca/house.ts'
import { newKeys, requestPem } from '../unit/ca/requests.ts'
import { ADDRESS, openDesk } from '../unit/enrolment/desk.ts'

const jwk = () => newKeys.p256().publicKey.export({ format: 'jwk' })
const REQUESTS: { readonly [K in EnrolmentKind]: () => CredentialRequests[K] } = {
  x509: () => ({ csr: requestPem() }),
  secret: () => ({ kind: 'secret', audience: 'token' }),
  psk: () => ({ kind: 'psk' }),
  oscore: () => ({ kind: 'oscore' }),
  'jwt-key': () => ({ kind: 'jwt-key', jwk: jwk() }),
}
const KINDS = Object.keys(REQUESTS) as EnrolmentKind[]

describe.each(KINDS)('a token for %s', allowed => {
  const others = KINDS.filter(kind => kind !== allowed)

  it.each(others)('gives no %s, makes nothing, and stays good', async kind => {
    const house = await openHouse()
    await withType(house)
    const desk = openDesk(house)
    const { token } = await desk.create({ type: 'thermostat', ttl: 60, kinds: [allowed] }, operator)
    const wrong = desk.redeem({ token, device: 't1', address: ADDRESS, ...REQUESTS[kind]() })
    await expect(wrong).rejects.toMatchObject({ code: 'policy-denied' })
    expect(await house.registry.devices()).toEqual([])
    expect(await house.registry.credentials()).toEqual([])
    expect(await desk.list()).toMatchObject([{ status: 'open', devices: [] }])
    const { credential } = await desk.redeem({ token, device: 't1', address: ADDRESS, ...REQUESTS[allowed]() })
    expect(credential).toMatchObject({ owner: 't1', kind: allowed })
  })

  it('for a device that exists gives it no other kind either', async () => {
    const house = await openHouse()
    await withDevice(house, 't1')
    const desk = openDesk(house)
    const { token } = await desk.create({ type: 'thermostat', ttl: 60, kinds: [allowed], device: 't1' }, operator)
    for (const kind of others) {
      const wrong = desk.redeem({ token, address: ADDRESS, ...REQUESTS[kind]() })
      await expect(wrong).rejects.toMatchObject({ code: 'policy-denied' })
    }
    expect(await house.registry.credentials()).toEqual([])
  })
})

it('a token as it was kept before there were kinds gives certificates alone', async () => {
  const house = await openHouse()
  await withType(house)
  const desk = openDesk(house)
  const { id, token } = await desk.create({ type: 'thermostat', ttl: 60, kinds: ['psk', 'x509'] }, operator)
  const { kinds: _, ...before } = JSON.parse(String(house.store.get(`enrolment/${id}`)?.value))
  await house.store.commit([{ put: `enrolment/${id}`, value: JSON.stringify(before) }])
  const wrong = desk.redeem({ token, device: 't1', address: ADDRESS, kind: 'psk' })
  await expect(wrong).rejects.toMatchObject({ code: 'policy-denied' })
  const { credential } = await desk.redeem({ token, device: 't1', address: ADDRESS, csr: requestPem() })
  expect(credential.kind).toBe('x509')
})
