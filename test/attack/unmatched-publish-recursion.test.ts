// A burst of messages that nobody subscribed to, behind some that fill the emitter of Aedes: then each that is taken from
// its queue recurses into the next, until the stack ends.
import { crashAttack } from '../wire/crash-attack.ts'

crashAttack('unmatched publishes', {
  'some that match and then a hundred thousand that do not': async open => {
    const subscriber = open(4)
    await subscriber.connect({ clientId: 'subscriber' })
    await subscriber.subscribe('m', 0)
    const attackers = [1, 2, 3, 4].map(() => open(4))
    for (const [i, attacker] of attackers.entries()) await attacker.connect({ clientId: `attacker ${i}` })
    const publish = (topic: string) => Buffer.from([0x30, 3, 0, 1, topic.charCodeAt(0)])
    const matched = Array.from({ length: 200 }, () => publish('m'))
    const burst = Buffer.concat([...matched, ...Array.from({ length: 25_000 }, () => publish('u'))])
    for (const attacker of attackers) attacker.sendBytes(burst)
    for (const attacker of attackers) await attacker.settle()
  },
})
