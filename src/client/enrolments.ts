import type { Connection } from './connection.ts'
import { pages } from './pages.ts'
import type {
  CreatedEnrolment,
  Enrolment,
  EnrolmentInput,
  EnrolmentKind,
  Page,
  PageQuery,
  Redeemed,
  RedeemInput,
  Renewal,
} from './types.ts'

const PATH = '/v1/enrolments'

/** One-time tokens by which devices get their first credential. */
export class Enrolments {
  readonly #connection: Connection

  constructor(connection: Connection) {
    this.#connection = connection
  }

  /** Needs `enrolments:write`, or the right to enrol this device type. */
  create(input: EnrolmentInput): Promise<CreatedEnrolment> {
    return this.#connection.json({ method: 'POST', path: PATH, body: input })
  }

  /** Those that are open or ended lately. Needs `enrolments:read`. */
  list(query: PageQuery = {}): Promise<Page<Enrolment>> {
    return this.#connection.json({ method: 'GET', path: PATH, query: { ...query } })
  }

  all(): AsyncGenerator<Enrolment> {
    return pages(page => this.list(page))
  }

  /** Needs `enrolments:write`. */
  revoke(id: string): Promise<void> {
    return this.#connection.json({ method: 'DELETE', path: `${PATH}/${encodeURIComponent(id)}` })
  }

  /** What a device does with its token; needs no other authentication. */
  redeem(input: RedeemInput['x509']): Promise<Redeemed['x509']>
  redeem(input: RedeemInput['secret']): Promise<Redeemed['secret']>
  redeem(input: RedeemInput['psk']): Promise<Redeemed['psk']>
  redeem(input: RedeemInput['jwt-key']): Promise<Redeemed['jwt-key']>
  redeem(input: RedeemInput['oscore']): Promise<Redeemed['oscore']>
  redeem<K extends EnrolmentKind>(input: RedeemInput[K]): Promise<Redeemed[K]> {
    return this.#connection.json({ method: 'POST', path: `${PATH}/redeem`, body: input, authorization: null })
  }

  /** The next certificate for a device that comes with its present one (`identity`); both work until the old one ends. */
  renew(csr: string): Promise<Renewal> {
    return this.#connection.json({ method: 'POST', path: `${PATH}/renew`, body: { csr }, authorization: null })
  }
}
