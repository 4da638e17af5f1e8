import { expect, test } from 'vitest'
import { FairLine, type Place } from '../../../src/stream/fair-line.ts'

function lineWith(places: number, perTurn: number) {
  const turns: (() => void)[] = []
  let now = 0
  const line = new FairLine({ places, perTurn, grace: 1000 }, { now: () => now }, act => turns.push(act))
  const begun: string[] = []
  return {
    line,
    begun,
    enter: (name: string, network = 'a', drop?: () => void): Place => line.enter(network, () => begun.push(name), drop),
    wait: (milliseconds: number) => (now += milliseconds),
    nextTurn: () => {
      for (const act of turns.splice(0)) act()
    },
  }
}

test('where nobody waits, it begins at once', () => {
  const { line, begun, enter } = lineWith(2, 2)
  enter('1')
  enter('2')
  enter('3')
  expect(begun).toEqual(['1', '2'])
  expect(line).toMatchObject({ underWay: 2, inLine: 1 })
})

test('whoever leaves lets the next one begin, in the next turn where this one is full', () => {
  const { begun, enter, nextTurn } = lineWith(1, 2)
  const first = enter('1')
  const second = enter('2')
  enter('3')
  first.leave()
  first.leave()
  expect(begun).toEqual(['1', '2'])
  second.leave()
  expect(begun).toEqual(['1', '2'])
  nextTurn()
  expect(begun).toEqual(['1', '2', '3'])
})

test('so many begin in one turn, although there are places', () => {
  const { begun, enter, nextTurn } = lineWith(100, 2)
  for (const name of ['1', '2', '3', '4', '5']) enter(name)
  expect(begun).toEqual(['1', '2'])
  nextTurn()
  expect(begun).toEqual(['1', '2', '3', '4'])
  nextTurn()
  nextTurn()
  expect(begun).toEqual(['1', '2', '3', '4', '5'])
  enter('6')
  enter('7')
  enter('8')
  expect(begun).toEqual(['1', '2', '3', '4', '5', '6', '7'])
})

test('networks take turns, whatever their masses', () => {
  const { begun, enter, nextTurn } = lineWith(100, 1)
  for (let i = 0; i < 100; i++) enter(`a${i}`, 'a')
  enter('b0', 'b')
  enter('b1', 'b')
  enter('c0', 'c')
  for (let i = 0; i < 7; i++) nextTurn()
  expect(begun).toEqual(['a0', 'a1', 'b0', 'c0', 'a2', 'b1', 'a3', 'a4'])
})

test('whoever leaves the line does not begin', () => {
  const { line, begun, enter, nextTurn } = lineWith(1, 10)
  const first = enter('1')
  const second = enter('2')
  enter('3', 'b')
  second.leave()
  first.leave()
  nextTurn()
  expect(begun).toEqual(['1', '3'])
  expect(line).toMatchObject({ underWay: 1, inLine: 0 })
})

test('whoever idles with a place gives way to those who wait, the longest first', () => {
  const { line, begun, enter, wait } = lineWith(3, 10)
  const dropped: string[] = []
  const idle = (name: string) => {
    const place: Place = enter(name, 'a', () => {
      dropped.push(name)
      place.leave()
    })
  }
  idle('1')
  wait(1)
  idle('2')
  enter('needed')
  wait(998)
  enter('3', 'b')
  expect(line.sweep()).toBe(0)
  wait(1)
  expect(line.sweep()).toBe(1)
  expect({ dropped, begun }).toEqual({ dropped: ['1'], begun: ['1', '2', 'needed', '3'] })
  wait(1_000_000)
  expect(line.sweep()).toBe(0) // nobody waits
  enter('4', 'b')
  enter('5', 'b')
  expect(line.sweep()).toBe(1) // what cannot be dropped is waited for
  expect(dropped).toEqual(['1', '2'])
})
