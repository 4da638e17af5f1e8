// The resources over real rooms (registry, door, policy, bus), asked by peers that are only this test's.

import type { SessionEvent } from '../../../src/access/session-event.ts'
import { type Endpoint, NOTHING_SHOWN, type Shown } from '../../../src/coap/endpoint.ts'
import { COAP_LIMITS, type CoapLimits } from '../../../src/coap/limits.ts'
import type { Notification, Peer, Request, Resource, Response } from '../../../src/coap/resource.ts'
import { openResources } from '../../../src/coap/resources.ts'
import { codeText, isResponse } from '../../../src/coap-wire/codes.ts'
import type { CoapOption } from '../../../src/coap-wire/message.ts'
import { OPTION, optionOf, uintOf } from '../../../src/coap-wire/options.ts'
import { asFailure } from '../../../src/model/failure.ts'
import { silentMeter } from '../../../src/model/meter.ts'
import { type Door, openDoor } from '../../fixtures/door.ts'

export const METHOD = { GET: 1, POST: 2, PUT: 3, DELETE: 4 } as const

export const POLICY = `
version: 1
roles:
  thermostat:
    permit:
      - { id: own, allow: "device/\${device.id}/#" }
      - { id: report, publish: "home/\${device.room}/temperature" }
      - { id: listen, subscribe: "home/\${device.room}/+" }
    forbid:
      - { id: no-lock, receive: "home/+/lock" }
  guest:
    permit:
      - { id: read, subscribe: "public/#" }
assign:
  - { type: thermostat, roles: [thermostat] }
`

const OPERATOR = { kind: 'operator', id: 'ops' } as const

let peers = 0

export class TestPeer implements Peer {
  readonly endpoint: Endpoint
  readonly notified: Notification[] = []
  /** Tokens, each as often as it was. */
  readonly withdrawn: string[] = []
  /** Whether its channel was. */
  closed = false
  isThere = true
  /** How often it was asked whether it is there. */
  probes = 0
  /** Pings that nobody has answered. */
  readonly givesUp: (() => void)[] = []
  readonly #onGone: (() => void)[] = []

  constructor(endpoint: Partial<Endpoint> = {}) {
    const sessionId = `peer-${++peers}`
    this.endpoint = {
      sessionId,
      transport: 'coap',
      address: '192.0.2.5',
      shown: NOTHING_SHOWN,
      reliable: false,
      send() {},
      close: () => {
        this.closed = true
      },
      ...endpoint,
    }
  }

  notify(notification: Notification): void {
    this.notified.push(notification)
    if (!notification.confirmable) notification.onFate('sent')
  }

  /** Answers, as a device does that is there; when it is not, the ping is given up 93 s later. */
  probe(told: (isThere: boolean) => void): void {
    this.probes++
    if (this.isThere) told(true)
    else this.givesUp.push(() => told(false))
  }

  withdraw(token: Buffer): void {
    this.withdrawn.push(token.toString())
  }

  onGone(listener: () => void): void {
    this.#onGone.push(listener)
  }

  prove(): void {}

  gone(): void {
    for (const listener of this.#onGone) listener()
  }

  /** Takes what has come so far. */
  take(): Notification[] {
    return this.notified.splice(0)
  }

  /** Codes and payloads of what has come so far. */
  told(): string[] {
    return this.take().map(({ code, payload }) => `${codeText(code)} ${payload}`.trim())
  }
}

export interface Ask {
  readonly query?: string
  readonly payload?: string | Buffer
  readonly observe?: number
  readonly accept?: number
  readonly contentFormat?: number
  /** Number of the block of the answer that is asked for. */
  readonly block?: number
  readonly token?: string
  readonly confirmable?: boolean
  readonly options?: readonly CoapOption[]
}

export interface Answered {
  readonly code: string
  readonly payload: Buffer
  readonly text: string
  readonly options: readonly CoapOption[]
  /** As a number; null without the option. */
  option(number: number): number | null
}

export interface Served {
  readonly door: Door
  readonly recorded: SessionEvent[]
  ask(peer: Peer, method: number, path: string, how?: Ask): Promise<Answered>
  /** `clientid=...&token=...` of a new session. */
  login(peer: Peer, id: string, secret: string): Promise<string>
  /** A device in the kitchen with a secret. */
  device(id: string, more?: object): Promise<string>
  /** Everything that waits for its turn has had it. */
  turns(): Promise<void>
  putPolicy(text: string): Promise<void>
  /** Past the policy. */
  publish(topic: string, payload: string, more?: object): Promise<void>
  /** What a handshake by a new pre-shared key of the device shows. */
  proved(id: string): Promise<Shown>
  /** What a listener does when a channel has opened. */
  admit(peer: Peer): Promise<void>
  /** Looks for sessions that are idle. */
  sweep(): void
  close(): Promise<void>
}

export async function serve(limits: Partial<CoapLimits> = {}, anonymous: string | null = null): Promise<Served> {
  const door = await openDoor({
    anonymous: anonymous === null ? null : { role: anonymous, transports: ['coap'] },
  })
  const { rooms, authenticator } = door
  const { access, bus } = rooms
  const recorded: SessionEvent[] = []
  await access.putPolicy([{ path: 'policy.yaml', text: POLICY }], OPERATOR)
  const opened = openResources({
    ...rooms,
    authenticator,
    meter: silentMeter,
    limits: { ...COAP_LIMITS, ...limits },
    recordSession: event => recorded.push(event),
  })
  const turns = async () => {
    for (let i = 0; i < 5; i++) await new Promise(resolve => setImmediate(resolve))
  }
  const ask: Served['ask'] = async (peer, method, path, how = {}) => {
    const levels = path.split('/').slice(1).map(decodeURIComponent)
    const resource = resourceAt(opened.resources, levels)
    if (!resource.methods.has(method)) return answered({ code: 0x85 })
    const response = await answerOf(() => resource.handle(requestOf(peer, method, levels, how)))
    return answered(response)
  }
  return {
    door,
    recorded,
    ask,
    turns,
    async login(peer, id, secret) {
      const reply = await ask(peer, METHOD.POST, '/mqtt/connection', { query: `clientid=${id}`, payload: secret })
      if (reply.code !== '2.01') throw new Error(`${id} was not let in: ${reply.code}`)
      return `clientid=${id}&token=${reply.text}`
    },
    async device(id, more = {}) {
      await door.device(id, more)
      return (await door.secret(id)).secret
    },
    async putPolicy(text) {
      await access.putPolicy([{ path: 'policy.yaml', text }], OPERATOR)
    },
    async publish(topic, payload, more = {}) {
      const message = { topic, payload: Buffer.from(payload), qos: 1 as const, retain: false, ...more }
      await bus.accept(bus.arriving(message, { kind: 'operator', id: 'ops', session: null }))
    },
    async proved(id) {
      const { credential } = await door.rooms.registry.issuePsk(id, {}, OPERATOR)
      return { certificates: [], pskIdentity: credential.identity }
    },
    admit: peer => opened.admit(peer),
    sweep: () => opened.sweep(),
    async close() {
      opened.close()
      await door.close()
    },
  }
}

function requestOf(peer: Peer, method: number, path: readonly string[], how: Ask): Request {
  const query = new Map<string, string>()
  for (const part of how.query?.split('&') ?? []) {
    const at = part.indexOf('=')
    query.set(at < 0 ? part : part.slice(0, at), at < 0 ? '' : part.slice(at + 1))
  }
  return {
    peer,
    method,
    confirmable: how.confirmable ?? true,
    token: Buffer.from(how.token ?? 't'),
    path,
    query,
    observe: how.observe ?? null,
    contentFormat: how.contentFormat ?? null,
    accept: how.accept ?? null,
    block2: how.block === undefined ? null : { number: how.block, more: false, sizeExponent: 6 },
    options: how.options ?? [],
    payload: Buffer.from(how.payload ?? ''),
  }
}

/** The longest path that fits. */
function resourceAt(resources: readonly Resource[], path: readonly string[]): Resource {
  const [found] = resources
    .filter(resource => resource.path.every((level, i) => level === path[i]))
    .sort((one, other) => other.path.length - one.path.length)
  if (found === undefined) throw new Error(`nothing is served at /${path.join('/')}`)
  return found
}

/** A Failure becomes the code of its catalogue row. */
async function answerOf(handle: () => Response | Promise<Response>): Promise<Response> {
  try {
    return await handle()
  } catch (error) {
    const { row, code, message } = asFailure(error)
    if (code === 'internal') throw error
    const [category = '', detail = ''] = row.coap.split('.')
    return { code: (Number(category) << 5) | Number(detail), payload: Buffer.from(message) }
  }
}

function answered({ code, options = [], payload = Buffer.alloc(0) }: Response): Answered {
  if (!isResponse(code)) throw new Error(`${code} is no answer`)
  return {
    code: codeText(code),
    payload,
    text: payload.toString(),
    options,
    option(number) {
      const value = optionOf({ options }, number)
      return value === null ? null : uintOf(value)
    },
  }
}

export const observeOf = ({ options }: { readonly options: readonly CoapOption[] }): number | null => {
  const value = optionOf({ options }, OPTION.Observe)
  return value === null ? null : uintOf(value)
}
