// What failures of one family share: how each protocol answers them, and what a stranger reads.

export const UNAUTHENTICATED = {
  mqtt3: 5,
  mqtt5: 0x87,
  coap: '4.01',
  http: 401,
  oauth: 'invalid_client',
  stranger: 'Not authorized.',
} as const
export const FORBIDDEN = {
  mqtt3: 5,
  mqtt5: 0x87,
  coap: '4.03',
  http: 403,
  oauth: 'access_denied',
  stranger: 'Not authorized.',
} as const
export const INVALID = {
  mqtt3: 5,
  mqtt5: 0x83,
  coap: '4.00',
  http: 400,
  oauth: 'invalid_request',
  stranger: 'The request is not valid.',
} as const
export const MISSING = {
  mqtt3: 5,
  mqtt5: 0x87,
  coap: '4.04',
  http: 404,
  oauth: 'invalid_request',
  stranger: 'Not found.',
} as const
export const CONFLICT = {
  mqtt3: 5,
  mqtt5: 0x83,
  coap: '4.09',
  http: 409,
  oauth: 'invalid_request',
  stranger: 'The request conflicts with what is stored.',
} as const
export const BUSY = {
  mqtt3: 3,
  mqtt5: 0x97,
  coap: '4.29',
  http: 429,
  oauth: 'slow_down',
  stranger: 'Too many requests.',
} as const
export const DOWN = {
  mqtt3: 3,
  mqtt5: 0x88,
  coap: '5.03',
  http: 503,
  oauth: 'temporarily_unavailable',
  stranger: 'Not available now.',
} as const
export const PROTOCOL = {
  mqtt3: 1,
  coap: '4.00',
  http: 400,
  oauth: 'invalid_request',
  stranger: 'The packet is not valid.',
} as const
