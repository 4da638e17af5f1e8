import { expect, test } from 'vitest'
import { type GivenUp, Transfers } from '../../../src/coap/transfers.ts'
import { TestPeer } from './served.ts'

const body = (bytes: number) => ({ bytes })

function transfers(bounds: Partial<ConstructorParameters<typeof Transfers>[0]> = {}) {
  const givenUp: GivenUp[] = []
  const all = { transfersPerPeer: 4, transferBytes: 100_000, transferTimeout: 1000, ...bounds }
  return { givenUp, transfers: new Transfers(all, why => givenUp.push(why)) }
}

test('a transfer is found by its peer and its key alone', () => {
  const { transfers: all } = transfers()
  const [one, other] = [new TestPeer(), new TestPeer()]
  const kept = body(10)
  all.put(one, 'a', kept, 0)
  expect([all.get(one, 'a', 0), all.get(other, 'a', 0), all.get(one, 'b', 0)]).toEqual([kept, null, null])
  all.delete(one, 'a')
  expect([all.get(one, 'a', 0), all.size, all.bytes]).toEqual([null, 0, 0])
})

test('one peer has so many; its own oldest gives way', () => {
  const { transfers: all, givenUp } = transfers({ transfersPerPeer: 2 })
  const [one, other] = [new TestPeer(), new TestPeer()]
  all.put(other, 'z', body(1), 0)
  for (const key of ['a', 'b']) all.put(one, key, body(1), 0)
  all.put(one, 'a', body(1), 0)
  all.put(one, 'c', body(1), 0)
  expect(['a', 'b', 'c'].map(key => all.get(one, key, 0) !== null)).toEqual([true, false, true])
  expect(all.get(other, 'z', 0)).not.toBeNull()
  expect(givenUp).toEqual(['peer'])
})

test('all together hold so many bytes; what was used longest ago gives way', () => {
  const { transfers: all, givenUp } = transfers({ transferBytes: 10_000 })
  const peers = Array.from({ length: 10 }, () => new TestPeer())
  for (const peer of peers) {
    all.put(peer, 'a', body(3000), 0)
    expect(all.bytes).toBeLessThanOrEqual(10_000)
  }
  expect(peers.map(peer => all.get(peer, 'a', 0) !== null).lastIndexOf(false)).toBe(7)
  expect(givenUp).toEqual(Array(8).fill('bytes'))
})

test('one that grows is counted as it is', () => {
  const { transfers: all } = transfers()
  const peer = new TestPeer()
  const growing = { bytes: 100 }
  all.put(peer, 'a', growing, 0)
  const before = all.bytes
  growing.bytes = 300
  all.put(peer, 'a', growing, 0)
  expect(all.bytes - before).toBe(200)
  all.delete(peer, 'a')
  expect(all.bytes).toBe(0)
})

test('what nobody goes on with is given up, when it is asked for or swept', () => {
  const { transfers: all, givenUp } = transfers()
  const peer = new TestPeer()
  all.put(peer, 'a', body(1), 0)
  all.put(peer, 'b', body(1), 500)
  all.put(peer, 'a', body(1), 900)
  all.sweep(1500)
  expect([all.get(peer, 'a', 1500) !== null, all.size]).toEqual([true, 1])
  expect(all.get(peer, 'a', 1900)).toBeNull()
  expect([givenUp, all.size, all.bytes]).toEqual([['time', 'time'], 0, 0])
})

test('a peer that is gone leaves nothing behind', () => {
  const { transfers: all, givenUp } = transfers()
  const peer = new TestPeer()
  for (const key of ['a', 'b']) all.put(peer, key, body(1), 0)
  peer.gone()
  expect([all.size, all.bytes, givenUp]).toEqual([0, 0, []])
})
