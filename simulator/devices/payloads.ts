// What devices read in the messages of others. null: it is not what it should be, and is passed over.
import type { Command, Mode, State } from '../control/orders.ts'
import type { Message } from '../message.ts'

/** `home/<room>/ac/set` */
export function readCommand({ mode, id }: Message): Command | null {
  return isMode(mode) && isCount(id) && id > 0 ? { mode, id } : null
}

/** `home/<room>/ac/state` */
export function readState({ mode, id }: Message): State | null {
  return isMode(mode) && isCount(id) ? { mode, id } : null
}

/** `home/<room>/ac/power` */
export function readPower({ watts, kWh }: Message): { readonly watts: number; readonly kWh: number } | null {
  return isAmount(watts) && isAmount(kWh) ? { watts, kWh } : null
}

const isMode = (value: unknown): value is Mode => value === 'cool' || value === 'off'

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0

const isAmount = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value) && value >= 0
