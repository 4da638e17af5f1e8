// Response Information: where a client that asks for it can have its answers (MQTT 5, 3.1.2.11.6 and 3.2.2.3.15).
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type MqttBroker, startMqtt } from '../wire/mqtt-broker.ts'
import { MqttWire } from '../wire/mqtt-wire.ts'

describe('response information', () => {
  let mqtt: MqttBroker
  let secret: string
  beforeAll(async () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the broker fills it in
    mqtt = await startMqtt({ responseInformation: 'device/${device.id}/answers' })
    await mqtt.broker.device('d1')
    secret = (await mqtt.broker.secret('d1')).secret
  })
  afterAll(() => mqtt?.close())

  async function told(requestResponseInformation: boolean | undefined, clientId = 'd1'): Promise<unknown> {
    const wire = MqttWire.tcp(mqtt.broker.port('mqtt'))
    const credentials = clientId === '' ? {} : { username: clientId, password: Buffer.from(secret) }
    const properties = requestResponseInformation === undefined ? {} : { requestResponseInformation }
    const { properties: answer } = await wire.connect({ clientId, ...credentials, properties })
    wire.destroy()
    return answer?.responseInformation
  }

  test.each([
    [true, 'device/d1/answers'],
    [false, undefined],
    [undefined, undefined],
  ])('asked for: %s, told: %s [MQTT-3.1.2-28]', async (asked, expected) => {
    expect(await told(asked)).toBe(expected)
  })

  test('whoever shows nothing has no topics of its own', async () => {
    expect(await told(true, '')).toBeUndefined()
  })

  test('without the setting nobody is told', async () => {
    const plain = await startMqtt()
    const wire = plain.wire()
    const { properties } = await wire.connect({ clientId: 'd1', properties: { requestResponseInformation: true } })
    expect(properties).not.toHaveProperty('responseInformation')
    await plain.close()
  })
})
