import type { TopicPattern } from './pattern.ts'
import type { PlacedRule } from './policy.ts'

/** What one subject puts into the variables: by slot, undefined where it has no value. */
export interface Bindings {
  readonly values: readonly (string | undefined)[]
  readonly children: ReadonlySet<string>
}

interface TrieNode {
  readonly literals: Map<string, TrieNode>
  readonly variables: { readonly slot: number; readonly node: TrieNode }[]
  children: TrieNode | null
  plus: TrieNode | null
  /** Rules whose pattern ends here. */
  readonly ends: PlacedRule[]
  /** Rules whose pattern goes on with `#`. */
  readonly hashes: PlacedRule[]
}

const newNode = (): TrieNode => ({
  literals: new Map(),
  variables: [],
  children: null,
  plus: null,
  ends: [],
  hashes: [],
})

/**
 * Patterns by level, shared by all subjects with the same roles: variables stay in it as edges and are compared with
 * the subject's values on the way. Every node is visited at most once per question, so no pattern can make it explode.
 */
export class TopicTrie {
  readonly #root = newNode()
  /** Levels of the longest pattern, `#` included. */
  longest = 0

  add(pattern: TopicPattern, rule: PlacedRule, slotOf: (variable: string) => number): void {
    this.longest = Math.max(this.longest, pattern.levels.length)
    let node = this.#root
    for (const level of pattern.levels) {
      switch (level.kind) {
        case 'hash':
          node.hashes.push(rule)
          return
        case 'plus':
          node.plus ??= newNode()
          node = node.plus
          break
        case 'children':
          node.children ??= newNode()
          node = node.children
          break
        case 'literal':
          node = edge(node.literals, level.text)
          break
        case 'variable':
          node = variableEdge(node, slotOf(level.name))
      }
    }
    node.ends.push(rule)
  }

  /** Appends the rules with a pattern that matches the topic; a rule may come more than once. */
  matching(topic: readonly string[], bindings: Bindings, found: PlacedRule[]): void {
    match(this.#root, topic, 0, bindings, found)
  }

  /** Appends the rules with a pattern that matches some topic which the filter matches too. */
  meeting(filter: readonly string[], bindings: Bindings, found: PlacedRule[]): void {
    meet(this.#root, filter, 0, bindings, found)
  }
}

function edge(edges: Map<string, TrieNode>, text: string): TrieNode {
  const known = edges.get(text)
  if (known) return known
  const node = newNode()
  edges.set(text, node)
  return node
}

function variableEdge(from: TrieNode, slot: number): TrieNode {
  const known = from.variables.find(variable => variable.slot === slot)
  if (known) return known.node
  const node = newNode()
  from.variables.push({ slot, node })
  return node
}

/** A leading wildcard never reaches `$...` [MQTT-4.7.2-1]. */
const isHidden = (level: string, depth: number): boolean => depth === 0 && level.startsWith('$')

function match(node: TrieNode, topic: readonly string[], depth: number, bindings: Bindings, found: PlacedRule[]): void {
  const level = topic[depth]
  if (level === undefined) {
    append(found, node.ends)
    append(found, node.hashes)
    return
  }
  for (const next of named(node, level, bindings)) match(next, topic, depth + 1, bindings, found)
  if (isHidden(level, depth)) return
  append(found, node.hashes)
  if (node.plus) match(node.plus, topic, depth + 1, bindings, found)
}

function meet(node: TrieNode, filter: readonly string[], depth: number, bindings: Bindings, found: PlacedRule[]): void {
  const level = filter[depth]
  if (level === '#') {
    meetAll(node, depth, bindings, found)
    return
  }
  if (level === undefined) {
    append(found, node.ends)
    append(found, node.hashes)
    return
  }
  const nexts = level === '+' ? anyNamed(node, depth, bindings) : named(node, level, bindings)
  for (const next of nexts) meet(next, filter, depth + 1, bindings, found)
  if (isHidden(level, depth)) return
  append(found, node.hashes)
  if (node.plus) meet(node.plus, filter, depth + 1, bindings, found)
}

/** Everything from here on down: what a `#` of the filter meets. */
function meetAll(node: TrieNode, depth: number, bindings: Bindings, found: PlacedRule[]): void {
  append(found, node.ends)
  append(found, node.hashes)
  for (const next of anyNamed(node, depth, bindings)) meetAll(next, depth + 1, bindings, found)
  if (node.plus) meetAll(node.plus, depth + 1, bindings, found)
}

function append(found: PlacedRule[], rules: readonly PlacedRule[]): void {
  for (const rule of rules) found.push(rule)
}

/** Edges, other than `+`, that this one level may take. */
function named(node: TrieNode, level: string, bindings: Bindings): TrieNode[] {
  const nexts: TrieNode[] = []
  const literal = node.literals.get(level)
  if (literal) nexts.push(literal)
  for (const { slot, node: next } of node.variables) if (bindings.values[slot] === level) nexts.push(next)
  if (node.children && bindings.children.has(level)) nexts.push(node.children)
  return nexts
}

/** Edges, other than `+`, that some level may take. */
function anyNamed(node: TrieNode, depth: number, bindings: Bindings): TrieNode[] {
  const nexts: TrieNode[] = []
  for (const [text, next] of node.literals) if (!isHidden(text, depth)) nexts.push(next)
  for (const { slot, node: next } of node.variables) if (bindings.values[slot] !== undefined) nexts.push(next)
  if (node.children && bindings.children.size > 0) nexts.push(node.children)
  return nexts
}
