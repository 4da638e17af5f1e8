// Payloads in blocks, against a twin that is slow and obvious: it remembers every byte by its place.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Assembly } from '../../src/coap/block1.ts'

const SEED = 20_261_123
const RUNS = 2_000

/** A block of one of two bodies: what a client sends that begins anew with another payload, and whose blocks come late or twice. */
const block = fc.record({
  number: fc.integer({ min: 0, max: 12 }),
  size: fc.constantFrom(16, 32, 64),
  body: fc.constantFrom(0, 1),
})

const byteOf = (body: number, at: number): number => (body === 0 ? at % 251 : at < 100 ? at % 251 : (at + 7) % 251)

test('blocks in any order, twice, of two bodies: what stands there is what came last, without a gap', () => {
  const agrees = fc.property(fc.array(block, { maxLength: 40 }), blocks => {
    const assembly = new Assembly()
    let twin: number[] = []
    for (const { number, size, body } of blocks) {
      const offset = number * size
      const bytes = Array.from({ length: size }, (_, i) => byteOf(body, offset + i))
      const fits = offset <= twin.length
      expect(assembly.put(offset, Buffer.from(bytes))).toBe(fits)
      if (!fits) continue
      const isKnown = bytes.every((byte, i) => twin[offset + i] === byte)
      if (!isKnown) twin = [...twin.slice(0, offset), ...bytes]
      expect(assembly.length).toBe(twin.length)
      expect([...assembly.whole(twin.length)]).toEqual(twin)
    }
  })
  fc.assert(agrees, { seed: SEED, numRuns: RUNS })
})
