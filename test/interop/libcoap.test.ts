// libcoap's own client (Debian's libcoap3-bin) against plain CoAP: log in, GET, PUT, POST, DELETE and Observe, with the Echo
// that the broker asks of it.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connectAsync } from 'mqtt'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FREE_PORTS_WITH_COAP, startBroker, type TestBroker } from '../fixtures/broker.ts'
import { connectDevice } from '../fixtures/clients.ts'
import { hasLibcoap, said } from '../fixtures/libcoap-client.ts'
import { run, start } from '../fixtures/programs.ts'

const CLIENT = 'coap-client-notls'

describe.skipIf(!hasLibcoap(CLIENT))('coap-client', () => {
  let broker: TestBroker
  let session = ''
  let secret = ''

  const uri = (path: string, query = session) => `coap://127.0.0.1:${broker.port('coap')}/${path}?${query}`
  const coap = async (method: string, path: string, ...more: string[]) =>
    said(await run(CLIENT, ['-B', '15', '-m', method, ...more, uri(path)]))

  beforeAll(async () => {
    broker = await startBroker({ listeners: FREE_PORTS_WITH_COAP })
    await broker.device('t1')
    secret = (await broker.secret('t1')).secret
    const answer = await run(CLIENT, ['-m', 'post', '-e', secret, uri('mqtt/connection', 'clientid=t1')])
    expect(answer.stdout.trim(), answer.stderr).toMatch(/^[\w-]{22,}$/)
    session = `clientid=t1&token=${answer.stdout.trim()}`
  })
  afterAll(() => broker?.close())

  test('PUT keeps a value, GET reads it, DELETE removes it', async () => {
    expect(await coap('put', 'ps/device/t1/state', '-t', 'text/plain', '-e', 'on')).toBe('')
    expect(await coap('get', 'ps/device/t1/state')).toBe('on')
    expect(await coap('delete', 'ps/device/t1/state')).toBe('')
    expect(await coap('get', 'ps/device/t1/state')).toMatch(/^4\.04/)
  })

  test('POST reaches an MQTT subscriber, with its content type', async () => {
    const reader = await connectDevice(broker, 't1', { username: 't1', password: secret })
    await reader.subscribeAsync('device/t1/event', { qos: 1 })
    const came = new Promise<{ payload: string; type: string | undefined; retain: boolean }>(resolve =>
      reader.on('message', (_, payload, { properties, retain }) =>
        resolve({ payload: payload.toString(), type: properties?.contentType, retain }),
      ),
    )
    expect(await coap('post', 'ps/device/t1/event', '-t', 'application/json', '-e', '{"on":true}')).toBe('')
    expect(await came).toEqual({ payload: '{"on":true}', type: 'application/json', retain: false })
    await reader.endAsync(true)
  })

  test('Observe, after Echo, brings what MQTT publishes', async () => {
    const writer = await connectAsync(`mqtts://localhost:${broker.port('mqtts')}`, {
      clientId: 't1',
      username: 't1',
      password: secret,
      ca: broker.ca,
      protocolVersion: 5,
      reconnectPeriod: 0,
    })
    await writer.publishAsync('device/t1/counter', 'value 0', { qos: 1, retain: true })
    const args = ['-oL', CLIENT, '-v', '7', '-w', '-s', '30', uri('ps/device/t1/counter')]
    const observer = await start('stdbuf', args, 'value 0')
    for (let i = 1; i <= 3; i++) {
      await writer.publishAsync('device/t1/counter', `value ${i}`, { qos: i % 2 ? 1 : 0, retain: i === 3 })
      await expect.poll(() => observer.output(), { timeout: 15_000 }).toContain(`value ${i}`)
    }
    observer.stop()
    const { stdout, stderr } = await observer.ended
    expect(`${stdout}${stderr}`).toMatch(/c:4\.01.*Echo/)
    await writer.endAsync(true)
  })

  test('a value larger than a datagram comes in blocks', async () => {
    const writer = await connectDevice(broker, 't1', { username: 't1', password: secret })
    const large = Array.from({ length: 1000 }, (_, i) => `line ${i}`).join('\n')
    await writer.publishAsync('device/t1/large', large, { qos: 1, retain: true })
    await writer.endAsync(true)
    expect(await coap('get', 'ps/device/t1/large')).toBe(large)
  })

  test.each([
    ['1024', 'a PUT'],
    ['64', 'small blocks'],
  ])('100 kB come whole in blocks of %s: %s', async (size, name) => {
    const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, i) => 33 + ((i * 7 + (i >> 8)) % 90)))
    const file = join(broker.folder, `large-${size}`)
    await writeFile(file, bytes)
    const path = `ps/device/t1/large-${size}`
    expect(await coap('put', path, '-b', size, '-f', file), name).toBe('')
    const target = join(broker.folder, `got-${size}`)
    expect(await coap('get', path, '-b', size, '-o', target)).toBe('')
    expect((await readFile(target)).equals(bytes)).toBe(true)
  })

  test('an event of 100 kB reaches its observer whole: libcoap fetches what follows the first block', async () => {
    const writer = await connectDevice(broker, 't1', { username: 't1', password: secret })
    const event = Array.from({ length: 10_000 }, (_, i) => `event ${i}`).join('\n')
    const target = join(broker.folder, 'burst')
    const args = ['-oL', CLIENT, '-v', '7', '-o', target, '-s', '30', uri('ps/device/t1/burst')]
    const observer = await start('stdbuf', args, 'observation relationship established')
    await writer.publishAsync('device/t1/burst', event, { qos: 1 })
    await expect.poll(() => observer.output(), { timeout: 15_000 }).toContain('Block2:106/_/1024')
    observer.stop()
    await observer.ended
    expect(await readFile(target, 'utf8')).toBe(event)
    await writer.endAsync(true)
  })

  test('what is denied is 4.03, who is unknown 4.01, and neither learns why', async () => {
    expect(await coap('put', 'ps/home/attic/temperature', '-e', '21')).toMatch(/^4\.03/)
    const stranger = await run(CLIENT, ['-B', '15', uri('ps/device/t1/state', 'clientid=t1&token=wrong')])
    expect(said(stranger)).toMatch(/^4\.01/)
  })

  test('discovery lists what this device may read and nothing else', async () => {
    await broker.device('t2', { attributes: { room: 'attic' } })
    const { secret: password } = await broker.secret('t2')
    const other = await connectDevice(broker, 't2', { username: 't2', password })
    await other.publishAsync('home/attic/temperature', '30', { qos: 1, retain: true })
    await other.endAsync(true)
    expect(await coap('put', 'ps/device/t1/shown', '-e', 'x')).toBe('')
    const links = await coap('get', '.well-known/core')
    expect(links).toContain('</ps/device/t1/shown>')
    expect(links).toContain('</mqtt/connection>')
    expect(links).not.toContain('attic')
  })

  test('DELETE of the connection ends the session', async () => {
    expect(await coap('delete', 'mqtt/connection')).toBe('')
    expect(await coap('get', 'ps/device/t1/shown')).toMatch(/^4\.01/)
  })
})
