// Whatever happens in whatever order: each notification is newer than the one before, and no QoS 1 message is lost.
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Notification } from '../../src/coap/resource.ts'
import { METHOD, observeOf, type Served, serve, TestPeer } from '../unit/coap/served.ts'

const TOPIC = 'device/t1/state'

let served: Served
let who: string
beforeAll(async () => {
  served = await serve({ observationsPerSession: 100_000 })
  who = await served.login(new TestPeer(), 't1', await served.device('t1'))
})
afterAll(() => served?.close())

type Step = 'qos 0' | 'qos 1' | 'acknowledge' | 'register again' | 'turn' | 'policy'

/** Follows a run as the observer does: what it is sent, in order, withdrawn messages included. */
async function play(steps: readonly Step[]) {
  const peer = new TestPeer()
  const numbers: number[] = []
  const confirmed: string[] = []
  let published = 0
  let overtaken = 0
  const observe = async () => {
    const answer = await served.ask(peer, METHOD.GET, `/ps/${TOPIC}`, { query: `${who}&rh=2`, observe: 0 })
    numbers.push(observeOf(answer) ?? -1)
  }
  let outstanding: Notification | null = null
  const look = () => {
    for (const notification of peer.take()) {
      numbers.push(observeOf(notification) ?? -1)
      if (notification.confirmable) outstanding = notification
    }
  }
  const acknowledge = () => {
    const landed = outstanding
    outstanding = null
    if (landed === null) return
    if (observeOf(landed) !== numbers.at(-1)) overtaken++ // a repetition would have looked old
    confirmed.push(landed.payload.toString())
    landed.onFate('acknowledged')
  }
  const perform: Record<Step, () => unknown> = {
    'qos 0': () => served.publish(TOPIC, 'event', { qos: 0 }),
    'qos 1': () => served.publish(TOPIC, `${published++}`),
    acknowledge,
    'register again': observe,
    turn: () => served.turns(),
    policy: () => served.door.rooms.registry.updateDevice('t1', { groups: [`g${published}`] }, OPERATOR),
  }
  await observe()
  for (const step of steps) {
    const before = peer.withdrawn.length
    await perform[step]()
    // What was withdrawn is not acknowledged any more: it leaves again.
    if (peer.withdrawn.length > before) outstanding = null
    look()
  }
  await served.turns()
  look()
  while (outstanding !== null) {
    acknowledge()
    look()
  }
  peer.gone()
  return { numbers, overtaken, confirmed, wanted: Array.from({ length: published }, (_, i) => `${i}`) }
}

const OPERATOR = { kind: 'operator', id: 'ops' } as const

test('notifications are ever newer, and every QoS 1 message is acknowledged once, in order', async () => {
  const step = fc.constantFrom<Step>(
    'qos 0',
    'qos 1',
    'qos 1',
    'acknowledge',
    'acknowledge',
    'register again',
    'turn',
    'policy',
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async steps => {
      const { numbers, overtaken, confirmed, wanted } = await play(steps)
      for (let i = 1; i < numbers.length; i++) {
        const ahead = ((numbers[i] ?? 0) - (numbers[i - 1] ?? 0)) & 0xffffff
        expect(ahead > 0 && ahead < 2 ** 23).toBe(true)
      }
      expect(overtaken).toBe(0)
      expect(confirmed).toEqual(wanted)
    }),
    { numRuns: 60 },
  )
})
