// A certificate that has ended, in a new handshake or in a TLS session that was begun while it was good: the broker goes
// by its own clock, on every connection.
import { attacks } from '../fixtures/attack.ts'
import type { TestBroker } from '../fixtures/broker.ts'
import { UNLIMITED_ATTEMPTS } from '../fixtures/device-token.ts'
import { visit } from '../fixtures/tls-visit.ts'
import { ShiftedClock } from '../wire/mqtt-broker.ts'

/** Seconds: the shortest that the profile of devices allows. */
const LIFETIME = 10
let clock = new ShiftedClock()

attacks(
  'an expired certificate',
  (['mqtts', 'wss'] as const).flatMap(listener =>
    (['TLSv1.2', 'TLSv1.3'] as const).flatMap(version =>
      [false, true].map(resumes => ({
        name: `${listener} ${version}, ${resumes ? 'with the TLS session of before' : 'in a new handshake'}`,
        attempt: async (broker: TestBroker) => {
          const id = `e-${listener}-${version.replace('.', '')}-${resumes}`
          await broker.device(id)
          const order = { owner: id, kind: 'x509', lifetime: LIFETIME }
          const issued = await broker.api('POST', '/v1/credentials', order)
          const options = {
            cert: issued.certificate + issued.chain,
            key: issued.privateKey,
            minVersion: version,
            maxVersion: version,
          }
          const before = await visit(broker, listener, id, options)
          if (!before.admitted) throw new Error('the certificate should have been good')
          clock.shift += (LIFETIME + 1) * 1000
          const session = resumes && before.session ? { session: before.session } : {}
          return (await visit(broker, listener, id, { ...options, ...session })).admitted
        },
      })),
    ),
  ),
  {
    configuration: UNLIMITED_ATTEMPTS,
    options: () => {
      clock = new ShiftedClock()
      return { clock }
    },
  },
)
