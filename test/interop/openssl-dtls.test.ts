// Our DTLS server against `openssl s_client`, our client against `openssl s_server`: pre-shared keys and certificates.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DtlsClient } from '../../src/dtls/client.ts'
import { SUITES } from '../../src/dtls/suites.ts'
import { udp } from '../fixtures/datagram-network.ts'
import {
  type DtlsCredentials,
  dial,
  dtlsCredentials,
  IDENTITY,
  KEY,
  PSK,
  type ServerEnd,
  serverWith,
  startServer,
  withCertificate,
} from '../fixtures/dtls.ts'
import { has, run, start } from '../fixtures/programs.ts'
import type { TestCertificate } from '../fixtures/test-authority.ts'

describe.skipIf(!has('openssl', 'openssl', 'version'))('openssl', () => {
  let folder: string
  let credentials: DtlsCredentials
  const files = new Map<string, readonly string[]>()

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'latchkey-dtls-'))
    credentials = await dtlsCredentials()
    await writeFile(join(folder, 'ca.pem'), credentials.authority.pem)
    for (const name of ['server', 'device', 'expired', 'stranger'] as const) await write(name, credentials[name])
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  async function write(name: string, { pem, privateKeyPem }: TestCertificate) {
    const [certificate, key] = [join(folder, `${name}.pem`), join(folder, `${name}.key`)]
    await writeFile(certificate, pem)
    await writeFile(key, privateKeyPem)
    files.set(name, ['-cert', certificate, '-key', key])
  }

  const psk = ['-psk_identity', IDENTITY, '-psk', KEY.toString('hex')]
  /** Suites with 8 octets of tag are below openssl's own default level. */
  const suite = (name: string) => ['-cipher', `${name}@SECLEVEL=0`]

  /** With `-CAfile` openssl sends the authority's certificate along. */
  const chainOf = ({ der }: TestCertificate) => [der, credentials.authority.certificate.raw]

  /** It reads until the server says goodbye, which it does when it has answered. */
  async function say(server: ServerEnd, text: string, args: readonly string[]) {
    const version = args.includes('-dtls1') ? [] : ['-dtls1_2']
    const where = [...version, '-connect', `127.0.0.1:${server.port.at.port}`, '-CAfile', join(folder, 'ca.pem')]
    const closing = setInterval(() => {
      if (server.messages.includes(`${text}\n`)) for (const session of server.opened) session.close()
    }, 20)
    const outcome = await run('openssl', ['s_client', ...where, '-ign_eof', ...args], {
      input: `${text}\n`,
      timeout: 4_000,
    })
    clearInterval(closing)
    return { ...outcome, isEchoed: outcome.stdout.split('\n').includes(text) }
  }

  describe('s_client', () => {
    let server: ServerEnd
    beforeAll(async () => {
      server = await startServer(udp, {
        ...serverWith(credentials),
        allowCbc: true,
        mayResume: () => true,
        limits: { handshakeTimeout: 3_000 },
      })
    })
    afterAll(() => server?.stop())

    test.each(SUITES.filter(({ by }) => by === 'psk'))('$name', async ({ name }) => {
      const { isEchoed, stdout, stderr } = await say(server, `psk ${name}`, [...psk, ...suite(name)])
      expect(isEchoed, stdout + stderr).toBe(true)
      expect(server.opened.at(-1)?.evidence).toMatchObject({ suite: name, identity: IDENTITY })
    })

    test.each(SUITES.filter(({ by }) => by === 'ecdsa'))('$name', async ({ name }) => {
      const certificate = files.get('device') ?? []
      const { isEchoed, stdout, stderr } = await say(server, `x509 ${name}`, [
        ...certificate,
        ...suite(name),
        '-verify_return_error',
      ])
      expect(isEchoed, stdout + stderr).toBe(true)
      expect(server.opened.at(-1)?.evidence).toMatchObject({ suite: name, chain: chainOf(credentials.device) })
    })

    test.each<[string, () => readonly string[]]>([
      ['a wrong key', () => ['-psk_identity', IDENTITY, '-psk', '00112233', ...suite('PSK-AES128-GCM-SHA256')]],
      ['an unknown identity', () => ['-psk_identity', 'nobody', '-psk', '00112233', ...suite('PSK-AES128-GCM-SHA256')]],
      ['an expired certificate', () => files.get('expired') ?? []],
      ['a certificate of another authority', () => files.get('stranger') ?? []],
      ['no certificate', () => []],
      ['a suite that is not offered', () => [...psk, ...suite('PSK-AES256-CBC-SHA')]],
      ['DTLS 1.0', () => [...psk, '-dtls1', ...suite('ALL')]],
    ])('with %s opens nothing', async (name, args) => {
      const opened = server.opened.length
      const { isEchoed } = await say(server, `bad ${name}`, args())
      expect(isEchoed).toBe(false)
      expect(server.opened.length).toBe(opened)
    })

    test('resumes by ticket', async () => {
      const session = join(folder, 'session.pem')
      const certificate = files.get('device') ?? []
      const first = await say(server, 'first', [...certificate, '-sess_out', session])
      expect(first.isEchoed, first.stderr).toBe(true)
      const second = await say(server, 'second', [...certificate, '-sess_in', session])
      expect(second.isEchoed, second.stderr).toBe(true)
      expect(second.stdout).toMatch(/^Reused, /m)
      expect(server.opened.at(-1)?.evidence).toMatchObject({ resumed: true, chain: [credentials.device.der] })
    })
  })

  test.each(SUITES.filter(({ by }) => by === 'rsa'))(
    's_client and a server with an RSA key: $name',
    async ({ name }) => {
      const [pem, key] = [join(folder, 'rsa.pem'), join(folder, 'rsa.key')]
      const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
      const made = [
        'req',
        '-x509',
        '-newkey',
        'rsa:2048',
        '-nodes',
        '-days',
        '1',
        ...subject,
        '-out',
        pem,
        '-keyout',
        key,
      ]
      expect(await run('openssl', made)).toMatchObject({ status: 0 })
      const certificate = { chain: await readFile(pem, 'utf8'), privateKey: await readFile(key, 'utf8') }
      const server = await startServer(udp, { certificate })
      const { isEchoed, stdout, stderr } = await say(server, `rsa ${name}`, suite(name))
      server.stop()
      expect(isEchoed, stdout + stderr).toBe(true)
      expect(server.opened[0]?.evidence.suite).toBe(name)
    },
  )

  describe('s_server', () => {
    /** What our client says it prints, and what is typed into it comes to our client. */
    async function talk(args: readonly string[], client: DtlsClient) {
      const where = ['s_server', '-dtls1_2', '-4', '-accept', '0']
      const server = await start('openssl', [...where, ...args], /ACCEPT \S+:\d+/, { input: 'open' })
      const port = Number(/ACCEPT \S+:(\d+)/.exec(server.output())?.[1])
      const end = await dial(udp, client, { address: '127.0.0.1', port })
      const isOpen = await end.opened
      const evidence = isOpen ? end.session.evidence : undefined
      if (isOpen) {
        const echo = end.echo('hello\n')
        server.type('hello\n')
        await echo
        await expect.poll(() => server.output(), { timeout: 5_000 }).toContain('hello\n')
      }
      end.stop()
      server.stop()
      await server.ended
      return { isOpen, evidence }
    }

    test.each(['PSK-AES128-CCM8', 'PSK-AES128-GCM-SHA256', 'ECDHE-PSK-CHACHA20-POLY1305'])('%s', async name => {
      const args = ['-nocert', ...psk, ...suite(name)]
      expect(await talk(args, new DtlsClient(PSK))).toMatchObject({ isOpen: true, evidence: { suite: name } })
    })

    test('with certificates of both sides', async () => {
      const args = [...(files.get('server') ?? []), '-CAfile', join(folder, 'ca.pem'), '-Verify', '1']
      const client = new DtlsClient(withCertificate(credentials, credentials.device))
      expect(await talk(args, client)).toMatchObject({ isOpen: true, evidence: { chain: chainOf(credentials.server) } })
    })

    test('with a certificate that we do not believe', async () => {
      const args = files.get('stranger') ?? []
      const client = new DtlsClient({ authorities: credentials.authority.pem })
      expect(await talk(args, client)).toMatchObject({ isOpen: false })
    })
  })
})
