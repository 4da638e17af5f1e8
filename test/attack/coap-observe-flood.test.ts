// One peer that registers as many observations as it can: it gets so many and no more, and others are served.
import { CODE } from '../../src/coap-wire/codes.ts'
import { type CoapAttempt, coapAttack } from '../wire/coap-attack.ts'
import { CoapClient } from '../wire/coap-wire.ts'

const REGISTRATIONS = 300
/** More than a peer may have. */
const TOO_MANY = 100

const floods: CoapAttempt = async target => {
  const flooder = await CoapClient.open(target.port)
  const notified = new Set<string>()
  for (let i = 0; i < REGISTRATIONS; i++) await flooder.request({ path: target.path, observe: 0 })
  flooder.received.length = 0
  await target.stir()
  await flooder.request({ path: target.path }) // behind the notifications
  for (const { code, token } of flooder.received) if (code === CODE.Content) notified.add(token.toString('hex'))
  await flooder.close()
  return notified.size > TOO_MANY
}

coapAttack('a flood of observations', { 'from one peer': floods })
