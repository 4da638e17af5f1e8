import { randomBytes } from 'node:crypto'
import type { Random } from './model/clock.ts'

const POOL_BYTES = 4096
/** Names, nonces and salts. What is longer may be a key, and never lies in a pool. */
const SMALL = 16

/**
 * Randomness of the operating system. Small amounts come out of a pool, because asking costs the same for nine bytes as for
 * four thousand; what was given out is wiped from it.
 */
export function systemRandom(): Random {
  let pool = Buffer.alloc(0)
  let at = 0
  return {
    bytes: count => {
      if (count > SMALL) return randomBytes(count)
      if (at + count > pool.length) {
        pool = randomBytes(POOL_BYTES)
        at = 0
      }
      const taken = Buffer.from(pool.subarray(at, at + count))
      pool.fill(0, at, at + count)
      at += count
      return taken
    },
  }
}
