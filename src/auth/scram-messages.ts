// Messages of SCRAM (RFC 5802 7), read and written; what they prove is `verify-scram.ts`'s.
import { Failure } from '../model/failure.ts'

export interface ClientFirst {
  readonly username: string
  readonly nonce: string
  /** The gs2 header, which client-final repeats in base64 [RFC 5802 7, `c=`]. */
  readonly gs2Header: string
  readonly bare: string
}

export interface ClientFinal {
  readonly channelBinding: string
  readonly nonce: string
  readonly proof: Buffer
  readonly withoutProof: string
}

/** Printable ASCII without the comma (RFC 5802 7). */
const NONCE = /^[\x21-\x2b\x2d-\x7e]{1,256}$/
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/** Throws `bad-secret`: a stranger learns nothing about what was wrong, the operator does. */
export function readClientFirst(data: Buffer | null, most: number): ClientFirst {
  const [flag = '', authzid, ...rest] = textOf(data, most).split(',')
  if (flag.startsWith('p=')) throw refused('Channel binding was asked for, and there is none: SCRAM-SHA-256, not -PLUS')
  if ((flag !== 'n' && flag !== 'y') || authzid === undefined) throw refused('The gs2 header is malformed')
  if (authzid !== '') throw refused('An authorization identity was named: nobody acts for somebody else')
  const [name = '', nonce = ''] = rest
  if (name.startsWith('m=')) throw refused('A mandatory extension was named, and none is known') // RFC 5802 5.1
  if (!name.startsWith('n=') || !nonce.startsWith('r=') || !NONCE.test(nonce.slice(2)))
    throw refused('client-first has no username or no nonce')
  const username = readName(name.slice(2))
  return { username, nonce: nonce.slice(2), gs2Header: `${flag},,`, bare: rest.join(',') }
}

/** Throws `bad-secret`. */
export function readClientFinal(data: Buffer | null, most: number): ClientFinal {
  const text = textOf(data, most)
  const at = text.lastIndexOf(',p=')
  const proof = text.slice(at + 3)
  const withoutProof = text.slice(0, Math.max(at, 0))
  const [binding = '', nonce = ''] = withoutProof.split(',')
  if (at < 0 || !BASE64.test(proof) || !binding.startsWith('c=') || !nonce.startsWith('r='))
    throw refused('client-final is malformed')
  return {
    channelBinding: binding.slice(2),
    nonce: nonce.slice(2),
    proof: Buffer.from(proof, 'base64'),
    withoutProof,
  }
}

export function serverFirst(nonce: string, { salt, iterations }: { salt: Buffer; iterations: number }): string {
  return `r=${nonce},s=${salt.toString('base64')},i=${iterations}`
}

export const refused = (why: string): Failure => new Failure('bad-secret', why)

/** `=2C` and `=3D` stand for comma and equals sign; any other `=` is an error (RFC 5802 5.1). */
function readName(written: string): string {
  if (written === '' || /=(?!2C|3D)/.test(written)) throw refused('The username is malformed')
  return written.replaceAll('=2C', ',').replaceAll('=3D', '=')
}

function textOf(data: Buffer | null, most: number): string {
  if (data === null || data.length > most) throw refused(`A SCRAM message has 1 to ${most} bytes`)
  return data.toString('utf8')
}
