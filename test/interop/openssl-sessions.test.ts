// `openssl s_client` against the mqtts listener: certificates and pre-shared keys on one port, and sessions that it tries to
// resume. It speaks MQTT through the pipe: one CONNECT, whose short keep-alive ends the connection.
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { generate } from 'mqtt-packet'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startBroker, type TestBroker } from '../fixtures/broker.ts'
import { has, run } from '../fixtures/programs.ts'

const ACCEPTED = Buffer.from([0x20, 2, 0, 0]).toString()
const REFUSED = Buffer.from([0x20, 2, 0, 5]).toString()

describe.skipIf(!has('openssl', 'openssl', 'version'))('openssl s_client', () => {
  let broker: TestBroker
  const credentials = new Map<string, string[]>()

  beforeAll(async () => {
    broker = await startBroker()
    for (const id of ['t-x509', 't-psk']) await broker.device(id)
    const { certificate, chain, privateKey } = await broker.certificate('t-x509')
    const file = async (name: string, text: string) => {
      const path = join(broker.folder, name)
      await writeFile(path, text)
      return path
    }
    const [cert, intermediates] = [await file('device.pem', certificate), await file('chain.pem', chain)]
    const key = await file('device.key', privateKey)
    credentials.set('x509', ['-cert', cert, '-cert_chain', intermediates, '-key', key])
    const psk = await broker.psk('t-psk')
    // TLS 1.2 clients that hold a certificate as well would offer other suites, and we prefer those with a PSK anyway.
    credentials.set('psk', ['-psk', psk.key, '-psk_identity', psk.identity, '-cipher', 'PSK+HIGH'])
  })
  afterAll(() => broker?.close())

  async function connect(kind: string, version: string, more: readonly string[]) {
    const connect = { cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clean: true, keepalive: 1 } as const
    const input = generate({ ...connect, clientId: `t-${kind}` }).toString()
    const where = [
      '-connect',
      `127.0.0.1:${broker.port('mqtts')}`,
      '-servername',
      'localhost',
      '-CAfile',
      broker.caFile,
    ]
    const { stdout, stderr } = await run('openssl', ['s_client', ...where, version, '-ign_eof', ...more], { input })
    return { stdout, stderr, reused: /^Reused, /m.test(stdout) }
  }

  describe.each(['-tls1_2', '-tls1_3'])('%s', version => {
    test.each(['x509', 'psk'])('%s is admitted, and its session opens nothing without it', async kind => {
      const session = join(broker.folder, `${kind}${version}.session`)
      const first = await connect(kind, version, [...(credentials.get(kind) ?? []), '-sess_out', session])
      expect(first.stdout, first.stderr).toContain(ACCEPTED)
      const again = await connect(kind, version, existsSync(session) ? ['-sess_in', session] : [])
      expect(again.reused).toBe(false)
      expect(again.stdout, again.stderr).toContain(REFUSED)
    })

    test('a wrong key and an identity that nobody has end the handshake in the same way', async () => {
      const shown = (identity: string) => ['-psk', '00'.repeat(32), '-psk_identity', identity, '-cipher', 'PSK+HIGH']
      const alerts = []
      for (const identity of ['t-psk', 'nobody']) {
        const { stdout, stderr } = await connect('psk', version, shown(identity))
        expect(stdout).not.toContain(ACCEPTED)
        alerts.push(/alert number (\d+)/.exec(stderr)?.[1])
      }
      expect(alerts[0]).toBeDefined()
      expect(alerts[1]).toBe(alerts[0])
    })
  })
})
