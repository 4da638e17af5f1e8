// Names of Object.prototype as client ids, filters and topics. Aedes keeps such names as keys of plain objects
// (GHSA-52qw-whmv-87c5); here it never sees one. (HTTP bodies, manifests and tokens: prototype-keys-on-the-wire.test.ts.)
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { crashAttack } from '../wire/crash-attack.ts'
import { type MqttBroker, startMqtt } from '../wire/mqtt-broker.ts'

const NAMES = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf', '__defineGetter__']

crashAttack('prototype names', {
  'a filter `constructor`': async open => {
    const wire = open(4)
    await wire.connect({ clientId: 'a' })
    await wire.subscribe('constructor', 1)
    await wire.publish('constructor', 'x', { qos: 1 })
  },
  'a client id `toString`': async open => {
    const wire = open(4)
    await wire.connect({ clientId: 'toString' })
    await wire.subscribe('a', 1)
  },
})

describe('prototype names are names like any other', () => {
  let mqtt: MqttBroker
  beforeAll(async () => {
    mqtt = await startMqtt()
  })
  afterAll(() => mqtt?.close())

  test.each([3, 4, 5] as const)('version %i: as client id, filter, share, topic, user property', async version => {
    for (const name of NAMES) {
      const wire = mqtt.wire(version)
      const connack = await wire.connect({ clientId: name, clean: false })
      expect(connack.sessionPresent).toBe(false)
      for (const other of NAMES) expect(await wire.subscribe(other, 1)).toBe(1)
      expect(await wire.subscribe(`$share/${name}/${name}/x`, 1)).toBe(1)
      const properties = version === 5 ? { properties: { userProperties: { constructor: 'a', toString: 'b' } } } : {}
      await wire.publish(name, 'x', { qos: 2, retain: true, ...properties })
      await wire.publish(`${name}/x`, 'y', { qos: 1 })
      const topics = [(await wire.next('publish')).topic, (await wire.next('publish')).topic]
      expect(topics.sort()).toEqual([name, `${name}/x`])
      if (version === 5) expect(await wire.unsubscribe(...NAMES, 'isPrototypeOf')).toEqual([0, 0, 0, 0, 0, 0, 0x11])
      await wire.publish(name, '', { qos: 1, retain: true })
      await wire.leave()
      const again = mqtt.wire(version)
      await again.connect({ clientId: name, clean: true })
      await again.leave()
    }
    expect(Object.keys(Object.prototype)).toEqual([])
  })
})
