// A device that shows a certificate and a secret on one connection hangs on both: revoking either cuts it off.
import { attacks } from '../fixtures/attack.ts'
import type { TestBroker } from '../fixtures/broker.ts'
import { connectDevice } from '../fixtures/clients.ts'

attacks(
  'one of two credentials revoked',
  (['x509', 'secret'] as const).map(revoked => ({
    name: `the ${revoked}`,
    attempt: async (broker: TestBroker) => {
      const id = `both-${revoked}`
      await broker.device(id)
      const certificate = await broker.certificate(id)
      const { id: secretId, secret } = await broker.secret(id)
      const client = await connectDevice(broker, id, {
        username: id,
        password: secret,
        cert: certificate.certificate + certificate.chain,
        key: certificate.privateKey,
      })
      const closed = new Promise<false>(resolve => client.stream.once('close', () => resolve(false)))
      const target = revoked === 'x509' ? certificate.id : secretId
      await broker.api('POST', `/v1/credentials/${target}/revoke`, { reason: 'stolen' })
      // The API answered, so the session has ended; if it has not, this publish is acknowledged.
      const published = client.publishAsync(`device/${id}/x`, 'still here', { qos: 1 }).then(() => true as const)
      const survived = await Promise.race([closed, published.catch(() => false as const)])
      await client.endAsync(true)
      return survived
    },
  })),
)
