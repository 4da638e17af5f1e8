// A request whose meaning depends on an option that the server does not know must be refused, not obeyed without it
// (RFC 7252 5.4.1).
import { CODE, codeClass } from '../../src/coap-wire/codes.ts'
import { type CoapAttempt, coapAttack } from '../wire/coap-attack.ts'
import { CoapClient } from '../wire/coap-wire.ts'

const isObeyedWith =
  (number: number, value: Buffer): CoapAttempt =>
  async target => {
    const client = await CoapClient.open(target.port)
    const before = await target.runs()
    const answer = await client.request({
      code: CODE.POST,
      path: target.path,
      options: [{ number, value }],
      payload: 'x',
    })
    await client.close()
    return codeClass(answer.code) === 2 && (await target.runs()) > before
  }

coapAttack('an unknown critical option', {
  'a number that nobody has registered': isObeyedWith(65_001, Buffer.from('a')),
  'OSCORE, before it is served': isObeyedWith(9, Buffer.alloc(0)),
  'one of a length that it must not have': isObeyedWith(5, Buffer.from('not empty')),
})
