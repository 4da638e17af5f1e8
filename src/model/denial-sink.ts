import type { Decision, Request } from './decision.ts'
import type { Principal } from './principal.ts'

/** Told about every fresh decision (not about cached ones), to aggregate per principal, action, rule and minute. */
export interface DenialSink {
  decided(principal: Principal, request: Request, decision: Decision): void
  /** `times` more of the same answer came out of a cache. */
  repeated(principal: Principal, request: Request, decision: Decision, times: number): void
}
