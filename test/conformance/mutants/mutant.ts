/** A fault of ours in one place of the broker, and the rows that notice it. */
export interface Mutant {
  /** Below src/. */
  readonly file: string
  /** What stands there, once. */
  readonly from: string
  /** What is put in its place; the broker still starts and serves. */
  readonly to: string
  /** The statements whose rows must fail by it, by number without `MQTT-`, with spaces between them. */
  readonly v311?: string
  readonly v5?: string
}

const split = (numbers = ''): string[] => numbers.split(' ').filter(number => number !== '')

/** As the rows are named: `5 [MQTT-3.3.1-1]`. */
export const rowsOf = ({ v311, v5 }: Mutant): string[] => [
  ...split(v311).map(number => `3.1.1 [MQTT-${number}]`),
  ...split(v5).map(number => `5 [MQTT-${number}]`),
]
