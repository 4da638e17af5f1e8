// Datagrams one by one against the message layer: what was sent, and all that came back for it.
import { afterEach } from 'vitest'
import type { CoapLimits } from '../../src/coap/limits.ts'
import type { Resource } from '../../src/coap/resource.ts'
import { CODE, codeText } from '../../src/coap-wire/codes.ts'
import { decode, isMalformed } from '../../src/coap-wire/decode.ts'
import { encode } from '../../src/coap-wire/encode.ts'
import { type CoapMessage, TYPE } from '../../src/coap-wire/message.ts'
import { type CoapTestServer, startCoapServer } from '../fixtures/coap-server.ts'
import { CoapClient } from './coap-wire.ts'

const TYPES = ['CON', 'NON', 'ACK', 'RST']
/** Closed after each test. */
export const opened: { close(): Promise<void> }[] = []

afterEach(async () => {
  for (const each of opened.splice(0).reverse()) await each.close()
})

export async function start(limits: Partial<CoapLimits> = {}, resources: readonly Resource[] = []) {
  const server = await startCoapServer(limits, resources)
  opened.push(server)
  return { server, client: await connect(server) }
}

/** A client that neither acknowledges nor repeats anything by itself. */
export async function connect({ port }: CoapTestServer): Promise<CoapClient> {
  const client = await CoapClient.open(port, { echo: false })
  client.acknowledges = false
  opened.push(client)
  return client
}

/** Sends datagrams one after the other; resolves with all that came until the server had read them. */
export async function exchange(client: CoapClient, ...datagrams: Buffer[]): Promise<Buffer[]> {
  for (const bytes of datagrams) client.send(bytes)
  return await arrived(client)
}

/** What has come and was not looked at; when it resolves, the server has read all that was sent. */
export async function arrived(client: CoapClient): Promise<Buffer[]> {
  await client.ping()
  client.inbox.take()
  return client.datagrams.splice(0).slice(0, -1)
}

export function messageOf(bytes: Buffer | undefined): CoapMessage {
  const message = bytes === undefined ? null : decode(bytes)
  if (message === null || isMalformed(message)) throw new Error(`no message: ${bytes?.toString('hex')}`)
  return message
}

/** `ACK 2.05 hello`. */
export const shown = (datagrams: Buffer[]): string[] =>
  datagrams.map(bytes => {
    const { type, code, payload } = messageOf(bytes)
    return [TYPES[type], codeText(code), ...(payload.length > 0 ? [payload.toString()] : [])].join(' ')
  })

export const request = (
  client: CoapClient,
  path: string,
  type: 0 | 1 = TYPE.CON,
  code: number = CODE.POST,
): CoapMessage => client.compose({ path, type, code })
export const empty = (type: 0 | 1 | 2 | 3, messageId: number): Buffer =>
  encode({ type, code: CODE.Empty, messageId, token: Buffer.alloc(0), options: [], payload: Buffer.alloc(0) })
