// Devices with a session open on each CoAP listener of a broker, who observe one topic and use one of their own.
import { CODE } from '../../src/coap-wire/codes.ts'
import type { CoapMessage } from '../../src/coap-wire/message.ts'
import type { TestBroker } from '../fixtures/broker.ts'
import {
  logIn,
  observeAt,
  openStream,
  type StreamName,
  showCertificate,
  showPsk,
} from '../fixtures/coap-stream-device.ts'
import { byCertificate, byPsk, openChannel } from '../fixtures/coaps-device.ts'
import { contextOf, issueContext, OscoreDevice } from '../fixtures/oscore-device.ts'
import type { CoapStreamClient } from './coap-stream-client.ts'
import { CoapClient, type RequestOptions } from './coap-wire.ts'

/** What a witness needs of a broker. */
export type Served = Pick<TestBroker, 'port' | 'ca' | 'api' | 'psk' | 'certificate'>

export interface Witness {
  readonly name: string
  /** Payloads of its notifications, in their order. */
  readonly heard: string[]
  request(
    asked: Pick<RequestOptions, 'code' | 'options'> & { path: string; payload?: string | Buffer },
  ): Promise<CoapMessage>
  /** Datagrams that somebody else sends in its name; where DTLS tells them apart. */
  readonly spoof?: (datagram: Buffer) => void
  close(): Promise<void>
}

/** Publishes and reads what it published: it resolves when both are done, and throws when they are not. */
export async function proveServed({ name, request }: Witness, value: string): Promise<void> {
  const path = `ps/device/${name}/state`
  const put = await request({ code: CODE.PUT, path, payload: value })
  const got = await request({ path })
  if (put.code !== CODE.Changed || got.payload.toString() !== value)
    throw new Error(`${name} is not served: ${put.code}, ${got.code} ${got.payload}`)
}

async function overDatagrams(
  name: string,
  client: CoapClient,
  query: readonly string[],
  topic: string,
  spoof?: Witness['spoof'],
): Promise<Witness> {
  const heard: string[] = []
  const observation = await client.observe({ path: `ps/${topic}`, query })
  void collect(() => observation.next(), heard)
  return {
    name,
    heard,
    ...(spoof && { spoof }),
    request: asked => client.request({ ...asked, query }),
    close: () => client.close(),
  }
}

async function overStream(
  name: string,
  client: CoapStreamClient,
  query: readonly string[],
  topic: string,
): Promise<Witness> {
  const heard: string[] = []
  const { next } = await observeAt(client, topic, { query })
  void collect(next, heard)
  return { name, heard, request: asked => client.request({ ...asked, query }), close: () => client.close() }
}

async function collect(next: () => Promise<CoapMessage>, heard: string[]): Promise<void> {
  try {
    for (;;) heard.push((await next()).payload.toString())
  } catch {
    // its client was closed, or waited longer than anybody should: what is missing shows
  }
}

/** One on each listener, and by each way in. `newDevice` registers a device that may read the topic, and resolves to its secret. */
export async function openWitnesses(
  broker: Served,
  topic: string,
  newDevice: (id: string) => Promise<string>,
): Promise<Witness[]> {
  const witnesses: Witness[] = []
  const plain = await CoapClient.open(broker.port('coap'))
  const secret = await newDevice('on-coap')
  const query = await loggedIn(plain, 'on-coap', secret)
  witnesses.push(await overDatagrams('on-coap', plain, query, topic))

  const ways = { 'by-psk': byPsk, 'by-certificate': byCertificate }
  for (const [name, way] of Object.entries(ways)) {
    await newDevice(name)
    const { client, spoof } = await openChannel(broker, await way(broker, name))
    witnesses.push(await overDatagrams(name, client, [], topic, spoof))
  }

  await newDevice('by-oscore')
  const { oscore } = await issueContext(broker, 'by-oscore')
  const device = await OscoreDevice.open(broker.port('coap'), contextOf(oscore))
  witnesses.push(await overDatagrams('by-oscore', device.client, [], topic))

  const streams: Record<StreamName, typeof showPsk | typeof showCertificate | null> = {
    'coap+tcp': null,
    'coaps+tcp': showPsk,
    'coap+ws': null,
    'coaps+ws': showCertificate,
  }
  for (const [listener, show] of Object.entries(streams) as [StreamName, typeof showPsk | null][]) {
    const name = `on-${listener.replace('+', '-')}`
    const secretOfIt = await newDevice(name)
    const client = await openStream(broker, listener, show === null ? {} : (await show(broker, name)).tls)
    witnesses.push(await overStream(name, client, show === null ? await logIn(client, name, secretOfIt) : [], topic))
  }
  return witnesses
}

/** Opens a session with a secret; what follows bears this query. */
export async function loggedIn(client: CoapClient, id: string, secret: string): Promise<string[]> {
  const query = [`clientid=${id}`]
  const answer = await client.request({ code: CODE.POST, path: 'mqtt/connection', query, payload: secret })
  if (answer.code !== CODE.Created) throw new Error(`${id} was not let in: ${answer.code}`)
  return [...query, `token=${answer.payload}`]
}
