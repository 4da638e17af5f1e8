// Three PUBREL in one TCP segment: in Aedes a persistence call that rejects is left unhandled, which ends the process.
import { crashAttack } from '../wire/crash-attack.ts'

crashAttack('three PUBREL in a segment', {
  'of identifiers nobody used': async open => {
    const wire = open(5)
    await wire.connect({ clientId: 'a' })
    await wire.publish('t', 'x', { qos: 2, messageId: 1 })
    const releases = [1, 1, 1].map(messageId => wire.encode({ cmd: 'pubrel', messageId }))
    wire.sendPublish('t', 'x', { qos: 2, messageId: 1 })
    await wire.next('pubrec')
    wire.sendBytes(Buffer.concat(releases))
    for (const _ of releases) await wire.next('pubcomp')
  },
})
