import { z } from 'zod'

/** Files that are sent along: policies or manifests. Errors name their paths. */
export const filesSchema = z
  .array(z.strictObject({ path: z.string().min(1).max(512), text: z.string().max(4_194_304) }))
  .max(1024)
