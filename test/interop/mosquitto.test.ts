// Eclipse Mosquitto's own clients against every way in: MQTT 3.1.1 and 5 over TLS.
import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startBroker, type TestBroker } from '../fixtures/broker.ts'
import { has, run, start } from '../fixtures/programs.ts'

const available = has('mosquitto_pub', 'mosquitto-clients') && has('mosquitto_sub', 'mosquitto-clients')

describe.skipIf(!available)('mosquitto_pub and mosquitto_sub', () => {
  let broker: TestBroker
  /** What a device hands to mosquitto's clients, by kind of credential. */
  const credentials = new Map<string, string[]>()

  beforeAll(async () => {
    broker = await startBroker()
    for (const kind of ['x509', 'psk', 'secret', 'jwt']) await broker.device(`t-${kind}`)

    const { certificate, chain, privateKey } = await broker.certificate('t-x509')
    const file = async (name: string, text: string) => {
      const path = join(broker.folder, name)
      await writeFile(path, text)
      await chmod(path, 0o600)
      return path
    }
    credentials.set('x509', [
      '--cafile',
      broker.caFile,
      '--cert',
      await file('device.pem', certificate + chain),
      '--key',
      await file('device.key', privateKey),
    ])
    const psk = await broker.psk('t-psk')
    credentials.set('psk', ['--psk', psk.key, '--psk-identity', psk.identity])
    const { secret } = await broker.secret('t-secret')
    credentials.set('secret', ['--cafile', broker.caFile, '-u', 't-secret', '-P', secret])
    const { secret: tokenSecret } = await broker.secret('t-jwt', 'token')
    const basic = `grant_type=client_credentials&client_id=t-jwt&client_secret=${encodeURIComponent(tokenSecret)}`
    const basicReply = await broker.call('POST', '/oauth2/token', basic, null)
    expect(basicReply.status, JSON.stringify(basicReply.body)).toBe(200)
    credentials.set('jwt', ['--cafile', broker.caFile, '-u', 't-jwt', '-P', basicReply.body.access_token])
  }, 60_000)
  afterAll(() => broker?.close())

  const way = (kind: string) => [
    '-h',
    'localhost',
    '-p',
    String(broker.port('mqtts')),
    '-i',
    `t-${kind}`,
    ...(credentials.get(kind) ?? []),
  ]

  describe.each(['mqttv311', 'mqttv5'])('%s', version => {
    test.each(['x509', 'psk', 'secret', 'jwt'])(
      '%s publishes at QoS 1 and reads its retained message back',
      async kind => {
        const topic = `device/t-${kind}/state`
        const text = `${version} ${kind}`
        const sent = await run('mosquitto_pub', [...way(kind), '-V', version, '-q', '1', '-r', '-t', topic, '-m', text])
        expect(sent, sent.stderr).toMatchObject({ status: 0 })
        const received = await run('mosquitto_sub', [
          ...way(kind),
          '-V',
          version,
          '-q',
          '1',
          '-t',
          topic,
          '-C',
          '1',
          '-W',
          '10',
        ])
        expect(received.stdout.trim(), received.stderr).toBe(text)
      },
    )
  })

  test.each(['tlsv1.2', 'tlsv1.3'])('a certificate and a pre-shared key over %s', async tls => {
    for (const kind of ['x509', 'psk']) {
      const sent = await run('mosquitto_pub', [
        ...way(kind),
        '--tls-version',
        tls,
        '-q',
        '1',
        '-t',
        `device/t-${kind}/x`,
        '-m',
        'x',
      ])
      expect(sent.status, `${kind} ${sent.stderr}`).toBe(0)
    }
  })

  test('a message reaches a subscriber that is permitted, and MQTT 5 tells the publisher of a forbidden topic why', async () => {
    // mosquitto_sub keeps its lines back when nobody looks at a terminal
    const subscriber = await start(
      'stdbuf',
      ['-oL', 'mosquitto_sub', ...way('secret'), '-V', 'mqttv5', '-t', 'home/kitchen/+', '-C', '1', '-W', '20', '-d'],
      'SUBACK',
    )
    const sent = await run('mosquitto_pub', [
      ...way('x509'),
      '-V',
      'mqttv5',
      '-q',
      '1',
      '-t',
      'home/kitchen/temperature',
      '-m',
      '21.5',
    ])
    expect(sent.status, sent.stderr).toBe(0)
    expect((await subscriber.ended).stdout).toContain('21.5')
    const denied = await run('mosquitto_pub', [
      ...way('x509'),
      '-V',
      'mqttv5',
      '-q',
      '1',
      '-t',
      'home/kitchen/lock',
      '-m',
      'open',
    ])
    expect(denied.stdout + denied.stderr).toMatch(/not authori[sz]ed/i)
  })

  test.each([
    ['a wrong secret', (b: string[]) => [...b.slice(0, -1), 'lk_mqtt_wrong']],
    ['no password', (b: string[]) => b.slice(0, -2)],
  ])('%s is refused as not authorised', async (_name, spoil) => {
    const refused = await run('mosquitto_pub', [...spoil(way('secret')), '-t', 'device/t-secret/x', '-m', 'x'])
    expect(refused.status).not.toBe(0)
    expect(refused.stderr).toMatch(/not authori[sz]ed/i)
  })

  test('a wrong pre-shared key does not connect', async () => {
    const wrong = way('psk').map(part => (/^[0-9a-f]{32,}$/.test(part) ? '00'.repeat(32) : part))
    const refused = await run('mosquitto_pub', [...wrong, '-t', 'device/t-psk/x', '-m', 'x'], { timeout: 10_000 })
    expect(refused.status).not.toBe(0)
  })

  test('a revoked certificate is refused from the next connection on', async () => {
    await broker.device('t-revoked')
    const issued = await broker.certificate('t-revoked')
    const certificate = join(broker.folder, 'revoked.pem')
    const key = join(broker.folder, 'revoked.key')
    await writeFile(certificate, issued.certificate + issued.chain)
    await writeFile(key, issued.privateKey)
    const publish = () =>
      run('mosquitto_pub', [
        '-h',
        'localhost',
        '-p',
        String(broker.port('mqtts')),
        '-i',
        't-revoked',
        '--cafile',
        broker.caFile,
        '--cert',
        certificate,
        '--key',
        key,
        '-q',
        '1',
        '-t',
        'device/t-revoked/x',
        '-m',
        'x',
      ])
    expect((await publish()).status).toBe(0)
    await broker.api('POST', `/v1/credentials/${issued.id}/revoke`, { reason: 'stolen' })
    expect((await publish()).status).not.toBe(0)
  })
})
