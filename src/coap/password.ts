/** What was sent from a file may end in a line break, and neither a secret nor a JWT does. */
export function withoutLineBreak(payload: Buffer): Buffer {
  let end = payload.length
  while (end > 0 && (payload[end - 1] === 0x0a || payload[end - 1] === 0x0d)) end--
  return payload.subarray(0, end)
}
