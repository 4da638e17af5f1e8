import { z } from 'zod'
import { Failure } from '../../model/failure.ts'
import { printable } from '../../model/printable.ts'
import type { HttpApp, RouteParts } from '../api.ts'
import { refusals } from '../refusals.ts'
import { timestampSchema } from '../views/timestamp.ts'

const tags = ['ca']

const authoritySchema = z
  .object({
    subject: z.string(),
    serial: z.string(),
    fingerprint: z.string().describe('SHA-256, lower-case hex.'),
    notBefore: timestampSchema,
    notAfter: timestampSchema,
    certificate: z.string().describe('PEM.'),
  })
  .meta({ id: 'Authority' })

const binarySchema = z.instanceof(Buffer).meta({ type: 'string', format: 'binary' })

export function caRoutes(app: HttpApp, { ca, publicUrl }: RouteParts): void {
  app.get(
    '/v1/ca',
    {
      config: { access: 'ca:read' },
      schema: {
        operationId: 'getCa',
        summary: 'The certificate authorities, issuing CA first, and where their revocation lists are',
        tags,
        response: {
          200: z.object({ id: z.string(), authorities: z.array(authoritySchema), crls: z.array(z.string()) }),
        },
      },
    },
    async () => ({
      id: ca.id,
      authorities: ca.authorities().map(certificate => ({
        subject: certificate.subject,
        serial: certificate.serialNumber.toLowerCase(),
        fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
        notBefore: new Date(certificate.validFrom).toISOString(),
        notAfter: new Date(certificate.validTo).toISOString(),
        certificate: certificate.toString(),
      })),
      crls: [ca.id, `${ca.id}-root`].map(id => `${publicUrl}/crl/${id}.crl`),
    }),
  )

  app.get(
    '/v1/ca/root.pem',
    {
      config: { access: 'public' },
      schema: {
        operationId: 'getRootCertificate',
        summary: 'The root certificate, for devices that are to trust this broker',
        tags,
        produces: ['application/x-pem-file'],
        response: { 200: z.string() },
      },
    },
    async (_request, reply) =>
      reply.type('application/x-pem-file').header('cache-control', 'public, max-age=3600').send(ca.rootPem),
  )

  app.get(
    '/crl/:ca.crl',
    {
      config: { access: 'public' },
      schema: {
        operationId: 'getRevocationList',
        summary: 'The certificate revocation list of an authority (RFC 5280), DER',
        tags,
        params: z.strictObject({ ca: z.string() }),
        produces: ['application/pkix-crl'],
        response: { 200: binarySchema, ...refusals(404) },
      },
    },
    async (request, reply) => {
      const crl = await ca.crl(request.params.ca)
      if (!crl) throw new Failure('not-found', `There is no authority ${printable(request.params.ca, 80)}.`)
      // RFC 5280 4.2.1.13; fetched again soon, because a revocation should be seen soon.
      return reply.type('application/pkix-crl').header('cache-control', 'public, max-age=60').send(crl)
    },
  )
}
