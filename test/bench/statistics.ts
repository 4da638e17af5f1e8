// What is told of many samples.

export interface Spread {
  readonly median: number
  readonly minimum: number
  readonly maximum: number
}

export function spreadOf(values: readonly number[]): Spread {
  return { median: quantile(values, 0.5), minimum: quantile(values, 0), maximum: quantile(values, 1) }
}

/** `share` from 0 to 1. Of an even number of values the median is the upper one of the two in the middle. */
export function quantile(values: ArrayLike<number>, share: number): number {
  const sorted = Float64Array.from(values).sort()
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

/** The same values in random order. */
export function shuffled<T>(values: readonly T[]): T[] {
  return values
    .map(value => ({ value, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ value }) => value)
}
