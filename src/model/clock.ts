/** Time as an argument: milliseconds since the Unix epoch. */
export interface Clock {
  now(): number
}

/** Randomness as an argument; `bytes` must come from a cryptographic source. */
export interface Random {
  bytes(count: number): Buffer
}
