import { expect, test } from 'vitest'
import { PendingHandshakes } from '../../../src/dtls/pending.ts'

test('handshakes are bounded by address and in all, and leave room when they end', () => {
  const pending = new PendingHandshakes(3, 2)
  pending.begin('a')
  pending.begin('a')
  expect([pending.hasRoom('a'), pending.hasRoom('b'), pending.count]).toEqual([false, true, 2])
  pending.begin('b')
  expect([pending.hasRoom('b'), pending.hasRoom('c')]).toEqual([false, false])
  pending.end('a')
  expect([pending.hasRoom('a'), pending.hasRoom('c'), pending.count]).toEqual([true, true, 2])
})
