import { describe, expect, it } from 'vitest'
import { openHouse, operator } from '../ca/house.ts'
import { requestPem } from '../ca/requests.ts'
import { ADDRESS, openDesk } from './desk.ts'

/** What a restart finds of an enrolment that was cut off around its write to disk. */
async function afterCrash(at: 'beforeWrite' | 'afterWrite') {
  let armed = false
  const stop = () => {
    if (armed) throw new Error('the power went out')
  }
  const house = await openHouse({ faults: { [at]: stop } })
  const { token, id } = await openDesk(house).create({ type: 'thermostat', ttl: 3600 }, operator)
  armed = true
  const redeemed = openDesk(house).redeem({ token, csr: requestPem(), device: 't1', address: ADDRESS })
  await expect(redeemed).rejects.toMatchObject({ code: 'store-failed' })
  await house.store.close().catch(() => undefined)

  const again = await openHouse({ directory: house.directory, clock: house.clock })
  const desk = openDesk(again)
  const [enrolment] = await desk.list()
  const trail = await again.audit.verify()
  return { again, desk, token, id, enrolment, trail, credentials: await again.registry.credentialsOf('t1') }
}

describe('a crash while an enrolment is written', () => {
  it('before the batch leaves nothing, and the token is as good as before', async () => {
    const { again, desk, token, enrolment, trail, credentials } = await afterCrash('beforeWrite')
    expect(again.registry.device('t1')).toBeUndefined()
    expect(credentials).toEqual([])
    expect(enrolment).toMatchObject({ status: 'open', devices: [] })
    expect(trail.ok).toBe(true)
    const { device } = await desk.redeem({ token, csr: requestPem(), device: 't1', address: ADDRESS })
    expect(device.id).toBe('t1')
  })

  it('after the batch leaves everything, and the token is spent', async () => {
    const { again, desk, token, enrolment, trail, credentials } = await afterCrash('afterWrite')
    expect(again.registry.device('t1')).toMatchObject({ id: 't1', type: 'thermostat' })
    expect(credentials).toMatchObject([{ owner: 't1', kind: 'x509', status: 'active' }])
    expect(enrolment).toMatchObject({ status: 'spent', devices: ['t1'] })
    expect(trail.ok).toBe(true)
    await expect(desk.redeem({ token, csr: requestPem(), address: ADDRESS })).rejects.toMatchObject({
      code: 'enrolment-spent',
    })
  })
})
