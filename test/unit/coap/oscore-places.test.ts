import { expect, test } from 'vitest'
import type { Asker } from '../../../src/coap/dispatcher.ts'
import { NOTHING_SHOWN } from '../../../src/coap/endpoint.ts'
import { OscorePlaces } from '../../../src/coap/oscore-places.ts'

function place(): Asker & { readonly listeners: (() => void)[]; end(): void } {
  const listeners: (() => void)[] = []
  return {
    endpoint: {
      sessionId: 's',
      transport: 'coap',
      address: '127.0.0.1',
      shown: NOTHING_SHOWN,
      reliable: false,
      send() {},
      close() {},
    },
    name: '127.0.0.1 1',
    proved: true,
    prove() {},
    notify() {},
    withdraw() {},
    onGone: listener => listeners.push(listener),
    listeners,
    end() {
      for (const listener of listeners.splice(0)) listener()
    },
  }
}

test('everybody who speaks from a place ends with it, and nobody who has left it', () => {
  const places = new OscorePlaces()
  const [here, there] = [place(), place()]
  const gone: string[] = []
  const named = (name: string) => ({ gone: () => gone.push(name) })
  const [one, two, moved] = [named('one'), named('two'), named('moved')]
  for (const each of [one, two, moved]) places.enter(here, each)
  places.leave(here, moved)
  places.enter(there, moved)
  here.end()
  expect(gone).toEqual(['one', 'two'])
  there.end()
  expect(gone).toEqual(['one', 'two', 'moved'])
})

test('however many come and go, a place is listened to once', () => {
  const places = new OscorePlaces()
  const here = place()
  for (let i = 0; i < 1000; i++) {
    const peer = { gone() {} }
    places.enter(here, peer)
    places.leave(here, peer)
  }
  expect(here.listeners).toHaveLength(1)
})

test('one that is gone already takes whoever enters along', () => {
  const places = new OscorePlaces()
  let gone = 0
  places.enter({ ...place(), onGone: listener => listener() }, { gone: () => (gone += 1) })
  expect(gone).toBe(1)
})
