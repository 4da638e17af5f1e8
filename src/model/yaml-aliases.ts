import { type Alias, isAlias, isCollection, isPair, type Node } from 'yaml'
import { TOO_DEEP, type YamlLimits } from './yaml-bounds.ts'

/** A value with every alias in it written out. */
interface Extent {
  /** Values, keys and itself included. */
  readonly size: number
  /** Collections from here to the innermost one; 0 for a scalar. */
  readonly height: number
}

interface Anchored {
  readonly node: Node
  /** null while the walk is still inside of it. */
  extent: Extent | null
}

const SCALAR: Extent = { size: 1, height: 0 }

/**
 * What each alias of a document stands for, in one walk (the library's own look-up walks the document once for every
 * alias). A few lines of aliases to aliases mean millions of values or endless nesting, so what they add is counted
 * here, before anybody follows them.
 */
export function resolveAliases(
  root: Node,
  limits: Pick<YamlLimits, 'depth' | 'repeated'>,
  fail: (message: string, node: Node) => never,
): ReadonlyMap<Alias, Node> {
  const resolved = new Map<Alias, Node>()
  const anchors = new Map<string, Anchored>()
  let repeated = 0

  const follow = (alias: Alias, level: number): Extent => {
    const anchored = anchors.get(alias.source)
    if (!anchored) return fail('this alias has no anchor; put a text that begins with * in quotes', alias)
    const { node, extent } = anchored
    if (!extent) return fail('this alias is inside of what it repeats, which would never end; write it out', alias)
    repeated += extent.size
    if (repeated > limits.repeated) {
      return fail(`aliases repeat more than ${limits.repeated} values up to here; write them out, or use fewer`, alias)
    }
    if (level + extent.height > limits.depth) return fail(TOO_DEEP, alias)
    resolved.set(alias, node)
    return extent
  }

  const visit = (node: Node, level: number): Extent => {
    if (isAlias(node)) return follow(node, level)
    const anchored: Anchored = { node, extent: null }
    if (node.anchor !== undefined) anchors.set(node.anchor, anchored)
    anchored.extent = isCollection(node) ? visitItems(node, level + 1) : SCALAR
    return anchored.extent
  }

  const visitItems = (collection: Node & { readonly items: readonly unknown[] }, level: number): Extent => {
    if (level > limits.depth) return fail(TOO_DEEP, collection)
    let size = 1
    let height = 0
    for (const item of collection.items) {
      for (const child of isPair(item) ? [item.key, item.value] : [item]) {
        if (!child) continue
        const extent = visit(child as Node, level)
        size += extent.size
        height = Math.max(height, extent.height)
      }
    }
    return { size, height: height + 1 }
  }

  visit(root, 0)
  return resolved
}
