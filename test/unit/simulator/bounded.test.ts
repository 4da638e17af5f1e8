import { describe, expect, test } from 'vitest'
import { eventually, Interrupted, within } from '../../../simulator/bounded.ts'

const never = new AbortController().signal

describe('within', () => {
  test('gives the result', async () => {
    expect(await within('work', 60_000, never, Promise.resolve(3))).toBe(3)
  })

  test('passes the failure on', async () => {
    await expect(within('work', 60_000, never, Promise.reject(new Error('no')))).rejects.toThrow('no')
  })

  test('ends what hangs', async () => {
    await expect(within('work', 5, never, new Promise(() => {}))).rejects.toThrow('work: nothing within 0.005 s')
  })

  test('ends when the run is ended', async () => {
    const abort = new AbortController()
    const working = within('work', 60_000, abort.signal, new Promise(() => {}))
    abort.abort()
    await expect(working).rejects.toThrow(Interrupted)
  })

  test('does not begin in a run that was ended', async () => {
    await expect(within('work', 60_000, AbortSignal.abort(), new Promise(() => {}))).rejects.toThrow(Interrupted)
  })
})

describe('eventually', () => {
  test('looks again and again', async () => {
    let looks = 0
    const slept: number[] = []
    const sleep = async (milliseconds: number) => void slept.push(milliseconds)
    expect(await eventually(() => ++looks === 3, 1000, sleep)).toBe(true)
    expect(slept).toHaveLength(2)
  })

  test('gives up', async () => {
    let slept = 0
    const sleep = async (milliseconds: number) => {
      slept += milliseconds
    }
    expect(await eventually(() => false, 1000, sleep)).toBe(false)
    expect(slept).toBe(1000)
  })
})
