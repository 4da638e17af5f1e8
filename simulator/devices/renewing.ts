// The next credential for the present one: over the device's own connection, or over HTTPS with its certificate.
import { randomUUID } from 'node:crypto'
import { LatchkeyClient, type OscoreContext } from '../../src/client/client.ts'
import { JSON_FORMAT, type WireMessage } from '../message.ts'
import { makeCertificateRequest } from './certificate-request.ts'
import type { KeptCredential } from './credential-folder.ts'
import { lifeOf } from './enrolling.ts'
import type { BrokerAddress } from './home-device.ts'
import type { Link } from './link.ts'

/** Where a device asks for its next credential. */
export const RENEW = '$latchkey/credential/renew'
/** Where the answer comes, without a subscription, on the MQTT connection that asked; over CoAP it is the response. */
export const RENEWED = '$latchkey/credential/renewed'
/** Milliseconds. */
const ANSWER_TIMEOUT = 5_000

type Kept<K extends KeptCredential['kind']> = Extract<KeptCredential, { readonly kind: K }>
/** What is renewed over the device's own link. */
type Renewable = Kept<'psk'> | Kept<'secret'> | Kept<'oscore'>

/** By mutual TLS. Throws ApiError. */
export async function renewCertificate(
  device: string,
  { certificate, chain, privateKey }: Kept<'x509'>,
  { httpsUrl, ca }: BrokerAddress,
): Promise<Kept<'x509'>> {
  const identity = { certificate: certificate + chain, privateKey }
  const api = new LatchkeyClient({ url: httpsUrl, ca, identity, timeout: ANSWER_TIMEOUT })
  const next = await makeCertificateRequest(device)
  const renewed = await api.enrolments.renew(next.request)
  return {
    kind: 'x509',
    certificate: renewed.certificate,
    chain: renewed.chain,
    privateKey: next.privateKey,
    ...lifeOf(renewed.credential),
  }
}

/** Asks for the next credential in session and waits for the answer. One question at a time. */
export class SessionRenewal {
  #waiting: { readonly id: string; readonly answered: (answer: Answer) => void } | null = null

  /** To be handed every message of the link; true: it was an answer, and not for the device. */
  heard({ topic, payload }: WireMessage): boolean {
    if (topic !== RENEWED) return false
    const answer = readAnswer(payload)
    if (answer !== null && answer.id === this.#waiting?.id) this.#waiting.answered(answer)
    return true
  }

  /** The link must be an encrypted one. Throws when the broker refuses or does not answer. */
  async renew<C extends Renewable>(link: Link, present: C): Promise<C> {
    const id = randomUUID()
    let timer: NodeJS.Timeout | undefined
    try {
      const answer = new Promise<Answer>((resolve, reject) => {
        this.#waiting = { id, answered: resolve }
        timer = setTimeout(() => reject(new Error('no answer to the renewal')), ANSWER_TIMEOUT)
      })
      const asked = link.publish({
        topic: RENEW,
        payload: Buffer.from(JSON.stringify({ id })),
        contentFormat: JSON_FORMAT,
        qos: 1,
        retain: false,
      })
      const refusal = asked.then(outcome => {
        if (outcome !== 'accepted') throw new Error(`the renewal was answered with '${outcome}'`)
        return answer
      })
      return nextOf(present, await Promise.race([answer, refusal]))
    } finally {
      clearTimeout(timer)
      this.#waiting = null
    }
  }
}

interface Answer {
  readonly id: string
  readonly credential?: { readonly expiresAt: string | null }
  readonly secret?: string
  readonly psk?: { readonly identity: string; readonly key: string }
  readonly oscore?: OscoreContext
  readonly error?: { readonly code: string; readonly detail: string }
}

function nextOf<C extends Renewable>(present: C, answer: Answer): C {
  const { credential, secret, psk, oscore, error } = answer
  if (error !== undefined) throw new Error(`the renewal was refused: ${error.code}: ${error.detail}`)
  if (credential === undefined) throw new Error('the answer to the renewal holds no credential')
  if (present.kind === 'psk' && psk) return { ...present, identity: psk.identity, key: psk.key, ...lifeOf(credential) }
  if (present.kind === 'secret' && secret !== undefined) return { ...present, secret, ...lifeOf(credential) }
  if (present.kind === 'oscore' && oscore) return { ...present, ...oscore, ...lifeOf(credential) }
  throw new Error(`the answer to the renewal of a ${present.kind} holds none`)
}

/** null: no answer as we know them. */
function readAnswer(payload: Buffer): Answer | null {
  try {
    const value: unknown = JSON.parse(payload.toString())
    return typeof value === 'object' && value !== null && 'id' in value && typeof value.id === 'string'
      ? (value as Answer)
      : null
  } catch {
    return null
  }
}
