export interface StoreLimits {
  /** Bytes of records that are remembered because they are read again and again, with 256 for each beside what is stored. */
  readonly rememberedBytes: number
}

export const STORE_LIMITS: StoreLimits = {
  rememberedBytes: 32 * 1024 * 1024,
}
