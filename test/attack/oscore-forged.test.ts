// What is protected by somebody else, altered outside, or led astray.
import { encode } from '../../src/coap-wire/encode.ts'
import type { CoapMessage } from '../../src/coap-wire/message.ts'
import { OPTION, uintValue } from '../../src/coap-wire/options.ts'
import { additionalData, nonceOf, partialIvOf, seal } from '../../src/coap-wire/oscore-cose.ts'
import { encodeOscoreOption } from '../../src/coap-wire/oscore-option.ts'
import { contextOf, OscoreDevice } from '../fixtures/oscore-device.ts'
import { CoapClient, type RequestOptions } from '../wire/coap-wire.ts'
import { type OscoreTarget, oscoreAttack } from '../wire/oscore-attack.ts'

const DOOR = 'device/victim/door'

/** What the victim protects, as it lies on the wire. */
const protectedBy = ({ victim }: OscoreTarget, client: CoapClient, asked: RequestOptions, sequence = 0): CoapMessage =>
  contextOf(victim, { next: () => sequence }).protectRequest(client.compose(asked)).message

/** The message with these options too. */
const withOptions = (message: CoapMessage, options: CoapMessage['options']): CoapMessage => ({
  ...message,
  options: [...message.options, ...options].sort((one, other) => one.number - other.number),
})

/** Resolves when it has been answered. */
async function send(client: CoapClient, message: CoapMessage): Promise<void> {
  client.send(encode(message))
  await client.inbox.next(({ messageId }) => messageId === message.messageId)
}

/** With the key and nonces of one, in the name of the other. */
function underTheKidOf(other: string, mallory: OscoreTarget['mallory'], message: CoapMessage): CoapMessage {
  const { keys } = contextOf(mallory)
  const kid = Buffer.from(other, 'hex')
  const partialIv = partialIvOf(7)
  const plain = encode({ ...message, token: Buffer.alloc(0) }).subarray(3)
  plain[0] = message.code
  const nonce = nonceOf(keys.commonIv, keys.senderId, partialIv)
  return {
    ...message,
    code: 2,
    options: [{ number: OPTION.OSCORE, value: encodeOscoreOption({ partialIv, kidContext: null, kid }) }],
    payload: seal(keys.senderKey, nonce, additionalData(kid, partialIv), plain),
  }
}

oscoreAttack('an OSCORE message that is not what it seems', {
  'of one device under the kid of another': async target => {
    const { victim, mallory } = target
    const attacker = await CoapClient.open(target.port)
    const meant = attacker.compose({ code: 3, path: `ps/${DOOR}`, payload: 'open' })
    await send(attacker, underTheKidOf(victim.senderId, mallory, meant))
    await attacker.close()
    return (await target.value(DOOR)) === 'open'
  },
  'with a path outside': async target => {
    const attacker = await CoapClient.open(target.port)
    const message = protectedBy(target, attacker, { code: 3, path: 'ps/device/victim/lamp', payload: 'on' })
    const levels = ['ps', 'device', 'victim', 'heater']
    const path = levels.map(level => ({ number: OPTION.UriPath, value: Buffer.from(level) }))
    await send(attacker, withOptions(message, path))
    await attacker.close()
    return (await target.value('device/victim/heater')) === 'on'
  },
  'with Observe put outside, for notifications that nobody asked for': async target => {
    const attacker = await CoapClient.open(target.port)
    await send(attacker, protectedBy(target, attacker, { code: 3, path: `ps/${DOOR}`, payload: 'shut' }))
    const message = protectedBy(target, attacker, { path: `ps/${DOOR}` }, 1)
    await send(attacker, withOptions(message, [{ number: OPTION.Observe, value: uintValue(0) }]))
    await target.publish(DOOR, 'open')
    await attacker.ping()
    const notified = attacker.inbox.take().length
    await attacker.close()
    return notified > 0
  },
  'taken on its way and sent from elsewhere, so that notifications go there': async target => {
    const device = await OscoreDevice.open(target.port, contextOf(target.victim))
    await device.observe(DOOR)
    const elsewhere = await CoapClient.open(target.port, { bind: { address: '127.0.0.3' } })
    await send(elsewhere, protectedBy(target, elsewhere, { path: `ps/${DOOR}` }, 60))
    await target.publish(DOOR, 'open')
    await elsewhere.ping()
    const led = elsewhere.inbox.take().length
    await Promise.all([device.close(), elsewhere.close()])
    return led > 0
  },
})
