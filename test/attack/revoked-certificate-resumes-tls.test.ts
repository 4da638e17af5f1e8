// TLS resumes a session without looking at certificates again, so a revoked one must be met by the door: on every
// connection, resumed or not, on every listener that takes certificates.
import { attacks } from '../fixtures/attack.ts'
import type { TestBroker } from '../fixtures/broker.ts'
import { visit } from '../fixtures/tls-visit.ts'

attacks(
  'a revoked certificate and a resumed TLS session',
  (['mqtts', 'wss'] as const).flatMap(listener =>
    (['TLSv1.2', 'TLSv1.3'] as const).map(version => ({
      name: `${listener} ${version}`,
      attempt: async (broker: TestBroker) => {
        const id = `r-${listener}-${version.replace('.', '')}`
        await broker.device(id)
        const issued = await broker.certificate(id)
        const options = {
          cert: issued.certificate + issued.chain,
          key: issued.privateKey,
          minVersion: version,
          maxVersion: version,
        }
        const before = await visit(broker, listener, id, options)
        if (!before.admitted) throw new Error('the certificate should have been good')
        await broker.api('POST', `/v1/credentials/${issued.id}/revoke`, { reason: 'stolen' })
        const fresh = await visit(broker, listener, id, options)
        const again = await visit(broker, listener, id, {
          ...options,
          ...(before.session ? { session: before.session } : {}),
        })
        return fresh.admitted || again.admitted
      },
    })),
  ),
)
