import { expect, test } from 'vitest'
import { type Lane, type Listed, Peers } from '../../../src/coap/peers.ts'
import { KeptBytes } from '../../../src/coap/recent-exchanges.ts'
import { silentMeter } from '../../../src/model/meter.ts'

const bounds = { peers: 3, peersPerAddress: 2, strangers: 3, keptAnswerBytes: 1000, exchangeLifetime: 247_000 }

function peersWith(over: Partial<typeof bounds> = {}) {
  const kept = new KeptBytes()
  const peers = new Peers({ ...bounds, ...over }, kept, silentMeter)
  const gone: string[] = []
  const make = (name: string, { address = name, proved = false, keeps = 0, now = 0 } = {}) => {
    kept.total += keeps
    let held = keeps
    const peer: Listed & { kept(): number } = {
      endpoint: { address },
      usedAt: now,
      lane: null as Lane | null,
      newer: null,
      older: null,
      kept: () => held,
      forgetExchanges() {
        kept.total -= held
        held = 0
      },
      gone: () => gone.push(name),
    }
    peers.add(peer, proved)
    return peer
  }
  return { peers, make, gone, kept }
}

test('strangers make room for strangers, those used longest ago first', () => {
  const { peers, make, gone } = peersWith()
  const a = make('a')
  make('b')
  make('c')
  peers.used(a, 1)
  make('d')
  make('e')
  expect(gone).toEqual(['b', 'c'])
  expect(peers.size).toBe(3)
})

test('a flood of strangers drives out nobody who has proved his address', () => {
  const { peers, make, gone } = peersWith()
  make('proved by its channel', { proved: true })
  peers.proved(make('proved by Echo'))
  for (let i = 0; i < 1000; i++) make(`stranger ${i}`)
  expect(gone.filter(name => name.startsWith('proved'))).toEqual([])
  expect(peers.size).toBe(2 + 3)
})

test('the proved make room for the proved', () => {
  const { make, gone } = peersWith()
  for (const name of ['a', 'b', 'c', 'd']) make(name, { proved: true })
  expect(gone).toEqual(['a'])
})

test('one address, or one /64, has no more than its share among the proved', () => {
  const { peers, make, gone } = peersWith({ peers: 100 })
  make('elsewhere', { address: '192.0.2.1', proved: true })
  for (let i = 0; i < 10; i++) peers.proved(make(`port ${i}`, { address: `2001:db8::${i}` }))
  for (let i = 0; i < 10; i++) make(`stranger ${i}`)
  expect(gone.filter(name => name.startsWith('port'))).toHaveLength(8)
  expect(gone).not.toContain('elsewhere')
  expect(peers.size).toBe(1 + 2 + 3)
})

test('whom a channel has proved is known, however many there are behind one NAT', () => {
  const { peers, make, gone } = peersWith({ peers: 100 })
  for (let i = 0; i < 10; i++) make(`device ${i}`, { address: '192.0.2.1', proved: true })
  peers.proved(make('stranger', { address: '192.0.2.1' }))
  for (let i = 0; i < 10; i++) make(`another ${i}`)
  expect(gone.filter(name => name.startsWith('device'))).toEqual([])
  expect(gone).toContain('stranger')
})

test('who leaves gives back its share', () => {
  const { peers, make, gone } = peersWith()
  const first = make('first', { address: '192.0.2.1', proved: true })
  make('second', { address: '192.0.2.1', proved: true })
  peers.remove(first)
  peers.remove(first)
  make('third', { address: '192.0.2.1', proved: true })
  for (let i = 0; i < 10; i++) make(`stranger ${i}`)
  expect(gone.filter(name => !name.startsWith('stranger'))).toEqual(['first'])
})

test('silent strangers are forgotten; the proved stay and give up their answers', () => {
  const { peers, make, gone } = peersWith()
  const idle = make('idle', { proved: true, keeps: 10 })
  make('silent')
  const awake = make('awake', { keeps: 20 })
  peers.used(awake, 200_000)
  peers.sweep(bounds.exchangeLifetime + 1)
  expect(gone).toEqual(['silent'])
  expect([idle.kept(), awake.kept()]).toEqual([0, 20])
})

test('too many kept answers: those of whom we heard longest ago go, strangers first, never those of the present one', () => {
  const { peers, make, kept } = peersWith({ strangers: 10, peers: 10 })
  const proved = make('proved', { proved: true, keeps: 300 })
  const present = make('present', { keeps: 200 })
  const old = make('old', { keeps: 300 })
  const newer = make('newer', { keeps: 300 })
  peers.used(present, 1)
  expect([old, newer, proved, present].map(peer => peer.kept())).toEqual([0, 0, 300, 200])
  expect(kept.total).toBe(500)
})

test('at the end all are gone', () => {
  const { peers, make, gone } = peersWith()
  make('a')
  make('b', { proved: true })
  peers.close()
  expect(gone.sort()).toEqual(['a', 'b'])
  expect(peers.size).toBe(0)
})
