import { describe, expect, it } from 'vitest'
import { pages } from '../../../src/client/pages.ts'

describe('walking a list', () => {
  it('asks page after page and ends with the last', async () => {
    const asked: (string | undefined)[] = []
    const all = pages(async ({ after }) => {
      asked.push(after)
      return after === undefined ? { items: [1, 2], next: '2' } : { items: [3], next: null }
    })
    const found: number[] = []
    for await (const item of all) found.push(item)
    expect(found).toEqual([1, 2, 3])
    expect(asked).toEqual([undefined, '2'])
  })
})
