// A station that enrols with a one-time token.
import type { HomeDevice } from './home-device.ts'
import { Station, type StationParts } from './station.ts'

export type DeviceParts = StationParts

export class Device extends Station implements HomeDevice {
  async start(enrolmentToken: string): Promise<void> {
    if (!(await this.identity.load())) await this.identity.enrol(enrolmentToken)
    await this.live()
  }

  async enrolAgain(enrolmentToken: string): Promise<void> {
    await this.identity.enrol(enrolmentToken)
    await this.leave()
    await this.live()
  }
}
