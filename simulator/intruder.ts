// Somebody with one key of the house, who wants more: each attempt is made for real and judged by its effect.
import { CoapExchange, type CoapRequest, type CoapResponse } from './devices/coap-exchange.ts'
import type { BrokerAddress } from './devices/home-device.ts'
import { signToken, type TokenSubject } from './devices/signed-token.ts'
import { type Entry, hex, TurnedAway, Visitor, type VisitorMessage } from './visitor.ts'

export interface IntruderParts {
  readonly address: BrokerAddress
  /** A device that is registered like any other. */
  readonly own: { readonly id: string; readonly secret: string; readonly key: TokenSubject }
  readonly victim: { readonly room: string; readonly thermostat: string; readonly airConditioner: string }
}

export interface Attempt {
  /** Name of the check. */
  readonly name: string
  readonly expected: string
  make(): Promise<Outcome>
}

export interface Outcome {
  /** The broker refused it, or it came to nothing. */
  readonly stopped: boolean
  readonly observed: string
  /** The answers on the wire. */
  readonly evidence: string
  /** Of the command that must not be seen by anybody. */
  readonly command?: { readonly room: string; readonly id: number }
}

/** Ids that no thermostat of the run gets to. */
const COMMANDS = { mqtt: 900_001, coap: 900_002, session: 900_003 } as const
/** Milliseconds in which something that should not come would have come. */
const LISTENED = 2_500
const COAP_ANSWER_WITHIN = 4_000
const DENIED = 0x80

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

const ownEntry = ({ own }: IntruderParts): Entry => ({ clientId: own.id, username: own.id, password: own.secret })

async function withVisitor(
  { address }: IntruderParts,
  entry: Entry,
  act: (visitor: Visitor) => Promise<Outcome>,
): Promise<Outcome> {
  const visitor = await Visitor.enter(address, entry)
  if (visitor instanceof TurnedAway) throw new Error(`its own key was answered with ${visitor.evidence}`)
  try {
    return await act(visitor)
  } finally {
    await visitor.leave()
  }
}

async function ownTopic(visitor: Visitor, topic: string): Promise<Outcome> {
  const code = await visitor.publish(topic, '{"on":true}')
  const works = code < DENIED
  return {
    stopped: works,
    observed: works ? 'it works' : 'it was refused',
    evidence: `PUBACK ${hex(code)} for ${topic}`,
  }
}

function publishOutcome(code: number, topic: string): Outcome {
  const stopped = code >= DENIED
  return {
    stopped,
    observed: stopped ? 'refused' : 'the broker took the command',
    evidence: `PUBACK ${hex(code)} for ${topic}`,
  }
}

async function entering({ address }: IntruderParts, entry: Entry): Promise<Outcome> {
  const visitor = await Visitor.enter(address, entry)
  const name = entry.username === undefined ? entry.clientId : `${entry.clientId} (username ${entry.username})`
  if (visitor instanceof TurnedAway) {
    return { stopped: true, observed: 'turned away', evidence: `${visitor.evidence} for ${name}` }
  }
  await visitor.leave()
  return { stopped: false, observed: `it was let in as ${name}`, evidence: `CONNACK 0x00 for ${name}` }
}

async function subscribing(parts: IntruderParts, filters: readonly string[]): Promise<Outcome> {
  let first: VisitorMessage | null = null
  let wake = () => {}
  const onMessage = (message: VisitorMessage) => {
    first ??= message
    wake()
  }
  return withVisitor(parts, { ...ownEntry(parts), onMessage }, async visitor => {
    const codes: string[] = []
    let granted = false
    for (const filter of filters) {
      const code = await visitor.subscribe(filter)
      granted ||= code < DENIED
      codes.push(`SUBACK ${hex(code)} for ${filter}`)
    }
    // Only where it was let in there is something to wait for.
    if (granted && first === null) await new Promise<void>(resolve => listened(resolve, woken => (wake = woken)))
    const observed = heardText(granted, first)
    return { stopped: !granted && first === null, observed, evidence: codes.join(', ') }
  })
}

/** Ends with the first message, or when enough time has passed for one. */
function listened(resolve: () => void, onWake: (wake: () => void) => void): void {
  const timer = setTimeout(resolve, LISTENED)
  onWake(() => {
    clearTimeout(timer)
    resolve()
  })
}

const heardText = (granted: boolean, message: VisitorMessage | null): string =>
  message === null
    ? granted
      ? 'the broker granted it'
      : 'refused'
    : `it received ${message.topic}: ${message.payload.toString().slice(0, 80)}`

async function expiredToken(parts: IntruderParts): Promise<Outcome> {
  const { own, address } = parts
  const show = (password: string): Entry => ({ clientId: own.id, username: own.id, password })
  const fresh = await Visitor.enter(address, show(signToken(own.key, Date.now(), 60)))
  if (fresh instanceof TurnedAway) throw new Error(`a fresh token was answered with ${fresh.evidence}`)
  await fresh.leave()
  const outcome = await entering(parts, show(signToken(own.key, Date.now() - 600_000, 60)))
  return {
    ...outcome,
    evidence: `CONNACK 0x00 for a fresh token, ${outcome.evidence} with one that ended 9 minutes ago`,
  }
}

type Ask = (
  method: CoapRequest['method'],
  path: string,
  query: Readonly<Record<string, string>>,
  payload?: string,
) => Promise<CoapResponse>

async function withCoapSession(
  parts: IntruderParts,
  act: (ask: Ask, session: { clientid: string; token: string }, exchange: CoapExchange) => Promise<Outcome>,
): Promise<Outcome> {
  const { coap } = parts.address.listeners
  if (coap === undefined) throw new Error('the broker serves no coap')
  const { id, secret } = parts.own
  const exchange = new CoapExchange(coap, () => {})
  const ask: Ask = (method, path, query, payload) =>
    exchange.request(
      { method, path, query, ...(payload !== undefined && { payload, contentFormat: JSON_FORMAT }) },
      COAP_ANSWER_WITHIN,
    )
  try {
    const login: CoapRequest = {
      method: 'POST',
      path: CONNECTION,
      query: { clientid: id },
      payload: secret,
      contentFormat: 0,
    }
    const answer = await exchange.request(login, COAP_ANSWER_WITHIN)
    if (answer.code !== '2.01') throw new Error(`its own key was answered with ${answer.code} by ${CONNECTION}`)
    const session = { clientid: id, token: answer.payload.toString() }
    try {
      return await act(ask, session, exchange)
    } finally {
      await ask('DELETE', CONNECTION, session).catch(() => null)
    }
  } finally {
    await exchange.close()
  }
}

const CONNECTION = '/mqtt/connection'
const JSON_FORMAT = 50

function coapOutcome({ code, payload }: CoapResponse, what: string): Outcome {
  const stopped = code.startsWith('4.')
  const observed = stopped
    ? 'refused'
    : payload.length > 0
      ? `it read ${payload.toString().slice(0, 80)}`
      : 'it was done'
  return { stopped, observed, evidence: `${code} for ${what}` }
}

function observing(parts: IntruderParts, topic: string): Promise<Outcome> {
  return withCoapSession(parts, async (_, session, exchange) => {
    let notified = 0
    let wake = () => {}
    const request: CoapRequest = { method: 'GET', path: `/ps/${topic}`, query: { ...session } }
    const first = await exchange.observe(request, COAP_ANSWER_WITHIN, () => {
      notified += 1
      wake()
    })
    const outcome = coapOutcome(first, `GET ${topic} with Observe`)
    if (outcome.stopped && first.observe === null) return outcome
    await new Promise<void>(resolve => listened(resolve, woken => (wake = woken)))
    return { ...outcome, stopped: false, observed: `${outcome.observed}, and ${notified} notifications followed` }
  })
}
