import { z } from 'zod'
import type { HttpApp, RouteParts } from '../api.ts'

const tags = ['health']

export function healthRoutes(app: HttpApp, { metrics, unready }: RouteParts): void {
  app.get(
    '/healthz',
    {
      config: { access: 'public' },
      schema: {
        operationId: 'getHealth',
        summary: 'Whether the process answers at all',
        tags,
        response: { 200: z.object({ status: z.literal('ok') }) },
      },
    },
    async () => ({ status: 'ok' as const }),
  )

  app.get(
    '/readyz',
    {
      config: { access: 'public' },
      schema: {
        operationId: 'getReadiness',
        summary: 'Whether it should be given work; the log says what is missing',
        tags,
        response: {
          200: z.object({ status: z.literal('ready') }),
          503: z.object({ status: z.literal('not ready') }).meta({ description: 'Starting, stopping, or in trouble.' }),
        },
      },
    },
    async (_request, reply) => {
      if (unready().length === 0) return reply.code(200).send({ status: 'ready' })
      return reply.code(503).send({ status: 'not ready' })
    },
  )

  app.get(
    '/metrics',
    {
      config: { access: { loopback: 'audit:read' } },
      schema: {
        operationId: 'getMetrics',
        summary: 'Prometheus metrics: open to this machine, elsewhere for whoever may read the audit trail',
        tags,
        produces: ['text/plain'],
        response: { 200: z.string() },
      },
    },
    async (_request, reply) => {
      const { contentType, text } = await metrics.scrape()
      return reply.type(contentType).send(text)
    },
  )

  app.get(
    '/openapi.json',
    {
      config: { access: 'public' },
      schema: {
        operationId: 'getOpenApi',
        summary: 'This document',
        tags,
        response: { 200: z.record(z.string(), z.unknown()) },
      },
    },
    async () => ({ ...app.swagger() }),
  )
}
