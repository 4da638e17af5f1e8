// Topic names, topic filters and shared subscriptions.
import type { Mutant } from './mutant.ts'

const TOPICS: readonly Mutant[] = [
  {
    file: 'model/topic.ts',
    from: "(level === '#' && i === levels.length - 1)",
    to: "level === '#'",
    v311: '4.7.1-2',
    v5: '4.7.1-1',
  },
  {
    file: 'model/topic.ts',
    from: "if (!level.includes('+') && !level.includes('#'))",
    to: "if (!level.includes('#'))",
    v311: '4.7.1-3',
    v5: '4.7.1-2',
  },
  {
    file: 'bus/filter-tree.ts',
    from: "!topic.startsWith('$')",
    to: 'true',
    v311: '4.7.2-1',
    v5: '4.7.2-1',
  },
  {
    file: 'model/topic.ts',
    from: 'if (filter.length === 0 || ',
    to: 'if (',
    v311: '4.7.3-1',
    v5: '4.7.3-1',
  },
  {
    file: 'model/topic.ts',
    from: 'topic.length === 0 || topic.length > 65_535',
    to: 'topic.length === 0 || topic.length > 1024',
    v311: '4.7.3-3',
    v5: '4.7.3-3',
  },
  {
    file: 'mqtt/fast-path.ts',
    from: "topicBytes.toString('utf8')",
    to: "topicBytes.toString('utf8').normalize()",
    v311: '4.7.3-4',
    v5: '4.7.3-4',
  },
]

const SHARED_SUBSCRIPTIONS: readonly Mutant[] = [
  { file: 'model/topic.ts', from: "if (group === '' || ", to: 'if (', v5: '4.8.2-1' },
  { file: 'model/topic.ts', from: "group.includes('+') || ", to: '', v5: '4.8.2-2' },
  {
    file: 'bus/route.ts',
    from: 'return Math.min(message.qos, this.qos)',
    to: 'return (message.qos)',
    v5: '4.8.2-3',
  },
  {
    // What a session leaves is given to another member of its group, begun or not.
    file: 'bus/sessions.ts',
    from: 'const queued = session.queue.abandon()',
    to: `const heir = [...this.#byId.values()].find(each => [...each.subscriptions.keys()].some(name => session.subscriptions.has(name)))
    for (let entry = session.queue.peek(); entry !== undefined; entry = session.queue.peek()) {
      session.queue.shift()
      if (entry.message !== null) heir?.receiver?.send(entry.message, { retain: false, identifiers: [] })
    }
    const queued = session.queue.abandon()`,
    v5: '4.8.2-5',
  },
  {
    // What somebody refuses is sent again.
    file: 'mqtt/delivery.ts',
    from: 'if (reason >= 0x80)',
    to: `if (reason >= 0x80 && typeof entry === 'object') {
      this.#inflight.delete(packetId)
      this.#parts.session.queue.putBack([entry])
      this.pump()
    } else if (reason >= 0x80)`,
    v5: '4.8.2-6',
  },
]

export const TOPIC_MUTANTS: readonly Mutant[] = [...TOPICS, ...SHARED_SUBSCRIPTIONS]
