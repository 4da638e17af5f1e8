// Messages on their way out: in order, never more at once than allowed, again after a lost link.
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { LinkClosed, type Outcome, type Outgoing } from '../../../simulator/devices/link.ts'
import { Outbox } from '../../../simulator/devices/outbox.ts'

const message = (text: string): Outgoing => ({
  topic: 't',
  payload: Buffer.from(text),
  contentFormat: 50,
  qos: 1,
  retain: false,
})

/** A link whose answers the test gives. */
class OpenLink {
  readonly sent: string[] = []
  readonly #answers: { resolve(outcome: Outcome): void; reject(error: Error): void }[] = []

  readonly send = ({ payload }: Outgoing): Promise<Outcome> => {
    this.sent.push(payload.toString())
    return new Promise((resolve, reject) => this.#answers.push({ resolve, reject }))
  }

  async answer(outcome: Outcome): Promise<void> {
    this.#answers.shift()?.resolve(outcome)
    await Promise.resolve()
  }

  async lose(): Promise<void> {
    for (const { reject } of this.#answers.splice(0)) reject(new LinkClosed('lost'))
    await Promise.resolve()
  }
}

describe('outbox', () => {
  let settled: string[]
  let outbox: Outbox<Outgoing>
  const make = (options: { window?: number; capacity?: number } = {}) =>
    new Outbox<Outgoing>({
      window: 2,
      capacity: 5,
      retryAfter: 500,
      ...options,
      settled: ({ payload }, outcome) => settled.push(`${payload} ${outcome}`),
    })
  const flush = () => new Promise<void>(resolve => setImmediate(resolve))
  beforeEach(() => {
    settled = []
    outbox = make()
  })

  test('sends in order, and no more at once than its window', async () => {
    const link = new OpenLink()
    for (const name of ['a', 'b', 'c']) outbox.put(message(name))
    expect(outbox.size).toBe(3)
    outbox.attach(link.send)
    expect(link.sent).toEqual(['a', 'b'])
    await link.answer('accepted')
    await flush()
    expect(link.sent).toEqual(['a', 'b', 'c'])
    await link.answer('denied')
    await link.answer('accepted')
    await flush()
    expect(settled).toEqual(['a accepted', 'b denied', 'c accepted'])
    expect(outbox.size).toBe(0)
  })

  test('what was on its way when the link was lost goes first over the next', async () => {
    const [lost, next] = [new OpenLink(), new OpenLink()]
    outbox.attach(lost.send)
    for (const name of ['a', 'b', 'c']) outbox.put(message(name))
    await lost.lose()
    outbox.detach()
    outbox.put(message('d'))
    outbox.attach(next.send)
    for (let i = 0; i < 4; i++) {
      await next.answer('accepted')
      await flush()
    }
    expect(next.sent).toEqual(['a', 'b', 'c', 'd'])
    expect(settled).toEqual(['a accepted', 'b accepted', 'c accepted', 'd accepted'])
  })

  test('an answer of a link that was given up settles nothing twice', async () => {
    const [old, next] = [new OpenLink(), new OpenLink()]
    outbox.attach(old.send)
    outbox.put(message('a'))
    outbox.detach()
    outbox.attach(next.send)
    await old.answer('accepted')
    await next.answer('accepted')
    await flush()
    expect(settled).toEqual(['a accepted'])
  })

  test('the oldest that waits gives way when there is no room', () => {
    const link = new OpenLink()
    const small = make({ capacity: 2 })
    for (const name of ['a', 'b', 'c']) small.put(message(name))
    small.attach(link.send)
    expect(link.sent).toEqual(['b', 'c'])
  })

  test('at rest it sends nothing new, and tells when nothing is on its way', async () => {
    const [link, next] = [new OpenLink(), new OpenLink()]
    outbox.attach(link.send)
    outbox.put(message('a'))
    let rested = false
    const rest = outbox.rest().then(() => {
      rested = true
    })
    outbox.put(message('b'))
    await flush()
    expect([link.sent, rested]).toEqual([['a'], false])
    await link.answer('accepted')
    await rest
    expect(link.sent).toEqual(['a'])
    outbox.attach(next.send)
    expect(next.sent).toEqual(['b'])
    await make().rest()
  })

  test('a link lost at rest ends the rest', async () => {
    const link = new OpenLink()
    outbox.attach(link.send)
    outbox.put(message('a'))
    const rest = outbox.rest()
    outbox.detach()
    await rest
  })

  test('what the broker cannot take just now is sent again later, before all others', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      const link = new OpenLink()
      const single = make({ window: 1 })
      single.attach(link.send)
      for (const name of ['a', 'b']) single.put(message(name))
      await link.answer('later')
      await flush()
      expect(link.sent).toEqual(['a'])
      vi.advanceTimersByTime(500)
      expect(link.sent).toEqual(['a', 'a'])
    } finally {
      vi.useRealTimers()
    }
  })
})
