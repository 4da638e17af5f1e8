// SenML goes through the broker untouched, and its notation is known on either side.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { OPTION } from '../../src/coap-wire/options.ts'
import { readSenmlCbor, writeSenmlCbor } from '../../src/coap-wire/senml-cbor.ts'
import { readSenmlJson, writeSenmlJson } from '../../src/coap-wire/senml-json.ts'
import type { SenmlRecord } from '../../src/coap-wire/senml-record.ts'
import { FREE_PORTS_WITH_COAP, startBroker, type TestBroker } from '../fixtures/broker.ts'
import { CoapDevice, numberIn } from '../fixtures/coap-device.ts'
import { MqttWire } from '../wire/mqtt-wire.ts'

const PACK: SenmlRecord[] = [
  { baseName: 'device/t1/', baseTime: 1_320_078_429, name: 'temperature', unit: 'Cel', value: 25.2 },
  { name: 'humidity', unit: '%RH', value: 30 },
]

interface Notation {
  readonly contentFormat: number
  readonly contentType: string
  readonly written: Buffer
  readonly read: (bytes: Buffer) => SenmlRecord[]
}

const NOTATIONS: readonly Notation[] = [
  { contentFormat: 110, contentType: 'application/senml+json', written: writeSenmlJson(PACK), read: readSenmlJson },
  { contentFormat: 112, contentType: 'application/senml+cbor', written: writeSenmlCbor(PACK), read: readSenmlCbor },
]

describe.each(NOTATIONS)('$contentType', ({ contentFormat, contentType, written, read }) => {
  let broker: TestBroker
  let coap: CoapDevice
  let mqtt: MqttWire
  beforeAll(async () => {
    broker = await startBroker({ listeners: FREE_PORTS_WITH_COAP })
    await broker.device('t1')
    const { secret } = await broker.secret('t1')
    coap = await CoapDevice.login(broker, 't1', secret)
    mqtt = MqttWire.tcp(broker.port('mqtt'))
    await mqtt.connect({ clientId: 't1', username: 't1', password: Buffer.from(secret) })
  })
  afterAll(async () => {
    mqtt?.destroy()
    await coap?.close()
    await broker?.close()
  })

  test('from CoAP to MQTT, now and retained', async () => {
    await mqtt.subscribe('device/t1/up', 1)
    await coap.put('device/t1/up', written, { contentFormat })
    const now = await mqtt.next('publish')
    expect(now.properties?.contentType).toBe(contentType)
    expect(now.payload).toEqual(written)
    expect(read(Buffer.from(now.payload))).toEqual(PACK)
    await mqtt.unsubscribe('device/t1/up')
    await mqtt.subscribe('device/t1/up', 1)
    const retained = await mqtt.next('publish')
    expect([retained.retain, retained.properties?.contentType]).toEqual([true, contentType])
    expect(retained.payload).toEqual(written)
  })

  test('from MQTT to CoAP, observed and read', async () => {
    const observation = await coap.observe('device/t1/down')
    await mqtt.publish('device/t1/down', written, { qos: 1, retain: true, properties: { contentType } })
    for (const got of [await observation.next(), await coap.get('device/t1/down')]) {
      expect(numberIn(got, OPTION.ContentFormat)).toBe(contentFormat)
      expect(got.payload).toEqual(written)
      expect(read(got.payload)).toEqual(PACK)
    }
    await observation.cancel()
  })
})
