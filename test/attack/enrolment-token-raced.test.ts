// Attack: somebody who got hold of a one-time token redeems it at the same moment as its owner, many times over.
import { describe, expect, it } from 'vitest'
import { ENROLMENT_PREFIX } from '../../src/enrolment/enrolment-record.ts'
import type { Failure } from '../../src/model/failure.ts'
import type { Entry, Operation, Store } from '../../src/store/store.ts'
import { type House, openHouse, operator, withType } from '../unit/ca/house.ts'
import { newKeys, requestPem } from '../unit/ca/requests.ts'
import { ADDRESS, openDesk } from '../unit/enrolment/desk.ts'

const RACERS = 50
const keys = Array.from({ length: RACERS }, newKeys.p256)

/** All at once, each with a key of its own, spread over several desks, as several ways in would be. */
async function race(house: House, token: string, device: (racer: number) => string | undefined) {
  const desks = Array.from({ length: 5 }, () => openDesk(house))
  const settled = await Promise.allSettled(
    keys.map((pair, racer) => {
      const wanted = device(racer)
      return desks[racer % desks.length]?.redeem({
        token,
        csr: requestPem({ keys: pair }),
        address: ADDRESS,
        ...(wanted !== undefined && { device: wanted }),
      })
    }),
  )
  const won = settled.flatMap(result => (result.status === 'fulfilled' && result.value ? [result.value] : []))
  const lost = settled.flatMap(result => (result.status === 'rejected' ? [result.reason as Failure] : []))
  expect(won.length + lost.length).toBe(RACERS)
  return { won, lost, codes: new Set(lost.map(({ code }) => code)) }
}

async function token(house: House, more: { uses?: number; device?: string } = {}): Promise<string> {
  await withType(house)
  return (await openDesk(house).create({ type: 'thermostat', ttl: 3600, ...more }, operator)).token
}

async function redeemedInTrail({ audit }: House): Promise<number> {
  await audit.flush()
  const records = await audit.list({ type: 'change', limit: 1000 })
  return records.filter(({ event }) => event.type === 'change' && event.what === 'enrolment.redeemed').length
}

describe('one token redeemed fifty times at once', () => {
  it.each<[string, { device?: string }, (racer: number) => string | undefined]>([
    ['for devices of different names', {}, racer => `t${racer}`],
    ['for one name', {}, () => 't1'],
    ['for names made here', {}, () => undefined],
    ['for its one device', { device: 't1' }, () => undefined],
  ])('%s makes exactly one device with one certificate', async (_, input, device) => {
    const house = await openHouse()
    const { won, codes } = await race(house, await token(house, input), device)
    expect(won).toHaveLength(1)
    expect(codes).toEqual(new Set(['enrolment-spent']))
    expect(await house.registry.devices()).toEqual([won[0]?.device])
    expect(await house.registry.credentials()).toEqual([won[0]?.credential])
    expect(await openDesk(house).list()).toMatchObject([{ status: 'spent', devices: [won[0]?.device.id] }])
    expect(await redeemedInTrail(house)).toBe(1)
    expect((await house.audit.verify()).ok).toBe(true)
  })

  it('with three uses makes exactly three', async () => {
    const house = await openHouse()
    const { won, codes } = await race(house, await token(house, { uses: 3 }), () => undefined)
    expect(won).toHaveLength(3)
    expect(codes).toEqual(new Set(['enrolment-spent']))
    expect(await house.registry.devices()).toHaveLength(3)
    expect(await redeemedInTrail(house)).toBe(3)
  })
})

describe('one token redeemed at once for every kind of credential', () => {
  it.each<[string, (racer: number) => string | undefined]>([
    ['for one name', () => 't1'],
    ['for different names', racer => `t${racer}`],
  ])('%s gives one credential of one kind', async (_, device) => {
    const house = await openHouse()
    await withType(house)
    const kinds = ['x509', 'secret', 'psk', 'jwt-key'] as const
    const { token: text } = await openDesk(house).create({ type: 'thermostat', ttl: 3600, kinds }, operator)
    const desks = kinds.map(() => openDesk(house))
    const settled = await Promise.allSettled(
      keys.map((pair, racer) => {
        const common = { token: text, address: ADDRESS, device: device(racer) }
        const requests = [
          { csr: requestPem({ keys: pair }) },
          { kind: 'secret', audience: 'mqtt' },
          { kind: 'psk' },
          { kind: 'jwt-key', jwk: pair.publicKey.export({ format: 'jwk' }) },
        ] as const
        const request = requests[racer % kinds.length] ?? requests[0]
        return desks[(racer >> 2) % desks.length]?.redeem({ ...common, ...request })
      }),
    )
    const won = settled.flatMap(result => (result.status === 'fulfilled' && result.value ? [result.value] : []))
    const lost = settled.flatMap(result => (result.status === 'rejected' ? [(result.reason as Failure).code] : []))
    expect(won).toHaveLength(1)
    expect(new Set(lost)).toEqual(new Set(['enrolment-spent']))
    expect(await house.registry.credentials()).toEqual([won[0]?.credential])
    expect(await house.registry.devices()).toEqual([won[0]?.device])
    expect(await redeemedInTrail(house)).toBe(1)
  })
})

describe('fifty tokens redeemed at once for one name', () => {
  it('make one device, and the others stay good', async () => {
    const house = await openHouse()
    const desk = openDesk(house)
    const tokens = await Promise.all(keys.map(() => token(house)))
    const redeem = (text: string, racer: number, device: string) =>
      desk.redeem({ token: text, csr: requestPem({ keys: keys[racer] ?? newKeys.p256() }), device, address: ADDRESS })
    const settled = await Promise.allSettled(tokens.map((text, racer) => redeem(text, racer, 't1')))
    expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    const loser = settled.findIndex(({ status }) => status === 'rejected')
    expect(settled[loser]).toMatchObject({ reason: { code: 'already-exists' } })
    expect((await redeem(tokens[loser] ?? '', loser, 't2')).device.id).toBe('t2')
  })
})

describe('the token read by two processes before either has written', () => {
  /** What a second process on the same data sees: enrolments as they were. `compare: false` also lets its writes through. */
  function secondProcess(compare: boolean): { through: (store: Store) => Store; freeze: () => void } {
    const old = new Map<string, Entry | undefined>()
    let frozen = false
    const unconditional = (operation: Operation): Operation => {
      if (compare || !('put' in operation) || !operation.put.startsWith(ENROLMENT_PREFIX)) return operation
      const { if: _if, ...rest } = operation
      return rest
    }
    return {
      freeze: () => {
        frozen = true
      },
      through: store =>
        new Proxy(store, {
          get: (target, name) => {
            if (name === 'get') {
              return (key: string) => {
                if (!frozen || !key.startsWith(ENROLMENT_PREFIX)) return target.get(key)
                if (!old.has(key)) old.set(key, target.get(key))
                return old.get(key)
              }
            }
            if (name === 'commit') {
              return (operations: readonly Operation[], ...rest: []) =>
                target.commit(operations.map(unconditional), ...rest)
            }
            const value: unknown = Reflect.get(target, name)
            return typeof value === 'function' ? value.bind(target) : value
          },
        }),
    }
  }

  it('is still spent once: the compare-and-set of the batch decides', async () => {
    const { through, freeze } = secondProcess(true)
    const house = await openHouse({ through })
    const text = await token(house)
    freeze()
    const { won, codes } = await race(house, text, racer => `t${racer}`)
    expect(won).toHaveLength(1)
    expect(codes).toEqual(new Set(['conflict']))
    expect(await house.registry.devices()).toHaveLength(1)
    expect(await house.registry.credentials()).toHaveLength(1)
  })

  it('would be spent many times without the compare-and-set: this test can fail', async () => {
    const { through, freeze } = secondProcess(false)
    const house = await openHouse({ through })
    const text = await token(house)
    freeze()
    const { won } = await race(house, text, racer => `t${racer}`)
    expect(won.length).toBeGreaterThan(1)
  })
})
