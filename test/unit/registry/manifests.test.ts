import { beforeEach, describe, expect, it } from 'vitest'
import { Failure } from '../../../src/model/failure.ts'
import { DEFAULT_REGISTRY_LIMITS } from '../../../src/registry/limits.ts'
import { parseManifests } from '../../../src/registry/manifests.ts'
import { type Plan, planManifests } from '../../../src/registry/plan.ts'
import { ACTOR, type House, openHouse, refused } from './house.ts'

let house: House
beforeEach(async () => {
  house = await openHouse()
})

const parse = (...texts: string[]) =>
  parseManifests(
    texts.map((text, i) => ({ path: `devices/${String.fromCharCode(97 + i)}.yaml`, text })),
    DEFAULT_REGISTRY_LIMITS,
  )
const plan = (...texts: string[]): Plan => planManifests(parse(...texts), house.registry, ACTOR)
const apply = async (...texts: string[]): Promise<string[]> => {
  const { steps, part } = plan(...texts)
  await house.registry.commitAll([part])
  return steps.map(step => `${step.action} ${step.kind} ${step.id}`)
}

const HOME = `kind: device-type
id: thermostat
description: Measures a room and commands its air conditioner
attributes: { room: { required: true } }
---
kind: device
id: thermostat-kitchen
type: thermostat
attributes: { room: kitchen }
groups: [climate]
roles: []
parent: gateway-1          # named before it is described
clientIds: own
---
kind: client
id: energy
roles: [energy-reader]
scopes: ["subscribe:home/+/energy"]
tokenLifetime: 900
---
kind: device
id: gateway-1
type: gateway
clientIds: under
`

describe('manifests', () => {
  it('are planned first, applied in one batch, and applied again without a trace', async () => {
    const steps = [
      'create device-type thermostat',
      'create device thermostat-kitchen',
      'create device gateway-1',
      'create client energy',
    ]
    expect(plan(HOME).steps.map(step => `${step.action} ${step.kind} ${step.id}`)).toEqual(steps)
    expect(await house.keys('device/')).toEqual([])
    expect(await apply(HOME)).toEqual(steps)
    expect(house.registry.device('thermostat-kitchen')).toMatchObject({ parent: 'gateway-1', groups: ['climate'] })
    expect(house.registry.subjectOf('gateway-1')?.children).toEqual(['thermostat-kitchen'])
    expect(house.registry.client('energy')).toMatchObject({ tokenLifetime: 900, kind: 'service' })
    expect(house.told.map(change => 'id' in change && `${change.id} ${'what' in change && change.what}`)).toEqual([
      'thermostat-kitchen created',
      'gateway-1 updated',
      'gateway-1 created',
      'energy created',
    ])
    const trail = await house.trail()
    expect(await apply(HOME)).toEqual(steps.map(step => step.replace('create', 'unchanged')))
    expect(await house.trail()).toEqual(trail)
  })

  it('say field by field what was and what will be, and where it is written', async () => {
    await apply(HOME)
    const { steps } = plan(HOME.replace('kitchen }', 'attic }').replace('900', '60'))
    expect(steps.filter(step => step.action === 'update')).toEqual([
      {
        action: 'update',
        kind: 'device',
        id: 'thermostat-kitchen',
        fields: [{ name: 'attributes', before: { room: 'kitchen' }, after: { room: 'attic' } }],
        location: { file: 'devices/a.yaml', line: 7, column: 5 },
      },
      {
        action: 'update',
        kind: 'client',
        id: 'energy',
        fields: [{ name: 'tokenLifetime', before: 900, after: 60 }],
        location: { file: 'devices/a.yaml', line: 16, column: 5 },
      },
    ])
  })

  it('leave alone what they do not name, and own the whole of what they name', async () => {
    await apply(HOME)
    await house.registry.updateDevice('gateway-1', { groups: ['hand'], attributes: { site: 'north' } }, ACTOR)
    await house.registry.updateDevice('thermostat-kitchen', { attributes: { extra: 'x' } }, ACTOR)
    await house.registry.createDevice({ id: 'by-hand', type: 'x' }, ACTOR)
    await house.registry.suspendDevice('gateway-1', ACTOR)
    expect(await apply(HOME)).toContain('update device thermostat-kitchen')
    expect(house.registry.device('thermostat-kitchen')?.attributes).toEqual({ room: 'kitchen' })
    expect(house.registry.device('gateway-1')).toMatchObject({
      groups: ['hand'],
      attributes: { site: 'north' },
      status: 'suspended',
    })
    expect(house.registry.device('by-hand')).toBeDefined()
    const type = 'kind: device-type\nid: thermostat\nclientIds: under\n'
    expect(plan(type).steps[0]?.fields).toEqual([{ name: 'clientIds', before: 'own', after: 'under' }])
  })

  it('may turn a family round', async () => {
    const device = (id: string, parent: string) => `kind: device\nid: ${id}\ntype: t\nparent: ${parent}\n`
    await apply([device('a', 'null'), device('b', 'a'), device('c', 'null')].join('---\n'))
    await apply([device('c', 'b'), device('a', 'b'), device('b', 'null')].join('---\n'))
    expect(house.registry.subjectOf('a')?.children).toEqual([])
    expect(house.registry.subjectOf('b')?.children).toEqual(['a', 'c'])
  })

  it('of a plan that is overtaken are not applied', async () => {
    const { part } = plan(HOME)
    await house.registry.createDevice({ id: 'gateway-1', type: 'x' }, ACTOR)
    await refused(house.registry.commitAll([part]), 'conflict')
    expect(await house.keys('device/')).toEqual(['device/gateway-1'])
    const { part: unchanged } = plan('kind: device\nid: gateway-1\ntype: x\n')
    await house.registry.updateDevice('gateway-1', { type: 'y' }, ACTOR)
    await refused(house.registry.commitAll([unchanged]), 'conflict')
  })

  it('may be empty, and hold what every object has a name for', async () => {
    expect(plan('', '---\n---\n', '# nothing\n').steps).toEqual([])
    const names = 'kind: device\nid: constructor\ntype: toString\nattributes: { valueOf: hasOwnProperty }\n'
    expect(await apply(names)).toEqual(['create device constructor'])
    expect(Object.entries(house.registry.device('constructor')?.attributes ?? {})).toEqual([
      ['valueOf', 'hasOwnProperty'],
    ])
    expect(await apply(names)).toEqual(['unchanged device constructor'])
  })

  it('may repeat themselves by alias', async () => {
    await apply('kind: device\nid: a\ntype: t\ngroups: &g [one, two]\nroles: *g\n')
    expect(house.registry.device('a')?.roles).toEqual(['one', 'two'])
  })
})

/** What was refused, as `file:line:column message`. */
async function complaint(...texts: string[]): Promise<string> {
  const failure = await refused(() => plan(...texts), 'invalid-manifest')
  expect(failure.location?.line, failure.message).toBeGreaterThan(0)
  return `${failure.where} ${failure.message}`
}

const DEVICE = 'kind: device\nid: a\ntype: t\n'

describe('what is wrong is said with its place', () => {
  it.each([
    ['- a\n', '1:1', 'manifest must be a mapping'],
    ['id: a\n', '1:1', 'this manifest has no kind'],
    ['kind: gadget\nid: a\n', '1:7', 'kind must be one of device-type, device, client'],
    ['kind: constructor\nid: a\n', '1:7', 'kind must be one of'],
    ['kind: device\ntype: t\n', '1:1', 'this manifest has no id'],
    ['kind: device\nid: a\n', '1:1', 'this manifest has no type'],
    ['kind: device\nid: a/b\ntype: t\n', '2:5', 'manifest.id "a/b" is not valid'],
    ['kind: device\nid: 7\ntype: t\n', '2:5', 'put it in quotes ("7")'],
    ['kind: device\nid:\ntype: t\n', '2:', 'manifest.id is empty'],
    [`${DEVICE}grups: [a]\n`, '4:1', 'manifest.grups is not known here: the keys are kind, id, type'],
    [`${DEVICE}principal: operator\n`, '4:1', 'manifest.principal is not known here'],
    [`${DEVICE}__proto__: { a: b }\n`, '4:1', 'manifest.__proto__ is not known here'],
    [`${DEVICE}constructor: x\n`, '4:1', 'manifest.constructor is not known here'],
    [`${DEVICE}attributes: { __proto__: x }\n`, '4:15', 'not a valid attribute name'],
    [`${DEVICE}attributes:\n  ok: x\n  id: b\n`, '6:3', 'attribute id of this manifest is reserved'],
    [`${DEVICE}attributes:\n  room: a/b\n`, '5:9', 'manifest.attributes.room must be 1 to 128 characters'],
    [`${DEVICE}attributes:\n  floor: 2\n`, '5:10', 'manifest.attributes.floor must be a text: put it in quotes'],
    [`${DEVICE}attributes: [a]\n`, '4:13', 'manifest.attributes must be a mapping'],
    [`${DEVICE}groups: climate\n`, '4:9', 'manifest.groups must be a list'],
    [`${DEVICE}groups: [ok, "a b"]\n`, '4:14', 'manifest.groups[1] "a b" is not valid'],
    [`${DEVICE}parent: [a]\n`, '4:9', 'manifest.parent must be a text, not a list'],
    [`${DEVICE}clientIds: all\n`, '4:12', 'manifest.clientIds must be one of own, under'],
    ['kind: client\nid: a\ntokenLifetime: 1.5\n', '3:16', 'whole number of seconds'],
    ['kind: client\nid: a\ntokenLifetime: "9"\n', '3:16', 'whole number of seconds'],
    ['kind: client\nid: a\nscopes: [1]\n', '3:10', 'manifest.scopes[0] must be a text'],
    ['kind: client\nid: a\nprincipal: device\n', '3:12', 'one of service, operator'],
    ['kind: device-type\nid: a\nattributes: { room: yes }\n', '3:21', 'manifest.attributes.room must be a mapping'],
    ['kind: device-type\nid: a\nattributes: { room: { needed: true } }\n', '3:23', 'needed is not known here'],
    ['kind: device-type\nid: a\nattributes: { room: { required: "yes" } }\n', '3:33', 'must be true or false'],
    ['kind: device\nid: a\nid: b\ntype: t\n', '3:1', 'has the key "id" twice, first in line 2'],
    ['kind: "device\n', '2:1', ''],
    ['kind: device\nid: a\ntype: t\n---\nkind: device\nid: a\ntype: t\n', '6:5', 'first in devices/a.yaml:2:5'],
    ['kind: client\nid: a\n---\nkind: device\nid: a\ntype: t\n', '5:5', 'a is described twice'],
    [`${DEVICE}parent: nobody\n`, '2:5', 'nobody, which does not exist'],
    [`${DEVICE}parent: a\n`, '2:5', 'its own parent'],
    ['kind: client\nid: a\nscopes: ["a b"]\n', '2:5', 'RFC 6749 3.3'],
    ['kind: client\nid: a\ntokenLifetime: 100000\n', '2:5', '86400'],
  ])('%j', async (text, place, message) => {
    const said = await complaint(text)
    expect(said).toMatch(new RegExp(`^devices/a\\.yaml:${place}`))
    expect(said).toContain(message)
  })

  it('across files', async () => {
    expect(await complaint(DEVICE, `# second\n${DEVICE}`)).toMatch(/^devices\/b\.yaml:3:5 .*devices\/a\.yaml:2:5/)
  })

  it('against what is registered', async () => {
    await house.registry.createClient({ id: 'energy' }, ACTOR)
    await house.registry.putDeviceType({ id: 't', attributes: { room: { required: true } } }, ACTOR)
    expect(await complaint(DEVICE)).toContain('devices/a.yaml:2:5 device a of type t lacks the required attribute room')
    expect(await complaint('kind: device\nid: energy\ntype: x\n')).toContain('energy is already the name of a client')
    expect(await complaint('kind: client\nid: energy\nprincipal: operator\n')).toContain('is of kind service')
    expect(await complaint('kind: device\nid: a\ntype: x\nparent: energy\n')).toContain('energy is a client')
    expect(await house.keys('device/')).toEqual([])
  })

  it('and limits are named', async () => {
    house = await openHouse({ limits: { devices: 1 } })
    expect(await complaint(`${DEVICE}---\n${DEVICE.replace('id: a', 'id: b')}`)).toMatch(
      /^devices\/a\.yaml:6:5 .*devices is 1/,
    )
    const limits = { ...DEFAULT_REGISTRY_LIMITS, manifests: 1 }
    const files = [{ path: 'x.yaml', text: `${DEVICE}---\n${DEVICE.replace('id: a', 'id: b')}` }]
    await refused(() => parseManifests(files, limits), 'quota-exceeded', 'manifests is 1')
  })
})

describe('bombs', () => {
  it.each([
    ['bytes', `# ${'x'.repeat(2 << 20)}\n`],
    ['flow nesting', '['.repeat(50_000)],
    ['block nesting', `${'- '.repeat(50_000)}x`],
    ['deep but well formed', `${'['.repeat(100)}${']'.repeat(100)}`],
    [
      'aliases of aliases',
      'a: &a [x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b]\nd: [*c, *c, *c]\n',
    ],
  ])('of %s are refused', (_, text) => {
    let thrown: unknown
    try {
      parse(text)
    } catch (error) {
      thrown = error
    }
    expect(thrown).toBeInstanceOf(Failure)
    expect((thrown as Failure).code).toBe('invalid-manifest')
    expect((thrown as Failure).where).toMatch(/^devices\/a\.yaml:\d+:\d+$/)
  })
})
