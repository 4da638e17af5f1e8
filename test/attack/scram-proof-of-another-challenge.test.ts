// SCRAM-SHA-256 by what was overheard, changed on the way, or proved for another challenge (RFC 5802 9).
import { type Attack, attacks } from '../fixtures/attack.ts'
import type { TestBroker } from '../fixtures/broker.ts'
import { UNLIMITED_ATTEMPTS } from '../fixtures/device-token.ts'
import { ScramClient } from '../fixtures/scram-client.ts'
import { MqttWire } from '../wire/mqtt-wire.ts'

let password: string
let othersPassword: string

const properties = (data: Buffer) => ({ authenticationMethod: 'SCRAM-SHA-256', authenticationData: data })
const again = (wire: MqttWire, reasonCode: 0x18 | 0x19, data: Buffer) =>
  wire.send({ cmd: 'auth', reasonCode, properties: properties(data) })

/** A conversation up to the challenge. */
async function challenged(broker: TestBroker, client: ScramClient): Promise<{ wire: MqttWire; challenge: Buffer }> {
  const wire = MqttWire.tcp(broker.port('mqtt'))
  wire.sendConnect({ clientId: 'victim', username: 'victim', properties: properties(client.first()) })
  const { properties: told } = await wire.next('auth')
  return { wire, challenge: Buffer.from(told?.authenticationData ?? '') }
}

/** Whether this answer to the challenge opens a session. */
async function opens(
  broker: TestBroker,
  client: ScramClient,
  answer: (challenge: Buffer) => Buffer | Promise<Buffer>,
): Promise<boolean> {
  const { wire, challenge } = await challenged(broker, client)
  again(wire, 0x18, await answer(challenge))
  const { reasonCode } = await wire.next('connack')
  wire.destroy()
  return reasonCode === 0
}

/** Whether a session of the victim takes this as its re-authentication. */
async function renews(broker: TestBroker, client: ScramClient): Promise<boolean> {
  const own = new ScramClient('victim', password)
  const { wire, challenge } = await challenged(broker, own)
  again(wire, 0x18, own.final(challenge))
  if ((await wire.next('connack')).reasonCode !== 0) throw new Error('an honest client was refused')
  again(wire, 0x19, client.first())
  const { properties: told } = await wire.next('auth')
  again(wire, 0x18, client.final(Buffer.from(told?.authenticationData ?? '')))
  const renewed = await wire.next('auth').then(
    ({ reasonCode }) => reasonCode === 0,
    () => false,
  )
  wire.destroy()
  return renewed
}

const honest = () => new ScramClient('victim', password)
const ANSWERS: Readonly<Record<string, (broker: TestBroker) => Promise<boolean>>> = {
  'a client-final that was overheard': async broker => {
    const client = new ScramClient('victim', password, 'n,,', 'always-the-same-nonce')
    let overheard = Buffer.alloc(0)
    const first = await opens(broker, client, challenge => {
      overheard = Buffer.from(client.final(challenge))
      return overheard
    })
    if (!first) throw new Error('an honest client was refused')
    return opens(broker, client, () => overheard)
  },
  'a channel-binding flag that was changed on the way': broker => {
    const client = new ScramClient('victim', password, 'y,,')
    return opens(broker, client, challenge => client.final(challenge, { channelBinding: 'n,,' }))
  },
  'a nonce that the server has no part in': broker => {
    const client = new ScramClient('victim', password, 'n,,', 'own')
    return opens(broker, client, challenge => client.final(challenge, { nonce: 'own' }))
  },
  'a nonce that goes on after the server’s': broker => {
    const client = honest()
    const nonceOf = (challenge: Buffer) => challenge.toString().slice(2).split(',')[0]
    return opens(broker, client, challenge => client.final(challenge, { nonce: `${nonceOf(challenge)}x` }))
  },
  'a proof by one iteration, as a man in the middle asked for': broker => {
    const client = honest()
    return opens(broker, client, challenge => client.final(challenge, { iterations: 1 }))
  },
  'the password of somebody else': broker => {
    const client = new ScramClient('victim', othersPassword)
    return opens(broker, client, challenge => client.final(challenge))
  },
  're-authentication as somebody else': broker => renews(broker, new ScramClient('thief', othersPassword)),
  're-authentication by a wrong password': broker => renews(broker, new ScramClient('victim', 'guessed')),
}

attacks(
  'SCRAM-SHA-256',
  Object.entries(ANSWERS).map(([name, attempt]): Attack => ({ name, attempt })),
  {
    configuration: UNLIMITED_ATTEMPTS,
    prepare: async broker => {
      const issue = async (owner: string): Promise<string> => {
        await broker.device(owner)
        return (await broker.api('POST', '/v1/credentials', { owner, kind: 'scram' })).scram.password
      }
      password = await issue('victim')
      othersPassword = await issue('thief')
    },
  },
)
