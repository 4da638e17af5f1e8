// A station that enrols with a one-time token.
import type { HomeDevice } from './home-device.ts'
import { Station, type StationParts } from './station.ts'

export type DeviceParts = StationParts

export class Device extends Station implements HomeDevice {
  start(enrolmentToken: string): Promise<void> {
    return this.live(async () => {
      if (!(await this.identity.load())) await this.identity.enrol(enrolmentToken)
    })
  }

  enrolAgain(enrolmentToken: string): Promise<void> {
    return this.live(async () => {
      await this.identity.enrol(enrolmentToken)
      await this.leave()
    })
  }
}
