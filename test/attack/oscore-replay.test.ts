// Whoever can listen keeps what a device has sent, and sends it again: at once, later, from somewhere else, or when the
// server has forgotten that it came. The message id is outside of what is protected, so that every copy looks new to it.
import { decode, isMalformed } from '../../src/coap-wire/decode.ts'
import { encode } from '../../src/coap-wire/encode.ts'
import { contextOf, OscoreDevice } from '../fixtures/oscore-device.ts'
import { CoapClient } from '../wire/coap-wire.ts'
import { type OscoreAttempt, type OscoreTarget, oscoreAttack } from '../wire/oscore-attack.ts'

const TOPIC = 'device/victim/door'

/** The datagram that opened the door, which was shut again. */
async function recorded({ port, victim }: OscoreTarget): Promise<Buffer> {
  const device = await OscoreDevice.open(port, contextOf(victim))
  await device.put(TOPIC, 'open')
  const bytes = device.left.at(-1)
  await device.put(TOPIC, 'shut')
  await device.close()
  if (bytes === undefined) throw new Error('nothing was sent')
  return bytes
}

function again(bytes: Buffer, messageId: number): Buffer {
  const message = decode(bytes)
  if (message === null || isMalformed(message)) throw new Error('that was no message')
  return encode({ ...message, messageId })
}

async function send({ port }: OscoreTarget, copies: readonly Buffer[], from?: { address: string }): Promise<void> {
  const attacker = await CoapClient.open(port, from === undefined ? {} : { bind: from })
  for (const copy of copies) {
    const { messageId } = decode(copy) as { messageId: number }
    attacker.send(copy)
    await attacker.inbox.next(message => message.messageId === messageId)
  }
  await attacker.close()
}

const isOpen = async (target: OscoreTarget): Promise<boolean> => (await target.value(TOPIC)) === 'open'

const replayed: OscoreAttempt = async target => {
  const bytes = await recorded(target)
  await send(target, [bytes, again(bytes, 1), again(bytes, 2)])
  return isOpen(target)
}

oscoreAttack('an OSCORE message that was sent before', {
  'sent again': replayed,
  'sent again from another address': async target => {
    const bytes = await recorded(target)
    await send(target, [again(bytes, 3)], { address: '127.0.0.2' })
    return isOpen(target)
  },
  'sent again after a restart': async target => {
    const bytes = await recorded(target)
    await target.restart()
    await send(target, [again(bytes, 4), again(bytes, 5)])
    return isOpen(target)
  },
  'sent again after a restart, when its device has come back': async target => {
    const bytes = await recorded(target)
    await target.restart()
    const device = await OscoreDevice.open(target.port, contextOf(target.victim, startingAt(1000)))
    await device.get(TOPIC)
    await send(target, [again(bytes, 6)])
    await device.close()
    return isOpen(target)
  },
  'withheld, and sent when a hundred others have come after it': async target => {
    const device = await OscoreDevice.open(target.port, contextOf(target.victim))
    const withheld = contextOf(target.victim).protectRequest(
      device.client.compose({ code: 3, path: `ps/${TOPIC}`, payload: 'open' }),
    )
    const later = await OscoreDevice.open(target.port, contextOf(target.victim, startingAt(1)))
    for (let i = 0; i < 100; i++) await later.put(TOPIC, 'shut')
    await send(target, [encode({ ...withheld.message, messageId: 7 })])
    await Promise.all([device.close(), later.close()])
    return isOpen(target)
  },
})

function startingAt(number: number) {
  let next = number
  return {
    next() {
      next += 1
      return next - 1
    },
  }
}
