// Codes of CoAP messages: three bits of class, five of detail (RFC 7252 3, registry in 12.1).

/** Under the names of RFC 7252 12.1, RFC 7959 2.9, RFC 8132, RFC 8516 and RFC 8768. */
export const CODE = {
  Empty: 0x00,

  GET: 0x01,
  POST: 0x02,
  PUT: 0x03,
  DELETE: 0x04,
  FETCH: 0x05,
  PATCH: 0x06,
  iPATCH: 0x07,

  Created: 0x41,
  Deleted: 0x42,
  Valid: 0x43,
  Changed: 0x44,
  Content: 0x45,
  Continue: 0x5f,

  BadRequest: 0x80,
  Unauthorized: 0x81,
  BadOption: 0x82,
  Forbidden: 0x83,
  NotFound: 0x84,
  MethodNotAllowed: 0x85,
  NotAcceptable: 0x86,
  RequestEntityIncomplete: 0x88,
  Conflict: 0x89,
  PreconditionFailed: 0x8c,
  RequestEntityTooLarge: 0x8d,
  UnsupportedContentFormat: 0x8f,
  UnprocessableEntity: 0x96,
  TooManyRequests: 0x9d,

  InternalServerError: 0xa0,
  NotImplemented: 0xa1,
  BadGateway: 0xa2,
  ServiceUnavailable: 0xa3,
  GatewayTimeout: 0xa4,
  ProxyingNotSupported: 0xa5,
  HopLimitReached: 0xa8,
} as const

/** 0x84 of '4.04'. Throws RangeError for what is no code. */
export function codeOf(text: string): number {
  const [, category, detail] = /^([0-7])\.(\d\d)$/.exec(text) ?? []
  if (category === undefined || Number(detail) > 31) throw new RangeError(`'${text}' is no CoAP code`)
  return (Number(category) << 5) | Number(detail)
}

/** '4.04' of 0x84. */
export function codeText(code: number): string {
  return `${codeClass(code)}.${String(code & 0x1f).padStart(2, '0')}`
}

/** 0 request (or empty), 2 success, 4 client error, 5 server error; 1, 6 and 7 are reserved (RFC 7252 12.1). */
export function codeClass(code: number): number {
  return code >> 5
}

/** A method code; 0.00 is none. */
export function isRequest(code: number): boolean {
  return code > 0 && code < 0x20
}

/** Classes 2 to 5 (RFC 7252 12.1). */
export function isResponse(code: number): boolean {
  const category = codeClass(code)
  return category >= 2 && category <= 5
}
