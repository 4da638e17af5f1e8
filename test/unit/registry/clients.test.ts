import { beforeEach, describe, expect, it } from 'vitest'
import { ACTOR, type House, openHouse, principalOf, refused } from './house.ts'

let house: House
beforeEach(async () => {
  house = await openHouse()
})

describe('the life of a client', () => {
  it('is created with defaults, listed and told', async () => {
    const client = await house.registry.createClient({ id: 'energy', roles: ['energy-reader'] }, ACTOR)
    expect(client).toMatchObject({
      kind: 'service',
      status: 'active',
      roles: ['energy-reader'],
      scopes: null,
      authMethod: 'client_secret_basic',
      tokenLifetime: null,
      clientIds: 'own',
    })
    await house.registry.createClient({ id: 'ada', kind: 'operator', roles: ['admin'] }, ACTOR)
    expect((await house.registry.clients()).map(({ id }) => id)).toEqual(['ada', 'energy'])
    expect((await house.registry.clients({ after: 'ada', limit: 1 })).map(({ id }) => id)).toEqual(['energy'])
    expect(house.told).toEqual([
      { kind: 'client', id: 'energy', what: 'created' },
      { kind: 'client', id: 'ada', what: 'created' },
    ])
    expect(house.registry.subjectOf('ada')).toMatchObject({ kind: 'operator', type: null, children: [] })
    expect(house.registry.subjectOf('energy')?.attributes).toEqual(new Map([['id', 'energy']]))
  })

  it('is updated in everything but its kind', async () => {
    await house.registry.createClient({ id: 'energy', scopes: ['subscribe:home/+/energy'] }, ACTOR)
    const patch = {
      roles: ['a'],
      groups: ['b'],
      scopes: null,
      authMethod: 'client_secret_post',
      tokenLifetime: 900,
      clientIds: 'under',
      attributes: { site: 'north' },
    } as const
    expect(await house.registry.updateClient('energy', patch, ACTOR)).toMatchObject({ ...patch, kind: 'service' })
    expect(await house.registry.updateClient('energy', patch, ACTOR)).toMatchObject(patch)
    expect(await house.trail()).toEqual(['client.created energy', 'client.updated energy'])
  })

  it('is suspended, resumed and removed with its credentials', async () => {
    await house.registry.createClient({ id: 'energy' }, ACTOR)
    const { credential } = await house.registry.issueSecret('energy', { audience: 'token' }, ACTOR)
    const principal = principalOf(house.registry, 'energy', credential)
    expect(house.registry.standing(principal)).toBeNull()
    await house.registry.suspendClient('energy', ACTOR)
    expect(house.registry.standing(principal)).toBe('owner-suspended')
    await refused(house.registry.suspendClient('energy', ACTOR), 'wrong-state')
    await house.registry.resumeClient('energy', ACTOR)
    await refused(house.registry.resumeClient('energy', ACTOR), 'wrong-state')
    expect(house.registry.standing(principal)).toBe('superseded')
    await house.registry.removeClient('energy', ACTOR)
    await refused(house.registry.removeClient('energy', ACTOR), 'not-found', 'no client called energy')
    expect(house.registry.credential(credential.id)?.status).toBe('revoked')
    await house.registry.createClient({ id: 'energy', kind: 'operator' }, ACTOR)
    expect(house.registry.standing(principal)).toBe('superseded')
    expect(await house.keys('client/')).toEqual(['client/energy'])
  })

  it.each([
    ['{"id":"a/b"}', 'invalid-identifier', 'client id'],
    ['{"id":"c","kind":"root"}', 'invalid-input', 'kind of client c'],
    ['{"id":"c","scopes":["a b"]}', 'invalid-input', 'RFC 6749 3.3'],
    ['{"id":"c","scopes":["a\\"b"]}', 'invalid-input', 'RFC 6749 3.3'],
    ['{"id":"c","scopes":[""]}', 'invalid-input', 'RFC 6749 3.3'],
    ['{"id":"c","scopes":[7]}', 'invalid-input', 'RFC 6749 3.3'],
    ['{"id":"c","scopes":"all"}', 'invalid-input', 'scopes of client c'],
    ['{"id":"c","authMethod":"none"}', 'invalid-input', 'authMethod'],
    ['{"id":"c","tokenLifetime":0}', 'invalid-input', 'tokenLifetime'],
    ['{"id":"c","tokenLifetime":1.5}', 'invalid-input', 'tokenLifetime'],
    ['{"id":"c","tokenLifetime":86401}', 'invalid-input', '86400'],
    ['{"id":"c","attributes":{"__proto__":"x"}}', 'invalid-identifier', 'attribute name'],
    ['{"id":"c","clientIds":"any"}', 'invalid-input', 'clientIds'],
  ] as const)('does not begin as %s', async (json, code, text) => {
    await refused(house.registry.createClient(JSON.parse(json), ACTOR), code, text)
    expect(await house.keys('owner/')).toEqual([])
  })

  it.each(['constructor', 'toString'])('may have the name %s', async name => {
    expect(house.registry.client(name)).toBeUndefined()
    await house.registry.createClient({ id: name, attributes: { [name]: 'x' } }, ACTOR)
    expect(house.registry.subjectOf(name)?.attributes.get(name)).toBe('x')
  })

  it('is counted against its limits', async () => {
    house = await openHouse({ limits: { clients: 1, scopes: 1 } })
    await refused(house.registry.createClient({ id: 'a', scopes: ['x', 'y'] }, ACTOR), 'quota-exceeded', 'scopes is 1')
    await house.registry.createClient({ id: 'a' }, ACTOR)
    await refused(house.registry.createClient({ id: 'b' }, ACTOR), 'quota-exceeded', 'clients is 1')
  })
})
