// What there is: /.well-known/core and /ps in the CoRE Link Format (RFC 6690), for each caller what it may read.
import type { Bus } from '../bus/bus.ts'
import type { Message } from '../bus/message.ts'
import { CODE } from '../coap-wire/codes.ts'
import { type Link, targetOf, writeLinks } from '../coap-wire/link-format.ts'
import { OPTION } from '../coap-wire/options.ts'
import { asFailure, Failure } from '../model/failure.ts'
import { isTopicFilter } from '../model/topic.ts'
import type { CoapLimits } from './limits.ts'
import { contentFormatOfMessage } from './message-mapping.ts'
import { uint } from './representation.ts'
import type { Request, Resource, Response } from './resource.ts'
import type { CoapSession } from './session.ts'
import type { CoapSessions } from './sessions.ts'
import { checkQuery } from './topic-request.ts'

const LINK_FORMAT = 40
const TOPICS = '/ps'

const STATIC: readonly Link[] = [
  { target: '/authz-info', attributes: new Map([['rt', 'ace.ai']]) },
  { target: '/mqtt/connection', attributes: new Map() },
  {
    target: TOPICS,
    attributes: new Map<string, string | number | true>([
      ['rt', 'core.ps'],
      ['ct', LINK_FORMAT],
    ]),
  },
]

export class Discovery {
  readonly #bus: Bus
  readonly #limits: CoapLimits

  constructor(bus: Bus, limits: CoapLimits) {
    this.#bus = bus
    this.#limits = limits
  }

  /** What is there for everybody, and the topics of a session; a stranger sees the door. */
  async everything(request: Request, session: CoapSession | null): Promise<Response> {
    const topics = session === null ? [] : await this.#readable(request, session)
    return answer(request, [...STATIC.filter(link => isWanted(link, request)), ...topics])
  }

  async topics(request: Request, session: CoapSession): Promise<Response> {
    return answer(request, await this.#readable(request, session))
  }

  /** In the order of their names. Others have their turn in between, and what is looked at is bounded. */
  async #readable(request: Request, session: CoapSession): Promise<Link[]> {
    const { rights } = session
    const { listedTopics, examinedTopics } = this.#limits
    const mayRead = (topic: string) =>
      rights.glance({ action: 'subscribe', target: topic, qos: 0 }).permit &&
      rights.glance({ action: 'receive', target: topic, qos: 0, retain: true }).permit
    const links: Link[] = []
    let examined = 0
    for (const message of this.#bus.retained.match(filterFor(request.query.get('href')))) {
      if (message === null) await turn()
      else if (++examined > examinedTopics) break
      else {
        const link = linkOf(message)
        if (isWanted(link, request) && mayRead(message.topic)) links.push(link)
        if (examined % EXAMINED_IN_A_TURN === 0) await turn()
      }
    }
    if (session.isEnded) throw new Failure('session-unknown')
    links.sort((one, other) => (one.target < other.target ? -1 : 1))
    return links.slice(0, listedTopics)
  }
}

/** `/.well-known/core` (RFC 6690 4). */
export class WellKnownCore implements Resource {
  readonly path = ['.well-known', 'core']
  readonly methods: ReadonlySet<number> = new Set([CODE.GET])
  readonly #discovery: Discovery
  readonly #sessions: CoapSessions
  readonly #limits: CoapLimits

  constructor(discovery: Discovery, sessions: CoapSessions, limits: CoapLimits) {
    this.#discovery = discovery
    this.#sessions = sessions
    this.#limits = limits
  }

  async handle(request: Request): Promise<Response> {
    if (request.path.length > this.path.length)
      throw new Failure('not-found', 'There is nothing below /.well-known/core.')
    checkQuery(request, this.#limits)
    return this.#discovery.everything(request, await this.#speaker(request))
  }

  async #speaker(request: Request): Promise<CoapSession | null> {
    try {
      return await this.#sessions.speaker(request)
    } catch (error) {
      if (asFailure(error).code === 'no-evidence') return null
      throw error
    }
  }
}

const EXAMINED_IN_A_TURN = 200

const turn = () => new Promise<void>(resolve => setImmediate(resolve))

function linkOf({ topic, properties }: Message): Link {
  const contentFormat = contentFormatOfMessage(properties)
  const attributes = new Map<string, string | number | true>([['obs', true]])
  if (contentFormat !== null) attributes.set('ct', contentFormat)
  return { target: `${TOPICS}${targetOf(topic.split('/'))}`, attributes }
}

/** The narrowest filter that holds all topics a `href` can mean: whole levels, and the rest below them. */
function filterFor(href: string | undefined): string {
  const inside = href?.startsWith(`${TOPICS}/`) ? decoded(href.slice(TOPICS.length + 1)) : null
  if (inside === null) return '#'
  const isPrefix = inside.endsWith('*')
  const levels = inside.split('/')
  const filter = isPrefix ? [...levels.slice(0, -1), '#'].join('/') : inside
  const isPlain = levels.slice(0, isPrefix ? -1 : undefined).every(level => level !== '+' && level !== '#')
  return isPlain && isTopicFilter(filter) ? filter : '#'
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}

/** RFC 6690 4.1: `href`, or an attribute whose values are separated by blanks; a trailing `*` stands for anything. */
function isWanted({ target, attributes }: Link, { query }: Request): boolean {
  for (const [name, wanted] of query) {
    if (name === 'href') {
      // Clients decode what they find in a URI.
      if (!fits(target, wanted) && !fits(decoded(target) ?? target, wanted)) return false
    } else if (FILTERS.has(name)) {
      const value = attributes.get(name)
      if (
        value === undefined ||
        !String(value)
          .split(' ')
          .some(one => fits(one, wanted))
      )
        return false
    }
  }
  return true
}

/** Other names are options of ours. */
const FILTERS = new Set(['rt', 'ct'])

const fits = (value: string, wanted: string): boolean =>
  wanted.endsWith('*') ? value.startsWith(wanted.slice(0, -1)) : value === wanted

function answer({ accept }: Request, links: readonly Link[]): Response {
  if (accept !== null && accept !== LINK_FORMAT) throw new Failure('not-acceptable')
  return {
    code: CODE.Content,
    options: [uint(OPTION.ContentFormat, LINK_FORMAT)],
    payload: Buffer.from(writeLinks(links)),
  }
}
