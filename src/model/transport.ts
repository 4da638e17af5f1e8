/** Listener names, as in the configuration and the ready line. */
export const TRANSPORTS = [
  'mqtt',
  'mqtts',
  'ws',
  'wss',
  'coap',
  'coaps',
  'coap+tcp',
  'coaps+tcp',
  'coap+ws',
  'coaps+ws',
  'https',
] as const
export type Transport = (typeof TRANSPORTS)[number]

export const isSecure = (transport: Transport): boolean =>
  transport === 'mqtts' ||
  transport === 'wss' ||
  transport === 'coaps' ||
  transport === 'coaps+tcp' ||
  transport === 'coaps+ws' ||
  transport === 'https'
