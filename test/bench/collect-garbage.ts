// Preloaded into a broker whose idle memory is measured: collects garbage when its parent asks. It changes nothing else.
import { setTimeout as pause } from 'node:timers/promises'

/** V8 gives pages back in steps. */
const TIMES = 4
const MILLISECONDS = 250

process.on('message', async () => {
  for (let time = 0; time < TIMES; time++) {
    globalThis.gc?.()
    await pause(MILLISECONDS)
  }
  process.send?.('collected')
})
process.channel?.unref()
