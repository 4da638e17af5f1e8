import { beforeEach, describe, expect, it } from 'vitest'
import type { DeviceInput } from '../../../src/registry/records.ts'
import { ACTOR, type House, openHouse, principalOf, refused } from './house.ts'

let house: House
beforeEach(async () => {
  house = await openHouse()
})

const make = (id: string, rest: Partial<DeviceInput> = {}) =>
  house.registry.createDevice({ id, type: 'thermostat', ...rest }, ACTOR)

describe('the life of a device', () => {
  it('is created, found, told and on record', async () => {
    const device = await make('t1', { attributes: { room: 'kitchen' }, groups: ['climate', 'climate'], roles: ['r'] })
    expect(device).toMatchObject({
      id: 't1',
      type: 'thermostat',
      status: 'active',
      groups: ['climate'],
      roles: ['r'],
      parent: null,
      clientIds: 'own',
      createdAt: house.clock.time,
      updatedAt: house.clock.time,
    })
    expect(house.registry.device('t1')).toEqual(device)
    expect(house.told).toEqual([{ kind: 'device', id: 't1', what: 'created' }])
    expect(await house.trail()).toEqual(['device.created t1'])
    const [record] = await house.audit.list({ type: 'change' })
    expect(record?.event).toMatchObject({ actor: ACTOR, detail: { type: '"thermostat"' } })
  })

  it('survives a restart with its epochs', async () => {
    const before = await make('t1')
    const after = await house.reopened()
    expect(after.registry.device('t1')).toEqual(before)
    await after.registry.removeDevice('t1', ACTOR)
    const again = await after.registry.createDevice({ id: 't1', type: 'x' }, ACTOR)
    expect(again.epoch).toBeGreaterThan(before.epoch)
  })

  it('is updated: attributes are merged, lists replaced, and nothing else moves', async () => {
    const before = await make('t1', { attributes: { room: 'kitchen', floor: 'one' }, groups: ['a'] })
    house.clock.time += 1_000
    const after = await house.registry.updateDevice('t1', { attributes: { room: 'attic', floor: null } }, ACTOR)
    expect(after).toEqual({ ...before, attributes: { room: 'attic' }, updatedAt: house.clock.time })
    expect(house.told.at(-1)).toEqual({ kind: 'device', id: 't1', what: 'updated' })
    expect((await house.registry.updateDevice('t1', { groups: [] }, ACTOR)).groups).toEqual([])
  })

  it('is neither told nor on record when a patch changes nothing', async () => {
    const before = await make('t1', { attributes: { room: 'kitchen' }, groups: ['a'] })
    house.clock.time += 1_000
    const patch = { attributes: { room: 'kitchen', other: null }, groups: ['a'], type: 'thermostat' }
    expect(await house.registry.updateDevice('t1', patch, ACTOR)).toEqual(before)
    expect(house.told).toHaveLength(1)
    expect(await house.trail()).toEqual(['device.created t1'])
  })

  it('is suspended and resumed, each once', async () => {
    const before = await make('t1')
    const suspended = await house.registry.suspendDevice('t1', ACTOR)
    expect(suspended.status).toBe('suspended')
    expect(suspended.epoch).toBeGreaterThan(before.epoch)
    await refused(house.registry.suspendDevice('t1', ACTOR), 'wrong-state', 't1 is already suspended')
    const resumed = await house.registry.resumeDevice('t1', ACTOR)
    expect(resumed).toMatchObject({ status: 'active', epoch: suspended.epoch })
    await refused(house.registry.resumeDevice('t1', ACTOR), 'wrong-state', 't1 is not suspended')
    expect(await house.trail()).toEqual(['device.created t1', 'device.suspended t1', 'device.resumed t1'])
  })

  it('is removed with everything that leads to it', async () => {
    await make('t1')
    await house.registry.issueSecret('t1', { audience: 'mqtt' }, ACTOR)
    await house.registry.removeDevice('t1', ACTOR)
    expect(house.registry.device('t1')).toBeUndefined()
    expect(house.registry.subjectOf('t1')).toBeUndefined()
    for (const prefix of ['device/', 'owner/', 'of-type/', 'children/']) expect(await house.keys(prefix)).toEqual([])
    expect(house.told.slice(-2).map(change => 'what' in change && change.what)).toEqual(['revoked', 'removed'])
    await refused(house.registry.removeDevice('t1', ACTOR), 'not-found', 'there is no device called t1')
  })

  it('may be created again, but neither old sessions nor old credentials come back', async () => {
    await make('t1')
    const { credential } = await house.registry.issueSecret('t1', { audience: 'mqtt' }, ACTOR)
    const old = principalOf(house.registry, 't1', credential)
    const withoutCredential = principalOf(house.registry, 't1', null)
    expect(house.registry.standing(old)).toBeNull()
    await house.registry.removeDevice('t1', ACTOR)
    expect(house.registry.standing(old)).toBe('superseded')
    await make('t1')
    expect(house.registry.standing(old)).toBe('superseded')
    expect(house.registry.standing(withoutCredential)).toBe('superseded')
    expect(house.registry.credentialByKeyId(credential.keyId)).toMatchObject({
      status: 'revoked',
      revocationReason: 'owner removed',
    })
  })
})

describe('what a device may not be', () => {
  it.each([
    ['', 'invalid-identifier'],
    ['a/b', 'invalid-identifier'],
    ['+', 'invalid-identifier'],
    ['#', 'invalid-identifier'],
    ['__proto__', 'invalid-identifier'],
    ['a b', 'invalid-identifier'],
    ['a\u0000', 'invalid-identifier'],
    ['x'.repeat(65), 'invalid-identifier'],
  ] as const)('called %j', async (id, code) => {
    await refused(make(id), code)
    expect(house.registry.device(id)).toBeUndefined()
  })

  it.each([
    [{ type: 'a/b' }, 'invalid-identifier', 'type'],
    [{ roles: ['a b'] }, 'invalid-identifier', 'role'],
    [{ groups: ['#'] }, 'invalid-identifier', 'group'],
    [{ attributes: { 'a/b': 'x' } }, 'invalid-identifier', 'attribute name'],
    [{ attributes: { room: 'a/b' } }, 'invalid-input', 'attribute room'],
    [{ attributes: { room: '+' } }, 'invalid-input', 'attribute room'],
    [{ attributes: { room: '' } }, 'invalid-input', 'attribute room'],
    [{ attributes: { room: 'a\nb' } }, 'invalid-input', 'attribute room'],
    [{ attributes: { room: 'x'.repeat(129) } }, 'invalid-input', 'attribute room'],
    [{ attributes: { id: 't2' } }, 'invalid-input', 'attribute id'],
    [{ attributes: { type: 't2' } }, 'invalid-input', 'attribute type'],
    [{ attributes: { children: 't2' } }, 'invalid-input', 'attribute children'],
    [JSON.parse('{"attributes":{"__proto__":"x"}}'), 'invalid-identifier', 'attribute name'],
    [JSON.parse('{"attributes":{"room":7}}'), 'invalid-input', 'attribute room'],
    [JSON.parse('{"attributes":[]}'), 'invalid-input', 'attributes of device t1'],
    [JSON.parse('{"groups":"a"}'), 'invalid-input', 'groups of device t1 must be a list'],
    [JSON.parse('{"clientIds":"all"}'), 'invalid-input', 'clientIds of device t1 must be own or under'],
    [{ parent: 'a/b' }, 'invalid-identifier', 'parent'],
  ] as const)('given %j', async (rest, code, text) => {
    await refused(make('t1', rest), code, text)
    expect(house.registry.device('t1')).toBeUndefined()
    await make('t1')
    await refused(house.registry.updateDevice('t1', rest, ACTOR), code, text)
    expect(await house.trail()).toEqual(['device.created t1'])
  })

  it('a second one of its name, nor a client of its name', async () => {
    await make('t1')
    await refused(make('t1'), 'already-exists', 't1 is already the name of a device')
    await refused(house.registry.createClient({ id: 't1' }, ACTOR), 'already-exists', 'a device')
    await house.registry.createClient({ id: 'energy' }, ACTOR)
    await refused(make('energy'), 'already-exists', 'energy is already the name of a client')
  })

  it.each(['constructor', 'toString', 'hasOwnProperty', 'valueOf'])(
    'mistaken for what every object has: %s',
    async name => {
      expect(house.registry.device(name)).toBeUndefined()
      await refused(house.registry.updateDevice(name, {}, ACTOR), 'not-found')
      await make('t1')
      expect(house.registry.device('t1')?.attributes[name]).toBeUndefined()
      await make(name, { type: name, groups: [name], roles: [name], attributes: { [name]: name } })
      expect(house.registry.device(name)).toMatchObject({ id: name, type: name, groups: [name] })
      expect(Object.entries(house.registry.device(name)?.attributes ?? {})).toEqual([[name, name]])
      expect(house.registry.subjectOf(name)?.attributes.get(name)).toBe(name)
      await house.registry.updateDevice(name, { attributes: { [name]: null } }, ACTOR)
      expect(house.registry.subjectOf(name)?.attributes.get(name)).toBeUndefined()
    },
  )
})

describe('device types', () => {
  const thermostat = {
    id: 'thermostat',
    description: 'Measures a room',
    attributes: { room: { required: true }, note: {} },
  }

  it('are free names until they are described, then what is required is enforced', async () => {
    await make('t0')
    await house.registry.putDeviceType({ ...thermostat, clientIds: 'under' }, ACTOR)
    await refused(make('t1'), 'invalid-input', 'device t1 of type thermostat lacks the required attribute room')
    const device = await make('t1', { attributes: { room: 'attic', other: 'x' } })
    expect(device.clientIds).toBe('under')
    await refused(house.registry.updateDevice('t1', { attributes: { room: null } }, ACTOR), 'invalid-input', 'room')
    await refused(house.registry.updateDevice('t0', { attributes: { a: 'b' } }, ACTOR), 'invalid-input', 'room')
    await house.registry.updateDevice('t0', { groups: ['a'] }, ACTOR)
    expect(house.registry.deviceType('thermostat')?.attributes).toEqual({
      room: { required: true },
      note: { required: false },
    })
  })

  it('are enforced when a device changes its type', async () => {
    await house.registry.putDeviceType(thermostat, ACTOR)
    await make('t1', { type: 'sensor' })
    await refused(house.registry.updateDevice('t1', { type: 'thermostat' }, ACTOR), 'invalid-input', 'room')
    await house.registry.updateDevice('t1', { type: 'thermostat', attributes: { room: 'attic' } }, ACTOR)
    expect(await house.keys('of-type/')).toEqual(['of-type/thermostat/t1'])
  })

  it('are listed, replaced, and put again without a trace when nothing differs', async () => {
    await house.registry.putDeviceType(thermostat, ACTOR)
    await house.registry.putDeviceType(thermostat, ACTOR)
    await house.registry.putDeviceType({ id: 'lock' }, ACTOR)
    await house.registry.putDeviceType({ ...thermostat, description: 'x' }, ACTOR)
    expect((await house.registry.deviceTypes()).map(type => type.id)).toEqual(['lock', 'thermostat'])
    expect(await house.trail()).toEqual([
      'device-type.created thermostat',
      'device-type.created lock',
      'device-type.updated thermostat',
    ])
  })

  it('refuse reserved attributes and bad words', async () => {
    await refused(house.registry.putDeviceType({ id: 'a', attributes: { id: {} } }, ACTOR), 'invalid-input', 'reserved')
    await refused(house.registry.putDeviceType({ id: 'a/b' }, ACTOR), 'invalid-identifier')
    await refused(
      house.registry.putDeviceType(JSON.parse('{"id":"a","attributes":{"room":{"required":"yes"}}}'), ACTOR),
      'invalid-input',
      'required of attribute room',
    )
  })
})

describe('a gateway', () => {
  it('speaks for its children, and is told when they come and go', async () => {
    await make('g1')
    await make('c2', { parent: 'g1' })
    await make('c1', { parent: 'g1' })
    expect(house.registry.subjectOf('g1')?.children).toEqual(['c1', 'c2'])
    expect(house.told.slice(-2)).toEqual([
      { kind: 'device', id: 'c1', what: 'created' },
      { kind: 'device', id: 'g1', what: 'updated' },
    ])
    await make('g2')
    await house.registry.updateDevice('c1', { parent: 'g2' }, ACTOR)
    expect(house.registry.subjectOf('g1')?.children).toEqual(['c2'])
    expect(house.registry.subjectOf('g2')?.children).toEqual(['c1'])
    expect(house.told.slice(-3)).toEqual(['c1', 'g1', 'g2'].map(id => ({ kind: 'device', id, what: 'updated' })))
    await house.registry.updateDevice('c1', { parent: null }, ACTOR)
    await house.registry.removeDevice('c2', ACTOR)
    expect(house.told.slice(-2)).toEqual([
      { kind: 'device', id: 'g1', what: 'updated' },
      { kind: 'device', id: 'c2', what: 'removed' },
    ])
    expect(await house.keys('children/')).toEqual([])
  })

  it('lets its children go when it is removed', async () => {
    await make('g1')
    await make('c1', { parent: 'g1' })
    await make('c2', { parent: 'g1' })
    await house.registry.removeDevice('g1', ACTOR)
    expect(house.registry.device('c1')?.parent).toBeNull()
    expect(house.registry.device('c2')?.parent).toBeNull()
    await make('g1')
    expect(house.registry.subjectOf('g1')?.children).toEqual([])
  })

  it('must be a device that exists, and families are one level deep', async () => {
    await make('g1')
    await make('c1', { parent: 'g1' })
    await house.registry.createClient({ id: 'energy' }, ACTOR)
    await refused(make('x', { parent: 'nobody' }), 'invalid-input', 'nobody, which does not exist')
    await refused(make('x', { parent: 'energy' }), 'invalid-input', 'energy is a client')
    await refused(make('x', { parent: 'x' }), 'invalid-input', 'its own parent')
    await refused(make('x', { parent: 'c1' }), 'invalid-input', "a gateway's child has no children")
    await make('g2')
    await refused(house.registry.updateDevice('g1', { parent: 'g2' }, ACTOR), 'invalid-input', 'c1 is behind g1')
    await refused(house.registry.updateDevice('g1', { parent: 'c1' }, ACTOR), 'invalid-input', 'itself behind g1')
    expect(house.registry.device('x')).toBeUndefined()
    expect(house.registry.subjectOf('g1')?.children).toEqual(['c1'])
  })
})

describe('limits', () => {
  it.each([
    [{ attributes: 1 }, { attributes: { a: 'x', b: 'x' } }, 'attributes is 1'],
    [{ groups: 1 }, { groups: ['a', 'b'] }, 'groups is 1'],
    [{ roles: 1 }, { roles: ['a', 'b'] }, 'roles is 1'],
  ])('%j', async (limits, rest, text) => {
    house = await openHouse({ limits })
    await refused(make('t1', rest), 'quota-exceeded', text)
  })

  it('count devices, and a removed one makes room', async () => {
    house = await openHouse({ limits: { devices: 2 } })
    await make('t1')
    await make('t2')
    await refused(make('t3'), 'quota-exceeded', 'devices is 2')
    await house.registry.removeDevice('t1', ACTOR)
    await make('t3')
    const after = await house.reopened()
    await refused(after.registry.createDevice({ id: 't4', type: 'x' }, ACTOR), 'quota-exceeded')
  })

  it('count children and device types', async () => {
    house = await openHouse({ limits: { children: 1, deviceTypes: 1 } })
    await make('g1')
    await make('c1', { parent: 'g1' })
    await refused(make('c2', { parent: 'g1' }), 'quota-exceeded', 'children is 1')
    await house.registry.putDeviceType({ id: 'a' }, ACTOR)
    await refused(house.registry.putDeviceType({ id: 'b' }, ACTOR), 'quota-exceeded', 'deviceTypes is 1')
    await house.registry.putDeviceType({ id: 'a', description: 'again' }, ACTOR)
  })
})

describe('listings', () => {
  it('are paged in the order of ids, by type too', async () => {
    for (const id of ['d', 'b', 'a', 'c']) await make(id, { type: id < 'c' ? 'lock' : 'lamp' })
    const ids = async (page: object) => (await house.registry.devices(page)).map(device => device.id)
    expect(await ids({})).toEqual(['a', 'b', 'c', 'd'])
    expect(await ids({ limit: 2 })).toEqual(['a', 'b'])
    expect(await ids({ limit: 2, after: 'b' })).toEqual(['c', 'd'])
    expect(await ids({ type: 'lamp' })).toEqual(['c', 'd'])
    expect(await ids({ type: 'lamp', limit: 1 })).toEqual(['c'])
    expect(await ids({ type: 'lamp', after: 'c' })).toEqual(['d'])
    expect(await ids({ type: '../device' })).toEqual([])
    await refused(ids({ limit: 0 }), 'invalid-input', 'limit')
    await refused(ids({ limit: 1_001 }), 'invalid-input', '1000')
    await refused(ids({ after: 'a/b' }), 'invalid-input', 'after')
  })
})
