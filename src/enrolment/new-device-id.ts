import type { Random } from '../model/clock.ts'
import { type DeviceId, parseDeviceId } from '../model/identifier.ts'
import type { Registry } from '../registry/registry.ts'

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567'
/** An identifier has at most 64 characters, and the random part takes nine of them. */
const TYPE_LENGTH = 55

/** `<type>-<8 random>` that nobody has: 40 random bits, tried again in the unlikely case. */
export function newDeviceId(type: string, registry: Registry, random: Random): DeviceId {
  for (;;) {
    const bits = BigInt(`0x${random.bytes(5).toString('hex')}`)
    const suffix = Array.from({ length: 8 }, (_, i) => BASE32.charAt(Number((bits >> BigInt(5 * i)) & 31n))).join('')
    const id = parseDeviceId(`${type.slice(0, TYPE_LENGTH)}-${suffix}`)
    if (!registry.subjectOf(id)) return id
  }
}
