// One datagram each: an extended token (RFC 8974) that makes a naive server build an answer it cannot send, and tokens
// longer than the 64 bytes that we take.
import { encode } from '../../src/coap-wire/encode.ts'
import { type CoapAttempt, coapAttack } from '../wire/coap-attack.ts'
import { CoapClient } from '../wire/coap-wire.ts'

/** CON GET with a token length of 14: two more bytes tell a length of 269 and more (RFC 8974 2.1), of which we take 64. */
function extendedToken(bytes: number): Buffer {
  const header = Buffer.from([0x4e, 0x01, 0x00, 0x46, (bytes - 269) >> 8, (bytes - 269) & 0xff])
  return Buffer.concat([header, Buffer.alloc(bytes, 1), Buffer.from([0xb1, 0x78])])
}

/** Whether the server has stopped answering others. */
const kills =
  (datagram: Buffer): CoapAttempt =>
  async target => {
    const attacker = await CoapClient.open(target.port)
    for (let i = 0; i < 3; i++) {
      attacker.send(datagram)
      // Answered by a reset or not at all; whoever comes later finds the server there or gone.
      await Promise.race([attacker.ping().catch(() => {}), new Promise(resolve => setTimeout(resolve, 500))])
    }
    await attacker.close()
    return !(await target.serves())
  }

coapAttack('a datagram that kills', {
  'a token of 1145 bytes in 1151': kills(extendedToken(1145)),
  'a token of 1270 bytes': kills(extendedToken(1270)),
})

/** Whether a request is taken whose token is longer than there may be. */
const takes =
  (tokenLength: number): CoapAttempt =>
  async target => {
    const attacker = await CoapClient.open(target.port)
    const request = attacker.compose({ path: target.path, code: 2, token: Buffer.alloc(8, 7), payload: 'x' })
    const bytes = encode(request)
    const before = await target.runs()
    const longer = Buffer.concat([bytes.subarray(0, 12), Buffer.alloc(tokenLength - 8, 7), bytes.subarray(12)])
    longer[0] = 0x40 | 13 // the length follows: 13 + n
    attacker.send(Buffer.concat([longer.subarray(0, 4), Buffer.from([tokenLength - 13]), longer.subarray(4)]))
    await attacker.next().catch(() => null)
    await attacker.close()
    return (await target.runs()) > before
  }

coapAttack('a token longer than allowed', { 'of 65 bytes': takes(65), 'of 268 bytes': takes(268) })
