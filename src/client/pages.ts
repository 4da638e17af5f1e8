import type { Page, PageQuery } from './types.ts'

/** Items a page at a time, as many as the broker gives at once. */
const PAGE = 500

/** Walks all pages of a list. */
export async function* pages<T>(list: (query: PageQuery) => Promise<Page<T>>): AsyncGenerator<T> {
  let after: string | undefined
  do {
    const page = await list({ after, limit: PAGE })
    yield* page.items
    after = page.next ?? undefined
  } while (after !== undefined)
}
