import { EnrolmentDesk, type EnrolmentDeskOptions } from '../../../src/enrolment/enrolment-desk.ts'
import * as secretFormat from '../../../src/vault/secret-format.ts'
import type { House } from '../ca/house.ts'

export const ADDRESS = '192.0.2.7'

export function openDesk(house: House, options: Partial<EnrolmentDeskOptions> = {}): EnrolmentDesk {
  return new EnrolmentDesk({ ...house, secretFormat, ...options })
}
