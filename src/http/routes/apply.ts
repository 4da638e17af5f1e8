import { z } from 'zod'
import type { HttpApp, RouteParts } from '../api.ts'
import { actorOf, principalOf } from '../operator-authentication.ts'
import { refusals } from '../refusals.ts'
import { planSchema, planView } from '../views/plan-view.ts'
import { filesSchema } from './file-input.ts'

export function applyRoutes(app: HttpApp, { access }: RouteParts): void {
  app.post(
    '/v1/apply',
    {
      config: { access: ['devices:write', 'clients:write', 'policies:write'] },
      schema: {
        operationId: 'applyFiles',
        summary: 'Make devices, types, clients and policies as these files say: all or nothing, and twice is as once',
        tags: ['policies'],
        body: z.strictObject({
          files: filesSchema,
          dryRun: z.boolean().default(false).describe('Answer with the plan, and change nothing.'),
        }),
        response: { 200: planSchema, ...refusals(409, 413, 422) },
      },
    },
    async request => {
      const { files, dryRun } = request.body
      request.target = dryRun ? 'dry run' : `${files.length} files`
      return planView(await access.apply(files, actorOf(principalOf(request)), { dryRun }))
    },
  )
}
