// Sessions that are taken up again by a ticket: what proved them is asked about anew.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CODE } from '../../src/coap-wire/codes.ts'
import type { DtlsClientOptions } from '../../src/dtls/client.ts'
import { FREE_PORTS_WITH_COAPS, startBroker, type TestBroker } from '../fixtures/broker.ts'
import { told } from '../fixtures/coap-device.ts'
import { byCertificate, byPsk, type Channel, openChannel } from '../fixtures/coaps-device.ts'
import { devicesOverDtls } from '../fixtures/devices-over-dtls.ts'

let broker: TestBroker

beforeAll(async () => {
  broker = await startBroker({ listeners: FREE_PORTS_WITH_COAPS })
})
afterAll(() => broker?.close())

const { open, newDevice } = devicesOverDtls(() => broker)

/** A session that was open, and is over; what is left of it. */
async function earlier(credentials: DtlsClientOptions, id: string): Promise<Buffer> {
  const channel = await open(credentials)
  expect(told(await state(channel, id))).toBe('2.04')
  const saved = channel.session.saved()
  if (saved === undefined) throw new Error('the broker gives tickets')
  channel.session.close()
  return saved
}

const state = ({ client }: Channel, id: string) =>
  client.request({ code: CODE.PUT, path: `ps/device/${id}/state`, payload: 'x' })

const ways: [string, (broker: TestBroker, id: string) => Promise<DtlsClientOptions & { readonly id: string }>][] = [
  ['a pre-shared key', byPsk],
  ['a certificate', byCertificate],
]

describe.each(ways)('by %s', (_, by) => {
  test('the session is taken up again, and is the device', async () => {
    const id = await newDevice()
    const credentials = await by(broker, id)
    const channel = await open(credentials, { saved: await earlier(credentials, id) })
    expect(channel.session.evidence.resumed).toBe(true)
    expect(told(await state(channel, id))).toBe('2.04')
  })

  test('after any revocation nobody is: tickets of all are void', async () => {
    const id = await newDevice()
    const credentials = await by(broker, id)
    const saved = await earlier(credentials, id)
    const other = await byPsk(broker, await newDevice())
    await broker.api('POST', `/v1/credentials/${other.id}/revoke`, { reason: 'lost' })
    const channel = await open(credentials, { saved })
    expect(channel.session.evidence.resumed).toBe(false)
    expect(told(await state(channel, id))).toBe('2.04')
  })

  test('a device that was suspended meanwhile is not, and one that is back begins anew', async () => {
    const id = await newDevice()
    const credentials = await by(broker, id)
    const saved = await earlier(credentials, id)
    await broker.api('POST', `/v1/devices/${id}/suspend`)
    const suspended = await open(credentials, { saved })
    expect(suspended.session.evidence.resumed).toBe(false)
    expect(await suspended.ended).toMatchObject({ reason: 'peer' })
    await broker.api('POST', `/v1/devices/${id}/resume`)
    const back = await open(credentials, { saved })
    expect(back.session.evidence.resumed).toBe(false)
    expect(told(await state(back, id))).toBe('2.04')
  })
})

test('a restart voids tickets; the device comes back by its key', async () => {
  const first = await startBroker({ listeners: FREE_PORTS_WITH_COAPS })
  await first.device('t1')
  const { psk } = await byPsk(first, 't1')
  const credentials: DtlsClientOptions = psk === undefined ? {} : { psk }
  const before = await openChannel(first, credentials)
  const saved = before.session.saved()
  await first.latchkey.close()
  expect(await before.ended).toMatchObject({ reason: 'peer' })
  await before.client.close()
  const second = await startBroker({ listeners: FREE_PORTS_WITH_COAPS }, { data: first.data })
  const after = await openChannel(second, credentials, { saved })
  expect(after.session.evidence.resumed).toBe(false)
  expect(told(await state(after, 't1'))).toBe('2.04')
  await after.client.close()
  await second.close()
  await first.close()
})
