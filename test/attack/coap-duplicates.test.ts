// A datagram that the network, or somebody on the way, repeats: whenever it comes again, its request is run once
// (RFC 7252 4.2, 4.5).

import { CODE } from '../../src/coap-wire/codes.ts'
import { type CoapMessage, TYPE } from '../../src/coap-wire/message.ts'
import { type CoapAttempt, coapAttack } from '../wire/coap-attack.ts'
import { CoapClient } from '../wire/coap-wire.ts'

/** Sends one request as often and when `replay` wants; true when it was run more than once. */
const runsTwice =
  (type: 0 | 1, replay: (client: CoapClient, request: CoapMessage) => Promise<void>): CoapAttempt =>
  async target => {
    const client = await CoapClient.open(target.port)
    const before = await target.runs()
    const request = client.compose({ type, code: CODE.POST, path: target.path, payload: 'x' })
    await replay(client, request)
    const runs = (await target.runs()) - before
    await client.close()
    if (runs === 0) throw new Error('the request was not run at all')
    return runs > 1
  }

const isAnswer = ({ code }: CoapMessage): boolean => code >= 0x40

coapAttack('duplicates of a request', {
  'a burst, before the first is answered': runsTwice(TYPE.CON, async (client, request) => {
    for (let i = 0; i < 10; i++) client.send(request)
    await client.next(isAnswer)
    await client.next(isAnswer).catch(() => {})
  }),
  'again and again while it is answered, and after the answer': runsTwice(TYPE.CON, async (client, request) => {
    client.send(request)
    const repeating = setInterval(() => client.send(request), 5)
    await client.next(isAnswer)
    for (let i = 0; i < 10; i++) client.send(request)
    clearInterval(repeating)
    await client.next(isAnswer)
  }),
  'non-confirmable ones': runsTwice(TYPE.NON, async (client, request) => {
    for (let i = 0; i < 10; i++) client.send(request)
    await client.next(isAnswer)
  }),
})
