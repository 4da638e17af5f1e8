// A CoAP message (RFC 7252 3), as the codec reads and writes it.

/** RFC 7252 3: confirmable, non-confirmable, acknowledgement, reset. */
export const TYPE = { CON: 0, NON: 1, ACK: 2, RST: 3 } as const
export type MessageType = (typeof TYPE)[keyof typeof TYPE]

export interface CoapOption {
  readonly number: number
  readonly value: Buffer
}

export interface CoapMessage {
  readonly type: MessageType
  /** Class and detail in one byte: 0x45 is 2.05. */
  readonly code: number
  readonly messageId: number
  /** 0 to 64 bytes: 8 of RFC 7252, the others of RFC 8974. */
  readonly token: Buffer
  /** In ascending order of their numbers; those with equal numbers in the order sent. */
  readonly options: readonly CoapOption[]
  readonly payload: Buffer
}
