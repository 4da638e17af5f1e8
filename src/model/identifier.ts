import { Failure } from './failure.ts'

/**
 * What may name a device, client, type, group, role, attribute or enrolment: letters, digits, `.`, `_`, `:` and `-`,
 * beginning with a letter or digit, at most 64 characters. It cannot hold `/ + # $`, white space or a control character,
 * so it can stand in a topic, a key, a URI or a log line as it is.
 */
const IDENTIFIER = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/

declare const deviceId: unique symbol
/** The name of a device (or of a service): parsed once, then trusted. */
export type DeviceId = string & { readonly [deviceId]: true }

export function isIdentifier(text: unknown): text is string {
  return typeof text === 'string' && IDENTIFIER.test(text)
}

/** Parses a device or client identifier; throws `invalid-identifier`. */
export function parseDeviceId(text: unknown): DeviceId {
  return parseIdentifier(text, 'device id') as DeviceId
}

/** `what` names the field in the error, for example `role`. */
export function parseIdentifier(text: unknown, what: string): string {
  if (isIdentifier(text)) return text
  throw new Failure(
    'invalid-identifier',
    `${what} ${JSON.stringify(text)?.slice(0, 80)} is not valid: use 1 to 64 letters, digits, . _ : or -, beginning with a letter or digit`,
  )
}

/** The value of a policy variable: one topic level, without wildcards, NUL or control characters, at most 128 characters. */
export function isAttributeValue(text: unknown): text is string {
  return (
    typeof text === 'string' && text.length > 0 && text.length <= 128 && !/[/+#$\u0000-\u001f\u007f-\u009f]/.test(text)
  )
}
