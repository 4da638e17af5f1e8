class Branch<T> {
  value: T | undefined = undefined
  readonly children = new Map<string, Branch<T>>()
}

/** Values by topic name, found by topic filter: retained messages, cached routes. */
export class TopicTree<T extends object> {
  #root = new Branch<T>()
  #size = 0

  get size(): number {
    return this.#size
  }

  get(topic: string): T | undefined {
    let branch: Branch<T> | undefined = this.#root
    for (const level of topic.split('/')) {
      branch = branch.children.get(level)
      if (branch === undefined) return undefined
    }
    return branch.value
  }

  /** Returns what stood there before. */
  set(topic: string, value: T): T | undefined {
    let branch = this.#root
    for (const level of topic.split('/')) {
      let next = branch.children.get(level)
      if (next === undefined) {
        next = new Branch()
        branch.children.set(level, next)
      }
      branch = next
    }
    const before = branch.value
    branch.value = value
    if (before === undefined) this.#size++
    return before
  }

  /** Returns what stood there before. Branches that hold nothing any more go with it. */
  delete(topic: string): T | undefined {
    const levels = topic.split('/')
    const path: Branch<T>[] = [this.#root]
    let branch = this.#root
    for (const level of levels) {
      const next = branch.children.get(level)
      if (next === undefined) return undefined
      path.push(next)
      branch = next
    }
    const before = branch.value
    if (before === undefined) return undefined
    branch.value = undefined
    this.#size--
    for (let i = levels.length; i > 0; i--) {
      const here = path[i]
      if (here === undefined || here.value !== undefined || here.children.size > 0) break
      path[i - 1]?.children.delete(levels[i - 1] ?? '')
    }
    return before
  }

  clear(): void {
    this.#root = new Branch()
    this.#size = 0
  }

  /** All values whose topic a valid filter matches; `#` and a leading `+` never reach `$...` [MQTT-4.7.2-1]. */
  *match(filter: string): Generator<T> {
    for (const value of this.matchInSteps(filter)) if (value !== null) yield value
  }

  /** The same, with null after each `STEP` branches: whoever walks far can stop, or let others have their turn. */
  *matchInSteps(filter: string): Generator<T | null> {
    yield* walk(this.#root, filter.split('/'), 0, 0, { branches: 0 })
  }
}

/** Branches looked at between two nulls of `matchInSteps`. */
const STEP = 2000

/** `at` stays at a `#` while `depth` goes on: names are hidden from wildcards in the first level alone. */
function* walk<T>(
  branch: Branch<T>,
  levels: readonly string[],
  at: number,
  depth: number,
  seen: { branches: number },
): Generator<T | null> {
  if (++seen.branches % STEP === 0) yield null
  const level = levels[at]
  if (level === undefined) {
    if (branch.value !== undefined) yield branch.value
    return
  }
  if (level !== '+' && level !== '#') {
    const child = branch.children.get(level)
    if (child !== undefined) yield* walk(child, levels, at + 1, depth + 1, seen)
    return
  }
  if (level === '#' && branch.value !== undefined) yield branch.value // the parent too (MQTT 5, 4.7.1.2)
  for (const [name, child] of branch.children) {
    if (depth === 0 && name.startsWith('$')) continue
    yield* walk(child, levels, level === '#' ? at : at + 1, depth + 1, seen)
  }
}
