import { setFlagsFromString } from 'node:v8'

/** Per cent of what lives in the heap that it may grow by before it is collected. */
const GROWTH = 100

/**
 * V8 lets a heap that fills quickly grow to four times what lives in it; beside a reader that stops taking large messages
 * a broker then takes a seventh more memory. With 100 that takes no more of the processor than could be seen; with 50 it does.
 */
export function keepHeapModest(): void {
  setFlagsFromString(`--heap-growing-percent=${GROWTH}`)
}
