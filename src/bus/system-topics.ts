// `$SYS/...`: what the broker tells about itself. Made when somebody asks, and anew in each interval while somebody
// listens; never stored, queued or counted among the retained messages.
import { Message } from './message.ts'
import type { Route, Target } from './route.ts'
import type { Router } from './router.ts'
import { TopicTree } from './topic-tree.ts'

export interface SystemTopicsLimits {
  /** Seconds between two looks at the statistics under `$SYS`; 0 = there are none. */
  readonly sysInterval: number
}

/** One value under `$SYS/`. */
export interface Statistic {
  readonly topic: string
  read(): number | string
}

export class SystemTopics {
  readonly #router: Router
  readonly #interval: number
  readonly #statistics = new TopicTree<Statistic>()
  /** What subscribers know, by topic; a newcomer gets the same until the interval ends. */
  readonly #told = new Map<string, Message>()
  #timer: NodeJS.Timeout | null = null

  constructor(router: Router, limits: SystemTopicsLimits) {
    this.#router = router
    this.#interval = limits.sysInterval
  }

  /** Shows these from now on, unless the interval is 0. */
  start(statistics: readonly Statistic[]): void {
    if (this.#interval === 0) return
    for (const statistic of statistics) this.#statistics.set(statistic.topic, statistic)
    this.#timer ??= setInterval(() => this.refresh(), this.#interval * 1000).unref()
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
  }

  /** As a retained message would be. */
  get(topic: string): Message | undefined {
    if (!isSystem(topic)) return undefined
    const statistic = this.#statistics.get(topic)
    return statistic === undefined ? undefined : (this.#told.get(topic) ?? this.#tell(statistic))
  }

  *match(filter: string): Generator<Message> {
    if (!isSystem(filter)) return
    for (const statistic of this.#statistics.match(filter))
      yield this.#told.get(statistic.topic) ?? this.#tell(statistic)
  }

  /** Sends what has changed to those who listen; what nobody listens to is not even read. */
  refresh(): void {
    for (const statistic of this.#statistics.match(`${ROOT}#`)) {
      const { topic } = statistic
      const route = this.#router.route(topic)
      const before = this.#told.get(topic)
      if (!isHeard(route)) {
        this.#told.delete(topic)
        continue
      }
      const message = this.#tell(statistic)
      if (before === undefined || !before.payload.equals(message.payload)) send(message, route)
    }
  }

  #tell({ topic, read }: Statistic): Message {
    const payload = Buffer.from(`${read()}`)
    const message = new Message({ topic, payload, qos: 0, retain: true, expiresAt: null, publisher: null })
    this.#told.set(topic, message)
    return message
  }
}

const ROOT = '$SYS/'
const isSystem = (filter: string): boolean => filter.startsWith(ROOT)

function isHeard({ targets, groups }: Route): boolean {
  const isOnline = ({ session }: Target) => session.receiver !== null
  return targets.some(isOnline) || groups.some(group => group.targets.some(isOnline))
}

/** QoS 0 and past the acceptance: nobody's queue, and nothing to store. */
function send(message: Message, { targets, groups }: Route): void {
  for (const target of targets)
    if (target.mayHave(message)) target.session.receiver?.send(message, target.deliver(message))
  for (const group of groups) {
    const target = group.pick(message)
    target?.session.receiver?.send(message, target.deliver(message))
  }
}
