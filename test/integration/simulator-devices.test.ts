// The devices of the demo's home against a real broker: each way to log in, for its whole life.
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { EnergyService, HomeDevice, Inhabitant } from '../../simulator/devices/home-device.ts'
import { makeEnergyService } from '../../simulator/devices/make-home.ts'
import { HOME } from '../../simulator/home-plan.ts'
import { homeManifests, TestHome } from '../fixtures/home.ts'

const PATIENCE = { timeout: 40_000, interval: 50 }
/** Seconds. What is left when a credential is renewed must be enough for a slow machine to start a broker. */
const LIFETIME = { credential: 18, token: 6 }

/** Why a device lost its connection, by what it said it over; observers may be told before the session ends. */
const CUT = { mqtt: /0x87/, coap: /4\.01/, coaps: /closed the DTLS session|4\.01/ }

/** Two thermostats may not report any more. */
const HUSH = `
version: 1
roles:
  hush: { forbid: [{ id: hush, publish: ["home/study/temperature", "home/nursery/temperature"] }] }
assign:
  - { type: thermostat, roles: [hush] }
`

const rooms = HOME.rooms.map(({ name }) => name)

/** What is retained or confirmed in a room, by the device that says it. */
const reports = ({ id, type }: HomeDevice): string => {
  const room = id.replace(/^(thermostat|ac)-/, '')
  if (type === 'gateway') return 'home/kitchen/sensor/sensor-kitchen'
  return type === 'thermostat' ? `home/${room}/temperature` : `home/${room}/ac/power`
}

/** The numbers that are missing between the first and the last; QoS 1 may repeat, but not leave out. */
function gaps(seqs: readonly number[]): number[] {
  const heard = new Set(seqs)
  const [first, last] = [Math.min(...seqs), Math.max(...seqs)]
  return Array.from({ length: last - first + 1 }, (_, index) => first + index).filter(seq => !heard.has(seq))
}

describe('the home', { timeout: 90_000 }, () => {
  let home: TestHome
  let devices: HomeDevice[]
  let energy: EnergyService
  let inhabitants: Inhabitant[]
  const named = (id: string) => devices.find(device => device.id === id) as HomeDevice
  const goesOn = async (device: HomeDevice) => {
    const before = Math.max(0, ...home.seqs(reports(device)))
    await expect.poll(() => Math.max(0, ...home.seqs(reports(device))), PATIENCE).toBeGreaterThan(before)
  }

  beforeAll(async () => {
    home = await TestHome.open()
    devices = home.devices(LIFETIME.token)
    const { address: broker, folder } = home
    energy = makeEnergyService({ plan: HOME, broker, folder, lifetime: LIFETIME.token })
    inhabitants = [...devices, energy]
    const { secret } = await home.broker.secret('energy', 'token')
    const tokens = await Promise.all(devices.map(device => home.token(device, LIFETIME.credential)))
    await Promise.all([energy.start(secret), ...devices.map((device, index) => device.start(tokens[index] ?? ''))])
  })
  afterAll(async () => {
    await Promise.all((inhabitants ?? []).map(one => one.stop()))
    await home?.close()
  })

  test('everybody enrols with a one-time token and keeps what it got for itself', async () => {
    for (const { id, counts } of inhabitants) {
      const file = await stat(join(home.folder, 'devices', id, 'credential.json'))
      expect(file.mode & 0o777, id).toBe(0o600)
      expect(counts.connects, id).toBeGreaterThan(0)
    }
  })

  test.each(rooms)('%s: measurements arrive, commands are confirmed, the meter is read', async room => {
    await expect.poll(() => home.seqs(`home/${room}/temperature`).length, PATIENCE).toBeGreaterThan(3)
    const ids = (what: string) =>
      home.heard.filter(({ topic }) => topic === `home/${room}/ac/${what}`).map(({ message }) => message.id)
    await expect.poll(() => ids('set').some(id => ids('state').includes(id)), PATIENCE).toBe(true)
    await expect.poll(() => energy.readings.get(room) ?? 0, PATIENCE).toBeGreaterThan(0)
  })

  test.each([
    ['thermostat-nursery', 'home/nursery/temperature', 'application/senml+cbor'],
    ['ac-nursery', 'home/nursery/ac/power', 'application/senml+cbor'],
    ['ac-bedroom', 'home/bedroom/ac/power', 'application/senml+json'],
    ['ac-bedroom', 'home/bedroom/ac/state', 'application/json'],
    ['thermostat-kitchen', 'home/kitchen/temperature', 'application/json'],
  ])('%s writes %s as %s', async (_, topic, contentType) => {
    const types = () => new Set(home.heard.filter(heard => heard.topic === topic).map(heard => heard.contentType))
    await expect.poll(types, PATIENCE).toEqual(new Set([contentType]))
  })

  test('the gateway speaks for its sensors', async () => {
    for (const { id, room } of HOME.gateway.sensors)
      await expect.poll(() => home.seqs(`home/${room}/sensor/${id}`).length, PATIENCE).toBeGreaterThan(0)
  })

  test('everybody renews in time, and no message is lost by it', async () => {
    await Promise.all(
      inhabitants.map(one =>
        expect.poll(() => one.counts.renewals, { ...PATIENCE, message: one.id }).toBeGreaterThan(1),
      ),
    )
    for (const device of devices) {
      await goesOn(device)
      const topic = reports(device)
      expect(gaps(home.seqs(topic)), topic).toEqual([])
      expect(device.counts.denied, device.id).toBe(0)
    }
  })

  test('a restart of the broker: everybody comes back, and what was acknowledged arrives', async () => {
    const before = new Map(inhabitants.map(one => [one.id, one.counts.connects]))
    await home.goDown()
    await home.comeUp()
    const comesBack = (one: Inhabitant) =>
      expect.poll(() => one.counts.connects, { ...PATIENCE, message: one.id }).toBeGreaterThan(before.get(one.id) ?? 0)
    await Promise.all(inhabitants.map(comesBack))
    for (const device of devices) {
      await goesOn(device)
      const topic = reports(device)
      const acknowledged = device.acknowledged.filter(one => one.topic === topic).map(({ seq }) => seq)
      const missing = () => acknowledged.filter(seq => !home.seqs(topic).includes(seq))
      await expect.poll(missing, { ...PATIENCE, message: topic }).toEqual([])
    }
  })

  test.each(devicesOfEachKind())(
    '%s is cut off when its credential is revoked, and comes back enrolled anew',
    async id => {
      const device = named(id)
      expect(await home.cutOff(device)).toMatch(
        CUT[device.protocol === 'coap' || device.protocol === 'coaps' ? device.protocol : 'mqtt'],
      )
      const { published } = device.counts
      await device.enrolAgain(await home.token(device, LIFETIME.credential))
      await expect.poll(() => device.counts.published, PATIENCE).toBeGreaterThan(published)
      await goesOn(device)
    },
  )

  test('what the policy forbids is counted as denied, over MQTT and CoAP, until it is permitted again', async () => {
    const [study, nursery] = [named('thermostat-study'), named('thermostat-nursery')]
    const denied = [study, nursery].map(device => new Promise(resolve => device.once('denied', resolve)))
    const operator = await home.operator()
    const manifests = await homeManifests()
    await operator.apply([...manifests, { path: 'hush.yaml', text: HUSH }])
    expect(await Promise.all(denied)).toEqual(['home/study/temperature', 'home/nursery/temperature'])
    expect(study.counts.denied).toBeGreaterThan(0)
    await operator.apply(manifests)
    await goesOn(study)
    await goesOn(nursery)
  })

  test('a device that stops is gone, and one that starts again needs no token', async () => {
    const device = named('ac-study')
    await device.stop()
    const { connects, published } = device.counts
    await device.start('not-a-token')
    await goesOn(device)
    expect(device.counts.connects).toBe(connects + 1)
    await expect.poll(() => device.counts.published, PATIENCE).toBeGreaterThan(published)
  })
})

describe('a home whose broker goes silent', () => {
  let home: TestHome
  let devices: HomeDevice[] = []
  beforeAll(async () => {
    home = await TestHome.open()
    const some = ['thermostat-kitchen', 'thermostat-living-room', 'ac-bedroom', 'thermostat-nursery', 'ac-nursery']
    devices = home.devices(3_600).filter(({ id }) => some.includes(id))
    await Promise.all(devices.map(async device => device.start(await home.token(device))))
  })
  afterAll(async () => {
    await Promise.all(devices.map(device => device.stop()))
    await home?.close()
  })

  test('everybody notices, measures on, and delivers it all when the broker is back', async () => {
    const ended = devices.map(device => new Promise(resolve => device.once('disconnected', resolve)))
    await home.goDown()
    await Promise.all(ended)
    const back = devices.map(device => new Promise<void>(resolve => device.once('connected', resolve)))
    await home.comeUp()
    await Promise.all(back)
    for (const device of devices) {
      const topic = reports(device)
      const last = Math.max(...home.seqs(topic))
      await expect.poll(() => Math.max(...home.seqs(topic)), PATIENCE).toBeGreaterThan(last)
      expect(gaps(home.seqs(topic)), topic).toEqual([])
    }
  })

  test.each(['thermostat-nursery', 'thermostat-kitchen'])('%s, stopped before it took part, never does', async id => {
    const device = devices.find(one => one.id === id) as HomeDevice
    await device.stop()
    const { connects } = device.counts
    const starting = device.start('not-a-token')
    const refused = expect(starting).rejects.toThrow(/stopped/)
    await device.stop()
    await refused
    expect(device.counts.connects).toBe(connects)
    await device.start('not-a-token')
    expect(device.counts.connects).toBe(connects + 1)
  })

  test('a device that is stopped while nobody answers is stopped', async () => {
    await home.goDown()
    await Promise.all(devices.map(device => device.stop()))
    await home.comeUp()
    expect(await Promise.all(devices.map(device => device.stop()))).toHaveLength(devices.length)
  })
})

/** One of each kind of credential and protocol. */
function devicesOfEachKind(): string[] {
  return [
    'thermostat-kitchen',
    'thermostat-living-room',
    'thermostat-bedroom',
    'thermostat-study',
    'thermostat-nursery',
    'ac-living-room',
    'ac-bedroom',
    'ac-study',
    'ac-nursery',
    'gateway-hall',
  ]
}
