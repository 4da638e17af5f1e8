import { randomBytes } from 'node:crypto'
import { beforeEach, expect, test } from 'vitest'
import { COAP_LIMITS } from '../../../src/coap/limits.ts'
import { OscoreContexts } from '../../../src/coap/oscore-contexts.ts'
import { STATE_PREFIX } from '../../../src/coap/oscore-sequence.ts'
import { silentMeter } from '../../../src/model/meter.ts'
import type { LevelStore } from '../../../src/store/level-store.ts'
import { collect, temporaryStore } from '../store/temporary-store.ts'

const OURS = Buffer.from([0])

let store: LevelStore
let registered: Set<string>
let over: Set<string>
beforeEach(async () => {
  store = await temporaryStore()
  registered = new Set(['01', '02', '03'])
  over = new Set()
})

function open(oscoreContexts = 10): OscoreContexts {
  const secrets = { masterSecret: randomBytes(16), masterSalt: Buffer.alloc(0) }
  return new OscoreContexts({
    store,
    credentials: {
      oscoreContext(kid) {
        const id = kid.toString('hex')
        if (!registered.has(id)) return null
        return { id, senderId: kid, recipientId: OURS, idContext: null, expiresAt: null, secrets: () => secrets }
      },
      isOscoreOver: id => over.has(id),
    },
    meter: silentMeter,
    limits: { ...COAP_LIMITS, oscoreContexts },
  })
}

const kid = (hex: string): Buffer => Buffer.from(hex, 'hex')
const kept = async (): Promise<string[]> => {
  await store.flush()
  return (await collect(store.list(STATE_PREFIX))).map(({ key }) => key.slice(STATE_PREFIX.length))
}

test('our ids are those of the device the other way round', () => {
  const { keys } = open().find(kid('01'), null) ?? {}
  expect(keys).toMatchObject({ senderId: OURS, recipientId: kid('01') })
})

test('whoever names a kid has nothing written, and an unknown one leaves nothing behind', async () => {
  const contexts = open()
  for (const hex of ['01', '02', 'ff', '']) contexts.find(kid(hex), null)
  expect(await kept()).toEqual([])
  expect(contexts.find(kid('01'), null)).toBe(contexts.find(kid('01'), null))
})

test('the one used longest ago makes room, and is another one when it comes back', () => {
  const contexts = open(2)
  const one = contexts.find(kid('01'), null)
  const two = contexts.find(kid('02'), null)
  if (one === null || two === null) throw new Error('not found')
  contexts.used(one)
  contexts.find(kid('03'), null)
  expect(contexts.find(kid('01'), null)).toBe(one)
  const again = contexts.find(kid('02'), null)
  expect(again).not.toBe(two)
  expect(again?.instance).not.toBe(two.instance)
})

test('what is kept of a context goes when its keys can never be used again, and not before', async () => {
  const contexts = open()
  for (const hex of ['01', '02', '03']) await contexts.find(kid(hex), null)?.sequence.open()
  expect(await kept()).toEqual(['01', '02', '03'])
  registered.delete('01') // expired, or suspended for a while
  over.add('02')
  await open().sweepStore()
  expect(await kept()).toEqual(['01', '03'])
  over.add('03')
  const last = contexts.find(kid('03'), null)
  if (last !== null) contexts.left(last)
  expect(await kept()).toEqual(['01'])
})
