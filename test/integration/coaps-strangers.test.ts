// DTLS in front of the message layer alone, with time moved by hand: how long somebody stays who says nothing.
import { afterEach, expect, test } from 'vitest'
import type { DtlsClientOptions } from '../../src/dtls/client.ts'
import { DtlsClient } from '../../src/dtls/client.ts'
import { DTLS_SERVER_LIMITS } from '../../src/dtls/limits.ts'
import { type CoapTestServer, startCoapServer } from '../fixtures/coap-server.ts'
import { udp } from '../fixtures/datagram-network.ts'
import { type ClientEnd, dial, dtlsCredentials, keyOf, PSK } from '../fixtures/dtls.ts'

let server: CoapTestServer | undefined
const ends: ClientEnd[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) end.stop()
  await server?.close()
})

test('who has shown nothing is forgotten after a silence, and told; who is known stays', async () => {
  const { authority, server: own } = await dtlsCredentials()
  server = await startCoapServer({ exchangeLifetime: 60_000 })
  const { port } = await server.server.listenDtls({
    host: '127.0.0.1',
    port: 0,
    keys: { pskKey: identity => keyOf(identity) ?? null, mayResume: () => true },
    material: { certificatePem: own.pem, privateKeyPem: own.privateKeyPem, caPem: [authority.pem] },
    limits: DTLS_SERVER_LIMITS,
    recordFailedProof: () => {},
  })
  const open = async (options: DtlsClientOptions) => {
    const end = await dial(udp, new DtlsClient(options), { address: '127.0.0.1', port })
    ends.push(end)
    expect(await end.opened).toBe(true)
    return end
  }
  const stranger = await open({ authorities: authority.pem })
  const known = await open(PSK)
  expect(server.metric('peers yes')).toBe(1)
  expect(server.metric('peers no')).toBe(1)
  server.time.advance(59_000)
  expect(stranger.session.isOpen).toBe(true)
  server.time.advance(60_000)
  expect(await stranger.ended).toMatchObject({ reason: 'peer' })
  expect(known.session.isOpen).toBe(true)
  expect(server.metric('peers yes')).toBe(1)
})
