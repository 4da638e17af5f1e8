// DTLS resumes a session without a key or certificate being shown again, and an open one needs neither. What has ended must
// be met all the same: in a session that is taken up again, in a fresh one, and in one that is open.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CODE, codeClass } from '../../src/coap-wire/codes.ts'
import type { DtlsClientOptions } from '../../src/dtls/client.ts'
import { attacks, WITHOUT_ENFORCEMENT } from '../fixtures/attack.ts'
import { FREE_PORTS_WITH_COAPS, startBroker, type TestBroker } from '../fixtures/broker.ts'
import { byCertificate, byPsk, type Channel, openChannel } from '../fixtures/coaps-device.ts'

let devices = 0

/** Whether the device can still publish; what gets no session, or loses it meanwhile, cannot. */
async function publishes({ client, ended }: Channel, id: string): Promise<boolean> {
  const request = client.request({ code: CODE.PUT, path: `ps/device/${id}/state`, payload: 'x' })
  const answer = await Promise.race([request, ended.then(() => null)])
  request.catch(() => {}) // the end came first
  return answer !== null && codeClass(answer.code) === 2
}

async function getsIn(broker: TestBroker, id: string, credentials: DtlsClientOptions, saved?: Buffer) {
  const channel = await openChannel(broker, credentials, { saved }).catch(() => null)
  if (channel === null) return false
  const isIn = await publishes(channel, id)
  await channel.client.close()
  return isIn
}

type By = (broker: TestBroker, id: string) => Promise<DtlsClientOptions & { readonly id: string }>
type End = (broker: TestBroker, device: string, credential: string) => Promise<unknown>

const revoke: End = (broker, _, credential) =>
  broker.api('POST', `/v1/credentials/${credential}/revoke`, { reason: 'stolen' })
const suspend: End = (broker, device) => broker.api('POST', `/v1/devices/${device}/suspend`)

/** The device was in, then came the end; what does its holder do with what is left? */
const after =
  (by: By, end: End, attempt: (broker: TestBroker, left: Left) => Promise<boolean>) => async (broker: TestBroker) => {
    const id = `d${++devices}`
    await broker.device(id)
    const credentials = await by(broker, id)
    const channel = await openChannel(broker, credentials)
    if (!(await publishes(channel, id))) throw new Error('the credential should have been good')
    const saved = channel.session.saved()
    if (saved === undefined) throw new Error('the broker should have given a ticket')
    await end(broker, id, credentials.id)
    const got = await attempt(broker, { id, credentials, saved, channel })
    await channel.client.close()
    return got
  }

interface Left {
  readonly id: string
  readonly credentials: DtlsClientOptions
  readonly saved: Buffer
  readonly channel: Channel
}

const resumes = (broker: TestBroker, { id, credentials, saved }: Left) => getsIn(broker, id, credentials, saved)
const goesOn = (_: TestBroker, { id, channel }: Left) => publishes(channel, id)
const comesAgain = (broker: TestBroker, { id, credentials }: Left) => getsIn(broker, id, credentials)

attacks(
  'what has ended, over DTLS',
  [
    { name: 'a revoked certificate resumes its session', attempt: after(byCertificate, revoke, resumes) },
    { name: 'a revoked certificate begins another', attempt: after(byCertificate, revoke, comesAgain) },
  ],
  { configuration: { listeners: FREE_PORTS_WITH_COAPS } },
)

// Two doors refuse a suspended device, so that switching one off lets nobody in: here it must fail at both brokers.
describe.each([
  ['as it is', {}],
  ['with authentication switched off', WITHOUT_ENFORCEMENT],
])('a suspended device, against the broker %s', (_, without) => {
  let broker: TestBroker
  beforeAll(async () => {
    broker = await startBroker({ listeners: FREE_PORTS_WITH_COAPS }, without)
  })
  afterAll(() => broker?.close())

  test.each([
    ['resumes its session', byPsk, resumes],
    ['resumes its session', byCertificate, resumes],
    ['begins another', byPsk, comesAgain],
    ['begins another', byCertificate, comesAgain],
    ['goes on in the one it has', byPsk, goesOn],
    ['goes on in the one it has', byCertificate, goesOn],
  ] as const)('%s: repelled, until it is let in again', async (_what, by, attempt) => {
    const was = (broker: TestBroker, left: Left) =>
      attempt(broker, left).then(async got => {
        await broker.api('POST', `/v1/devices/${left.id}/resume`)
        expect(await comesAgain(broker, left)).toBe(true)
        return got
      })
    expect(await after(by, suspend, was)(broker)).toBe(false)
  })
})
