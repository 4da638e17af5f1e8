// Somebody with one key of the house, who wants more.
import { type Attempt, COMMANDS, type IntruderParts } from './attempt.ts'
import { coapOutcome, observing, withCoapSession } from './over-coap.ts'
import { entering, expiredToken, ownEntry, ownTopic, publishOutcome, subscribing, withVisitor } from './over-mqtt.ts'

/** What needs no more than the intruder's own key. */
export function attemptsOf(parts: IntruderParts): Attempt[] {
  const { own, victim } = parts
  const set = `home/${victim.room}/ac/set`
  const read = `home/${victim.room}/temperature`
  const command = (id: number) => JSON.stringify({ mode: 'off', id })
  return [
    {
      name: 'intruder-may-use-its-own',
      expected: 'its own key works for its own topics, so what follows is refused for what it is',
      make: () => withVisitor(parts, ownEntry(parts), visitor => ownTopic(visitor, `device/${own.id}/light`)),
    },
    {
      name: 'intruder-commands-ac-mqtt',
      expected: `PUBACK 0x87 for ${set}, and nobody receives the command`,
      make: () =>
        withVisitor(parts, ownEntry(parts), async visitor => ({
          ...publishOutcome(await visitor.publish(set, command(COMMANDS.mqtt)), set),
          command: { room: victim.room, id: COMMANDS.mqtt },
        })),
    },
    {
      name: 'intruder-commands-ac-coap',
      expected: `4.03 for POST /ps/${set}, and nobody receives the command`,
      make: () =>
        withCoapSession(parts, async (ask, session) => ({
          ...coapOutcome(
            await ask('POST', `/ps/${set}`, { ...session, qos: '1' }, command(COMMANDS.coap)),
            `POST ${set}`,
          ),
          command: { room: victim.room, id: COMMANDS.coap },
        })),
    },
    {
      name: 'intruder-reads-room-mqtt',
      expected: `SUBACK 0x87 for ${read}, and no message`,
      make: () => subscribing(parts, [read]),
    },
    {
      name: 'intruder-reads-room-coap',
      expected: `4.03 for GET /ps/${read}`,
      make: () =>
        withCoapSession(parts, async (ask, session) =>
          coapOutcome(await ask('GET', `/ps/${read}`, session), `GET ${read}`),
        ),
    },
    {
      name: 'intruder-observes-room-coap',
      expected: `4.03 for GET /ps/${read} with Observe, and no notification`,
      make: () => observing(parts, read),
    },
    {
      name: 'intruder-subscribes-wider',
      expected: 'SUBACK 0x87 for home/# and for #, and no message',
      make: () => subscribing(parts, ['home/#', '#']),
    },
    {
      name: 'intruder-takes-client-id',
      expected: `CONNACK 0x85 or 0x87 for the client id ${victim.thermostat} with its own secret`,
      make: () => entering(parts, { ...ownEntry(parts), clientId: victim.thermostat }),
    },
    {
      name: 'intruder-takes-username',
      expected: `CONNACK 0x86 or 0x87 for the username ${victim.thermostat} with its own secret`,
      make: () => entering(parts, { ...ownEntry(parts), username: victim.thermostat }),
    },
    {
      name: 'intruder-shows-nothing',
      expected: `CONNACK 0x87 for the client id ${victim.airConditioner} without any credential`,
      make: () => entering(parts, { clientId: victim.airConditioner }),
    },
    {
      name: 'intruder-shows-expired-token',
      expected: 'a fresh token of its key is admitted, an expired one is answered with CONNACK 0x87',
      make: () => expiredToken(parts),
    },
    {
      name: 'intruder-borrows-coap-session',
      expected: `4.01 or 4.03 for its session token with the client id ${victim.thermostat}`,
      make: () =>
        withCoapSession(parts, async (ask, { token }) => {
          const query = { clientid: victim.thermostat, token, qos: '1' }
          const what = `POST ${set}?clientid=${victim.thermostat}`
          return {
            ...coapOutcome(await ask('POST', `/ps/${set}`, query, command(COMMANDS.session)), what),
            command: { room: victim.room, id: COMMANDS.session },
          }
        }),
    },
  ]
}

/** PEM files that were copied from a device before its credential was revoked. */
export function stolenCertificate(
  parts: IntruderParts,
  { certificate, privateKey }: { readonly certificate: string; readonly privateKey: string },
): Attempt {
  const { thermostat } = parts.victim
  return {
    name: 'intruder-shows-revoked-certificate',
    expected: `CONNACK 0x87 for the certificate of ${thermostat} that was stolen before it was revoked`,
    make: () => entering(parts, { clientId: thermostat, certificate, privateKey }),
  }
}
