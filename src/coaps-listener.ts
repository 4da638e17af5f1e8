// Whether CoAP over DTLS is served: it needs an addon that is built where there is a compiler.
import { type Configuration, DEFAULT_COAPS } from './config.ts'
import { loadAddon } from './dtls/load-addon.ts'
import { asFailure, Failure } from './model/failure.ts'
import type { Log } from './model/log.ts'

interface Address {
  readonly host: string
  readonly port: number
}

/** Why DTLS cannot be served on this machine; null when it can. */
export function whyNoDtls(): string | null {
  try {
    loadAddon()
    return null
  } catch (error) {
    return asFailure(error).message
  }
}

/**
 * Null when it is off, or when nobody asked for it and the addon is missing, which is warned of once. Throws
 * `dtls-unavailable` where the configuration names it, and `listener-failed`.
 */
export async function listenCoaps(
  { listeners: { coaps } }: Configuration,
  log: Log,
  listen: (address: Address) => Promise<Address>,
): Promise<Address | null> {
  if (coaps === false) return null
  try {
    return await listen(coaps ?? DEFAULT_COAPS)
  } catch (error) {
    if (coaps !== undefined || !(error instanceof Failure) || error.code !== 'dtls-unavailable') throw error
    log.warn({ listener: 'coaps', advice: error.row.advice }, 'coaps is not served: the DTLS addon is missing')
    return null
  }
}
