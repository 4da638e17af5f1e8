// An attacker who writes a victim's address into a registration lets the server flood the victim. Whoever has not shown
// that it receives what is sent to its address gets less than three times of what it sent (RFC 9175 2.4).
import { CODE } from '../../src/coap-wire/codes.ts'
import { encode } from '../../src/coap-wire/encode.ts'
import { type CoapAttempt, coapAttack } from '../wire/coap-attack.ts'
import { CoapClient } from '../wire/coap-wire.ts'

const NOTIFICATIONS = 20

/** The victim's socket sends what the attacker would send in its name, and never answers anything. */
const amplifies =
  (spoofed: (victim: CoapClient, path: readonly string[]) => Buffer[]): CoapAttempt =>
  async target => {
    await target.stir()
    const victim = await CoapClient.open(target.port, { echo: false })
    victim.acknowledges = false
    const requests = spoofed(victim, target.path)
    let sent = 0
    for (const bytes of requests) {
      victim.send(bytes)
      sent += bytes.length
    }
    for (let i = 0; i < NOTIFICATIONS; i++) await target.stir()
    const received = victim.datagrams.reduce((sum, { length }) => sum + length, 0)
    await victim.close()
    return received >= 3 * sent
  }

coapAttack('spoofed requests', {
  'an observation': amplifies((victim, path) => [encode(victim.compose({ path, observe: 0 }))]),
  'an observation, non-confirmable': amplifies((victim, path) => [
    encode(victim.compose({ type: 1, path, observe: 0 })),
  ]),
  'an observation with an Echo value of its own making': amplifies((victim, path) => [
    encode(victim.compose({ path, observe: 0, options: [{ number: 252, value: Buffer.alloc(8, 1) }] })),
  ]),
  'many observations': amplifies((victim, path) =>
    Array.from({ length: 10 }, () => encode(victim.compose({ code: CODE.GET, path, observe: 0 }))),
  ),
})
