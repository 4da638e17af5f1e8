// Who gets a message: a tree of subscriptions and, per topic, a cached route that holds what the policy decided.
import { FilterTree } from './filter-tree.ts'
import { type Judging, stillHolds } from './judging.ts'
import { Group, GroupTargets, type Permitted, Route, Target } from './route.ts'
import type { Session } from './session.ts'
import type { Subscription } from './subscription.ts'
import { TopicTree } from './topic-tree.ts'

export interface RouterLimits {
  /** Topics whose routes are remembered. */
  readonly cachedRoutes: number
}

/** A longer topic is routed anew for every message. */
const LONGEST_CACHED = 512

interface CachedRoute {
  readonly topic: string
  readonly route: Route
}

export class Router {
  readonly #judging: Judging
  readonly #limits: RouterLimits
  readonly #subscriptions = new FilterTree<Subscription | Group>()
  /** Shared subscriptions by their whole name. */
  readonly #groups = new Map<string, Group>()
  /** The same routes twice: to find one by its topic, and all that a filter touches. */
  readonly #routes = new Map<string, Route>()
  readonly #topics = new TopicTree<CachedRoute>()

  constructor(judging: Judging, limits: RouterLimits) {
    this.#judging = judging
    this.#limits = limits
  }

  get cachedRoutes(): number {
    return this.#routes.size
  }

  /** Takes the place of an older subscription of this name. Returns whether there was none (MQTT 5, 3.8.3.1). */
  add(subscription: Subscription): boolean {
    const { session, name, filter, group } = subscription
    const older = session.subscriptions.get(name)
    if (older !== undefined) this.#detach(older)
    session.subscriptions.set(name, subscription)
    if (group === null) this.#subscriptions.add(filter, subscription)
    else this.#groupOf(name, filter).members.add(subscription)
    this.#forget(filter)
    return older === undefined
  }

  /** Returns whether there was one. */
  remove(session: Session, name: string): boolean {
    const subscription = session.subscriptions.get(name)
    if (subscription === undefined) return false
    session.subscriptions.delete(name)
    this.#detach(subscription)
    const group = this.#groups.get(name)
    if (group !== undefined && group.members.size === 0) {
      this.#groups.delete(name)
      this.#subscriptions.remove(subscription.filter, group)
    }
    this.#forget(subscription.filter)
    return true
  }

  /** The session went online or offline, or somebody else speaks for it. */
  refresh(session: Session): void {
    for (const { filter } of session.subscriptions.values()) this.#forget(filter)
  }

  /** The route of a topic as it is now. */
  route(topic: string): Route {
    const known = this.#routes.get(topic)
    return known !== undefined && this.holds(known) ? known : this.#build(topic)
  }

  /** Whether a route that somebody remembers may still be used. */
  holds(route: Route): boolean {
    return route.valid && stillHolds(route.epoch, route.until, this.#judging)
  }

  #groupOf(name: string, filter: string): Group {
    let group = this.#groups.get(name)
    if (group === undefined) {
      group = new Group()
      this.#groups.set(name, group)
      this.#subscriptions.add(filter, group)
    }
    return group
  }

  #detach(subscription: Subscription): void {
    if (subscription.group === null) this.#subscriptions.remove(subscription.filter, subscription)
    else this.#groups.get(subscription.name)?.members.delete(subscription)
  }

  #build(topic: string): Route {
    const survey = new Survey(topic, this.#judging)
    const bySession = new Map<Session, Permitted[]>()
    const groups: GroupTargets[] = []
    for (const found of this.#subscriptions.match(topic)) {
      if (found instanceof Group) {
        const members = [...found.members].flatMap(member => survey.permit(member) ?? [])
        const targets = members.map(member => survey.target(member.subscription.session, [member]))
        if (targets.length > 0) groups.push(new GroupTargets(found, targets))
        continue
      }
      const permitted = survey.permit(found)
      if (permitted === null) continue
      const others = bySession.get(found.session)
      if (others === undefined) bySession.set(found.session, [permitted])
      else others.push(permitted)
    }
    const targets = [...bySession].map(([session, permitted]) => survey.target(session, permitted))
    const route = new Route(targets, groups, survey.epoch, survey.until)
    this.#remember(topic, route)
    return route
  }

  #remember(topic: string, route: Route): void {
    if (topic.length > LONGEST_CACHED) return
    if (this.#routes.size >= this.#limits.cachedRoutes && !this.#routes.has(topic)) this.#clear()
    this.#routes.set(topic, route)
    this.#topics.set(topic, { topic, route })
  }

  #clear(): void {
    for (const route of this.#routes.values()) route.valid = false
    this.#routes.clear()
    this.#topics.clear()
  }

  /** Cached routes that a filter touches are void. Where it takes long to find them, all are. */
  #forget(filter: string): void {
    const touched: CachedRoute[] = []
    for (const found of this.#topics.matchInSteps(filter)) {
      if (found === null) {
        this.#clear()
        return
      }
      touched.push(found)
    }
    for (const { topic, route } of touched) {
      route.valid = false
      this.#routes.delete(topic)
      this.#topics.delete(topic)
    }
  }
}

/** The decisions that one route rests on, and how long they hold. */
class Survey {
  readonly epoch: number
  until: number | null = null
  readonly #topic: string
  readonly #judging: Judging

  constructor(topic: string, judging: Judging) {
    this.epoch = judging.access.epoch
    this.#topic = topic
    this.#judging = judging
  }

  /** null when the policy does not let its owner have this subscription now. */
  permit(subscription: Subscription): Permitted | null {
    const { permit, maxQos, until } = subscription.judged(this.#judging)
    this.#endBy(until)
    return permit ? { subscription, qos: Math.min(subscription.qos, maxQos) as 0 | 1 | 2 } : null
  }

  /** The lanes rest on what it may have at QoS 0; the rest is asked when a copy is made. */
  target(session: Session, subscriptions: readonly Permitted[]): Target {
    const receives = session.receives(this.#topic)
    receives.permits(session.rights, 0, false)
    this.#endBy(receives.until)
    return new Target(session, receives, subscriptions)
  }

  #endBy(until: number | null): void {
    if (until !== null && (this.until === null || until < this.until)) this.until = until
  }
}
