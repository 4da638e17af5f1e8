class Branch<T> {
  children: Map<string, Branch<T>> | null = null
  plus: Branch<T> | null = null
  /** Values of the filter that ends here. */
  here: Set<T> | null = null
  /** Values of the filter that ends here with `#`. */
  hash: Set<T> | null = null

  get isEmpty(): boolean {
    return this.here === null && this.hash === null && this.plus === null && !this.children?.size
  }
}

/** Values by topic filter, found by topic name: subscriptions. */
export class FilterTree<T> {
  readonly #root = new Branch<T>()

  add(filter: string, value: T): void {
    let branch = this.#root
    for (const level of filter.split('/')) {
      if (level === '#') {
        branch.hash ??= new Set()
        branch.hash.add(value)
        return
      }
      branch = level === '+' ? plusOf(branch) : childOf(branch, level)
    }
    branch.here ??= new Set()
    branch.here.add(value)
  }

  /** Branches that hold nothing any more go with it. */
  remove(filter: string, value: T): void {
    remove(this.#root, filter.split('/'), 0, value)
  }

  /** All values whose filter matches a topic name; `#` and a leading `+` never reach `$...` [MQTT-4.7.2-1]. */
  match(topic: string): T[] {
    const found: T[] = []
    match(this.#root, topic.split('/'), 0, !topic.startsWith('$'), found)
    return found
  }
}

function plusOf<T>(branch: Branch<T>): Branch<T> {
  branch.plus ??= new Branch()
  return branch.plus
}

function childOf<T>(branch: Branch<T>, level: string): Branch<T> {
  branch.children ??= new Map()
  let child = branch.children.get(level)
  if (child === undefined) {
    child = new Branch()
    branch.children.set(level, child)
  }
  return child
}

function match<T>(branch: Branch<T>, levels: readonly string[], at: number, wild: boolean, found: T[]): void {
  if (wild && branch.hash !== null) for (const value of branch.hash) found.push(value)
  const level = levels[at]
  if (level === undefined) {
    if (branch.here !== null) for (const value of branch.here) found.push(value)
    return
  }
  if (wild && branch.plus !== null) match(branch.plus, levels, at + 1, true, found)
  const child = branch.children?.get(level)
  if (child !== undefined) match(child, levels, at + 1, true, found)
}

function remove<T>(branch: Branch<T>, levels: readonly string[], at: number, value: T): void {
  const level = levels[at]
  if (level === undefined) branch.here = without(branch.here, value)
  else if (level === '#') branch.hash = without(branch.hash, value)
  else if (level === '+') {
    if (branch.plus === null) return
    remove(branch.plus, levels, at + 1, value)
    if (branch.plus.isEmpty) branch.plus = null
  } else {
    const child = branch.children?.get(level)
    if (child === undefined) return
    remove(child, levels, at + 1, value)
    if (child.isEmpty) branch.children?.delete(level)
  }
}

function without<T>(values: Set<T> | null, value: T): Set<T> | null {
  values?.delete(value)
  return values?.size ? values : null
}
