// Random numbers that a seed fixes.

import { createHash } from 'node:crypto'

const TWO_32 = 2 ** 32

/**
 * xoshiro128** 1.1 (Blackman and Vigna, 2018, https://prng.di.unimi.it/xoshiro128starstar.c): 128 bits of state, period
 * 2^128 - 1. Not for secrets.
 */
export class Xoshiro128 {
  #a: number
  #b: number
  #c: number
  #d: number

  constructor(state: readonly [number, number, number, number]) {
    ;[this.#a, this.#b, this.#c, this.#d] = state
  }

  /** 32 bits, unsigned. */
  next(): number {
    const result = Math.imul(rotateLeft(Math.imul(this.#b, 5), 7), 9) >>> 0
    const shifted = this.#b << 9
    this.#c ^= this.#a
    this.#d ^= this.#b
    this.#b ^= this.#c
    this.#a ^= this.#d
    this.#c ^= shifted
    this.#d = rotateLeft(this.#d, 11)
    return result
  }

  /** In [0, 1). */
  uniform(): number {
    return this.next() / TWO_32
  }

  /** In [low, high). */
  between(low: number, high: number): number {
    return low + (high - low) * this.uniform()
  }

  /** Mean 0, standard deviation 1 (Box and Muller, 1958). */
  gaussian(): number {
    const radius = Math.sqrt(-2 * Math.log((this.next() + 1) / TWO_32))
    return radius * Math.cos(2 * Math.PI * this.uniform())
  }
}

const rotateLeft = (word: number, bits: number) => (word << bits) | (word >>> (32 - bits))

/** The stream of one purpose: what others draw, or whether they exist, changes nothing in it. */
export function randomStream(seed: number, purpose: string): Xoshiro128 {
  const hash = createHash('sha256').update(`latchkey home ${seed} ${purpose}`).digest()
  return new Xoshiro128([hash.readUInt32LE(0), hash.readUInt32LE(4), hash.readUInt32LE(8), hash.readUInt32LE(12)])
}
