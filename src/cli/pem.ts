// PEM blocks as files want them.

/** The blocks of a PEM text, each with a newline at its end. */
export const pemBlocks = (text: string): string[] =>
  (text.match(/-----BEGIN [A-Z0-9 ]+-----[\s\S]*?-----END [A-Z0-9 ]+-----/g) ?? []).map(block => `${block}\n`)

/** `certificate`: the leaf and what chains it to the root, as TLS sends it. `root`: what a client trusts. */
export function certificateFiles(certificate: string, chain: string): { certificate: string; root: string } {
  const above = pemBlocks(chain)
  return { certificate: [...pemBlocks(certificate), ...above.slice(0, -1)].join(''), root: above.at(-1) ?? '' }
}

export function pemOf(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}
